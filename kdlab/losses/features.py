"""Losses on feature maps and on attention maps, which say where a network looks."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full, product, total
from ..core.errors import Error


def pool_to_match(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Bring two maps (B, C, H, W) to the same H and W.

    The larger one is average-pooled to the smaller one's size.

    Maps of equal size, and vectors (B, D), come back as they are.
    """
    size = torch.Size(map(min, a.shape[2:], b.shape[2:]))
    first, second = (m if m.shape[2:] == size else F.adaptive_avg_pool2d(m, (size[0], size[1])) for m in (a, b))
    return first, second


def pairs(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Pair the maps of two networks, stage by stage, at equal sizes.

    They are in single precision, the teacher's detached.
    """
    if len(students) != len(teachers):
        raise Error(
            f"{len(students)} student maps cannot be paired with {len(teachers)} teacher maps: give equally many"
        )
    return (pool_to_match(full(s), full(t).detach()) for s, t in zip(students, teachers, strict=True))


def feature_cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare the directions of channels at every position; lengths do not count.

    The student's channels are to point where the teacher's do.

    2 - 2 cos over the channels of two maps (B, C, H, W), mean over batch and positions, in [0, 4]; vectors (B, D) are
    maps of one position. The student's map must have the teacher's channels; of unequal sizes the larger is pooled. No
    gradient reaches the teacher.
    The feature transfer of LiteNet-SSD (*reconstruction*).
    0 where the student is a positive multiple of the teacher, 2 where the channels are orthogonal, 4 where opposite.
    """
    student, teacher = pool_to_match(full(student), full(teacher).detach())
    return (2 - 2 * F.cosine_similarity(student, teacher, dim=1)).mean()


def feature_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare features number by number: the squared difference from the teacher's.

    Mean over all elements of two maps (B, C, H, W) or vectors (B, D). The student's must have the teacher's channels;
    of unequal sizes the larger map is pooled. No gradient reaches the teacher.
    The hint of Romero et al. 2015 (FitNets), without their 1/2, and as a mean.
    """
    return F.mse_loss(*pool_to_match(full(student), full(teacher).detach()))


def nst(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Compare where channels respond, whichever channel does.

    The student's channels are to respond at the same positions as the teacher's.

    A channel is a vector over the H W positions, brought to unit length. Student and teacher are two sets of such
    vectors, and the squared maximum mean discrepancy says how far the sets are apart: mean k(t, t') + mean k(s, s') -
    2 mean k(s, t) over all pairs of channels, with the kernel k(x, y) = (x . y)^2. Mean over the batch, summed over the
    pairs of maps (B, C, H, W); channels may differ in number. No gradient reaches the teachers.
    Huang & Wang 2017 (neuron selectivity transfer), with the polynomial kernel, d = 2 and c = 0.
    0 where the student's channels are a permutation of the teacher's, up to scale.
    """

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return product(a, b.transpose(1, 2)).square().mean()

    loss = torch.zeros(())
    for maps in pairs(students, teachers):
        s, t = (F.normalize(m.flatten(2), dim=2) for m in maps)
        loss = loss + kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)
    return loss


