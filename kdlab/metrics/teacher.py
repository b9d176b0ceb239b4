"""How alike student and teacher are, which accuracy hides (Stanton et al. 2021)."""

import math
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..core.moving import to_host
from ..experiment.setup import Setup
from ..methods import Method


def agreement(student: Tensor, teacher: Tensor) -> float:
    """Return how often the largest logits (n, K) of both are the same, in percent."""
    return 100.0 * (student.argmax(1) == teacher.argmax(1)).double().mean().item()


def divergence(student: Tensor, teacher: Tensor, T: float = 1.0) -> float:
    """Return KL(softmax(teacher / T) || softmax(student / T)) of logits, in nats.

    The mean over rows (n, K), without a factor T^2. 0 where the student's logits are the teacher's, up to a constant in
    each row.
    """
    log_student, log_teacher = ((z.double() / T).log_softmax(1) for z in (student, teacher))
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True).item()


def cka(x: Tensor, y: Tensor) -> float:
    """Return the linear centred kernel alignment of features (n, D1) and (n, D2).

    |Y'X|^2 / (|X'X| |Y'Y|), Frobenius norms, columns centred (Kornblith et al., ICML 2019): their equation 4 with
    linear kernels and the biased HSIC of equation 3, in the form that needs no n x n matrix. 1 where y is x turned,
    mirrored, moved or scaled as a whole; 0 where no feature is correlated with one of the other, or one side is
    constant. Being biased, it stays above 0 for few images: independent normal features give about sqrt(D1 D2 / ((n +
    D1) (n + D2))).
    """
    x, y = (z.double() - z[:1].double() for z in (x, y))  # constant features become 0 exactly
    x, y = x - x.mean(0), y - y.mean(0)
    sizes = (x.T @ x).norm() * (y.T @ y).norm()
    return ((y.T @ x).square().sum() / sizes).clamp(max=1).item() if sizes > 0 else 0.0


def teaches_a_classifier(method: Method) -> bool:
    """Return whether the method trains a classifier with a teacher."""
    return method.trains_head and method.teacher is not None


def has_a_teacher(method: Method) -> bool:
    """Return whether the method has a teacher."""
    return method.teacher is not None


def beside_teacher(
    measure: Callable[..., float], setup: Setup, part: str, output: str = "logits", **options: Any
) -> float:
    """Measure the student's `output` on a part of the data beside the teacher's.

    `output` is "logits" or "pooled".
    """
    both = setup.features, setup.teacher_features
    student, teacher = setup.once(("both", part), lambda: to_host([features(part, stay=True) for features in both]))
    return measure(getattr(student, output), getattr(teacher, output), **options)


def epoch_mean(name: str, setup: Setup) -> float | None:
    """Return a mean over the last epoch; None where the method notes none."""
    means = setup.method.epoch_means()
    value = means[name].item() if name in means else math.nan
    return None if math.isnan(value) else value


def teacher_entropy(epoch: int, setup: Setup) -> float | None:
    """Mean entropy, in nats, of the teacher's distribution over the images of a queue.

    The log of the queue's length where the teacher finds all equally alike.
    """
    return epoch_mean("teacher_entropy", setup)


def constant_answer(epoch: int, setup: Setup) -> float | None:
    """Loss that one answer for all images has, at its best.

    What a regression of features must come below: 2 - 2 |mean of the teacher's unit rows|.
    """
    return epoch_mean("constant_answer", setup)
