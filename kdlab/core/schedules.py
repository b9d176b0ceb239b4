"""Named schedules: pure functions of training progress in [0, 1].

Progress is (optimiser steps taken) / (all steps), so nothing has to be saved: a continued run computes the same values.
What they return is a factor or a weight, without a unit.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

# Progress is a quotient of whole numbers, and rounding puts it just beside a boundary such as 5/30: so much off still
# counts as reaching it. A run has far fewer steps than 1e9.
ROUNDING = 1e-9


def constant(progress: float) -> float:
    """Stay at 1."""
    return 1.0


def cosine(progress: float) -> float:
    """Fall from 1 to 0 along half a cosine: slow, fast, slow.

    (1 + cos(pi progress)) / 2: SGDR without restarts (Loshchilov & Hutter 2017). 1/2 in the middle.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress: float) -> float:
    """Fall from 1 to 0 in a straight line."""
    return 1.0 - progress


def step(progress: float, milestones: Sequence[float] = (150 / 240, 180 / 240, 210 / 240), decay: float = 0.1) -> float:
    """Start at 1 and multiply by `decay` at every milestone.

    The defaults are the CIFAR recipe of Tian et al. 2020 (CRD): a tenth at epochs 150, 180 and 210 of 240.
    """
    return decay ** sum(progress >= m for m in milestones)


SCHEDULES: dict[str, Callable[..., float]] = {"constant": constant, "cosine": cosine, "linear": linear, "step": step}


def warm_up(progress: float, share: float) -> float:
    """Rise from 0 to 1 in a straight line over the first `share` of training.

    Then it is 1; `share=0` means no warm-up.
    """
    return min(1.0, progress / share) if share > 0 else 1.0


def cosine_between(progress: float, start: float, end: float) -> float:
    """Move from `start` to `end` along half a cosine, half-way in the middle.

    The momentum of BYOL's target network (Grill et al. 2020), and of MoCo v2+.
    """
    return end - (end - start) * cosine(progress)


def ramp_up(
    progress: float,
    start: float,
    end: float,
    warmup: float,
    ramp: float,
    curve: Literal["linear", "cosine", "step"] = "linear",
) -> float:
    """Return a teacher's weight: 0, then from `start` to `end`, then `end`.

    `warmup` and `ramp` are the shares of training of the first two parts; with ramp = 0 `end` follows at once. `curve`:
    linear, half a cosine (both half-way in the middle), or a step at the end of the ramp.
    SS-KD's released script (2025): start 0.1, end 0.9, warm-up 5 and ramp 16 of 30 epochs, linear, which is 0.05 an
    epoch.
    """
    if progress < warmup - ROUNDING:
        return 0.0
    s = min(1.0, (progress - warmup) / ramp) if ramp > 0 else 1.0  # from 0 to 1 along the ramp
    shape = {"linear": s, "cosine": 1 - cosine(s), "step": float(s > 1 - ROUNDING)}
    return start + (end - start) * max(0.0, shape[curve])


def sigmoid_ramp(progress: float, share: float = 0.2) -> float:
    """Return the weight of a loss without labels: slow to rise, 1 from `share` on.

    It grows as predictions get better. exp(-5 (1 - s)^2) with s = progress / share, at most 1.
    Laine & Aila 2017, for consistency in semi-supervised learning; share = 0.2 is our *reconstruction* for LiteNet-SSD.
    e^-5 = 0.0067 at the start, e^-1.25 = 0.2865 half-way up.
    """
    return math.exp(-5.0 * (1.0 - min(progress / share, 1.0)) ** 2) if share > 0 else 1.0
