"""Named schedules: pure functions of training progress in [0, 1].

Progress is (optimiser steps taken) / (all steps), so nothing has to be saved: a continued run computes the same values.
"""

import math
from collections.abc import Callable, Sequence


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 at the start to 0 at the end (SGDR without restarts, Loshchilov & Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress: float) -> float:
    """A straight line from 1 to 0."""
    return 1.0 - progress


def step(progress: float, milestones: Sequence[float] = (150 / 240, 180 / 240, 210 / 240), decay: float = 0.1) -> float:
    """1, multiplied by `decay` at every milestone passed. The default is the CIFAR recipe of Tian et al. 2020 (CRD)."""
    return decay ** sum(progress >= m for m in milestones)


SCHEDULES: dict[str, Callable[..., float]] = {"constant": constant, "cosine": cosine, "linear": linear, "step": step}


def warm_up(progress: float, share: float) -> float:
    """A straight line from 0 to 1 over the first `share` of training, then 1; `share=0` means no warm-up."""
    return min(1.0, progress / share) if share > 0 else 1.0


def cosine_between(progress: float, start: float, end: float) -> float:
    """From `start` to `end` along half a cosine: the momentum of BYOL's target (Grill et al. 2020) and of MoCo v2+."""
    return end - (end - start) * cosine(progress)


def ramp_up(progress: float, start: float, end: float, warmup: float, ramp: float, curve: str = "linear") -> float:
    """0 for the share `warmup` of training, then from `start` to `end` over the share `ramp`, then `end`.

    `curve`: linear, half a cosine (both at the middle half-way), or a step at the end of the ramp. SS-KD's released
    script: start 0.1, end 0.9, warm-up 5 and ramp 16 of 30 epochs, linear, which is 0.05 an epoch.
    """
    if progress < warmup - 1e-9:
        return 0.0
    s = min(1.0, (progress - warmup) / ramp) if ramp > 0 else 1.0
    shape = {"linear": s, "cosine": 1 - cosine(s), "step": float(s > 1 - 1e-9)}
    return start + (end - start) * max(0.0, shape[curve])


def sigmoid_ramp(progress: float, share: float = 0.2) -> float:
    """exp(-5 (1 - s)^2) with s = progress / share, at most 1: e^-5 at the start, 1 from `share` on.

    The ramp of consistency weights in semi-supervised learning (Laine & Aila 2017); share=0.2 is
    our reconstruction for LiteNet-SSD.
    """
    return math.exp(-5.0 * (1.0 - min(progress / share, 1.0)) ** 2) if share > 0 else 1.0
