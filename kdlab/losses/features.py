"""Losses on feature maps."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import Error


def pool_to_match(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (B, C, H, W) of equal H and W: the larger one is average-pooled to the smaller one's size.

    Tensors of equal spatial size, and vectors (B, D), come back as they are.
    """
    size = tuple(map(min, a.shape[2:], b.shape[2:]))
    return tuple(m if m.shape[2:] == size else F.adaptive_avg_pool2d(m, size) for m in (a, b))


def pairs(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """The maps of two networks, stage by stage, brought to equal sizes; the teacher's detached."""
    if len(students) != len(teachers):
        raise Error(
            f"{len(students)} student maps cannot be paired with {len(teachers)} teacher maps: give equally many"
        )
    return (pool_to_match(s, t.detach()) for s, t in zip(students, teachers))


def feature_cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """2 - 2 cos over channels at every position of two maps (B, C, H, W), mean over batch and positions; in [0, 4].

    The feature transfer of LiteNet-SSD (*reconstruction*), for a student map already brought to the teacher's
    channels. No gradient reaches the teacher. 0 where the student is a positive multiple of the teacher, 2 where the
    channels are orthogonal.
    """
    student, teacher = pool_to_match(student, teacher.detach())
    return (2 - 2 * F.cosine_similarity(student, teacher, dim=1)).mean()


def feature_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of two maps (B, C, H, W) or vectors (B, D), mean over all elements.

    The hint of Romero et al. 2015 (FitNets), without their 1/2 and as a mean, for a student already brought to the
    teacher's channels. No gradient reaches the teacher.
    """
    return F.mse_loss(*pool_to_match(student, teacher.detach()))


def nst(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Squared maximum mean discrepancy of the channels of two maps (B, C, H, W), mean over batch, summed over pairs.

    Huang & Wang 2017 (neuron selectivity transfer): channels of unit length over space, polynomial kernel (x . y)^2,
    means over all pairs of channels. Channels may differ in number. No gradient reaches the teachers. 0 where the
    student's channels are a permutation of the teacher's, up to scale.
    """

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.transpose(1, 2)).square().mean()

    loss = 0.0
    for maps in pairs(students, teachers):
        s, t = (F.normalize(m.flatten(2), dim=2) for m in maps)
        loss = loss + kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)
    return loss


def fsp(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Squared difference of the flow matrices of consecutive maps, mean over batch and entries, summed over pairs.

    Yim et al. 2017 (flow of the solution procedure): the matrix (B, C, C') of maps (B, C, H, W) and (B, C', H', W') is
    the mean over positions of their products, after pooling to the smaller size. The channels of student and teacher
    must be equal. No gradient reaches the teachers. Maps 1 and 2 against 1 and 3 give 1.
    """

    def flow(maps: Sequence[Tensor]) -> list[Tensor]:
        matched = [pool_to_match(a, b) for a, b in pairwise(maps)]
        return [a.flatten(2) @ b.flatten(2).transpose(1, 2) / a[0, 0].numel() for a, b in matched]

    channels = [[m.shape[1] for m in maps] for maps in (students, teachers)]
    if channels[0] != channels[1]:
        raise Error(f"flow matrices need equal channels: the student has {channels[0]}, the teacher {channels[1]}")
    return sum(F.mse_loss(s, t.detach()) for s, t in zip(flow(students), flow(teachers)))


def ab(students: Sequence[Tensor], teachers: Sequence[Tensor], margin: float = 1.0) -> Tensor:
    """Squared hinge that brings student pre-activations to the teacher's side of 0, `margin` beyond it.

    Heo et al. 2019 (activation boundaries) with RepDistiller's weights: summed over elements, divided by B, times
    2^(i - n + 1) for map i = 0 .. n-1 and 3 / 1000. Maps (B, C, H, W) before the ReLU, the student's already brought to
    the teacher's channels. No gradient reaches the teachers, nor students beyond the margin. 0 against -1 gives 0.003.
    """
    loss = 0.0
    for i, (s, t) in enumerate(pairs(students, teachers)):
        gap = torch.where(t > 0, margin - s, margin + s).relu().square()
        loss = loss + 2.0 ** (i + 1 - len(students)) * gap.sum() / len(s)
    return loss * 3 / 1000


def byot_feature(branch: Tensor, deepest: Tensor) -> Tensor:
    """Squared difference of two pooled features (B, C), summed over batch and channels where either is positive.

    The hint term of Zhang et al. 2019 (be your own teacher), as in luanyunteng's code, whose weight 1e-6 goes with the
    sum. No gradient reaches the deepest feature.
    """
    deepest = deepest.detach()
    return ((branch - deepest).square() * ((branch > 0) | (deepest > 0))).sum()