def fsp(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Compare how networks get from one map to the next: flow matrices.

    The loss is their squared difference.

    The flow matrix (B, C, C') of consecutive maps (B, C, H, W) and (B, C', H', W') is the mean over positions of the
    products of their channels, the larger map pooled first. Mean over batch and entries, summed over the pairs of
    consecutive maps. Student and teacher must have equal channels. No gradient reaches the teachers.
    Yim et al. 2017 (flow of the solution procedure).
    A student with maps 1 and 2 (one channel, constant) against a teacher with 1 and 3 gives (2 - 3)^2 = 1.
    """

    def flow(maps: Sequence[Tensor]) -> list[Tensor]:
        matched = [pool_to_match(full(a), full(b)) for a, b in pairwise(maps)]
        return [product(a.flatten(2), b.flatten(2).transpose(1, 2)) / a[0, 0].numel() for a, b in matched]

    channels = [[m.shape[1] for m in maps] for maps in (students, teachers)]
    if channels[0] != channels[1]:
        raise Error(f"flow matrices need equal channels: the student has {channels[0]}, the teacher {channels[1]}")
    return total(F.mse_loss(s, t.detach()) for s, t in zip(flow(students), flow(teachers), strict=True))


def ab(students: Sequence[Tensor], teachers: Sequence[Tensor], margin: float = 1.0) -> Tensor:
    """Compare activity: neurons are to be active where the teacher's are.

    The student's pre-activations are to lie on the same side of 0.

    A squared hinge on maps (B, C, H, W) before the ReLU: max(0, margin - s)^2 where the teacher is positive, and
    max(0, margin + s)^2 elsewhere, so that a student `margin` beyond 0 pays nothing. Summed over elements, divided by
    B, times 2^(i - n + 1) for map i = 0 .. n-1 (the last counts 1, the one before 1/2), and times 3 / 1000. The
    student's maps must have the teacher's channels. No gradient reaches the teachers.
    Heo et al. 2019 (activation boundaries), with RepDistiller's weights.
    A student of 0 against a teacher of -1, one element, gives 0.003.
    """
    loss = torch.zeros(())
    for i, (s, t) in enumerate(pairs(students, teachers)):
        gap = torch.where(t > 0, margin - s, margin + s).relu().square()
        loss = loss + 2.0 ** (i + 1 - len(students)) * gap.sum() / len(s)
    return loss * 3 / 1000


def byot_feature(branch: Tensor, deepest: Tensor) -> Tensor:
    """Compare a branch's pooled feature with that of the deepest classifier.

    The loss is their squared difference.

    Summed, not averaged, over batch and channels of two features (B, C), where either is positive. No gradient reaches
    the deepest feature.
    The hint of Zhang et al. 2019 (be your own teacher), as in luanyunteng's code, whose weight 1e-6 goes with the sum.
    """
    branch, deepest = full(branch), full(deepest).detach()
    return ((branch - deepest).square() * ((branch > 0) | (deepest > 0))).sum()


def attention_map(f: Tensor) -> Tensor:
    """Compute where a map (B, C, H, W) responds, as rows (B, H W) of length 1.

    A row says how strongly the map responds at each position; its Euclidean length is 1.

    The mean over channels of the squared map, divided by its length. A map of zeros gives zeros.
    """
    return F.normalize(full(f).square().mean(1).flatten(1), dim=1)


def at(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Compare attention maps: the student is to look where the teacher looks.

    The loss is the squared difference of the maps.

    Mean over batch and positions of (attention_map(student) - attention_map(teacher))^2, summed over the pairs of maps
    (B, C, H, W). Channels may differ in number; of unequal sizes the larger is pooled. No gradient reaches the
    teachers.
    Zagoruyko & Komodakis 2017 (attention transfer), activation-based, p = 2, equation 2; the mean over positions and
    the square are RepDistiller's.
    0 where every student map is a multiple of the teacher's, and for 1 x 1 maps; [1, 0] against [0, 1] gives 1.
    """
    return total(F.mse_loss(attention_map(s), attention_map(t)) for s, t in pairs(students, teachers))


def factor_transfer(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare the student's summary of the teacher's last map with its factor.

    The loss is the absolute difference of their attention maps.

    Mean over batch and positions of |attention_map(student) - attention_map(teacher)|, for factors (B, C, H, W); of
    unequal sizes the larger is pooled. The factors come from trained modules, a paraphraser of the teacher's map and a
    translator of the student's, which belong to the methods `ft` and `ft_paraphraser`. No gradient reaches the
    teacher.
    Kim et al. 2018 (factor transfer), p = 1, as in RepDistiller.
    """
    student, teacher = pool_to_match(full(student), full(teacher).detach())
    return F.l1_loss(attention_map(student), attention_map(teacher))
