"""Losses on feature maps."""

from collections.abc import Iterator, Sequence

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

    Romero et al. 2015 (FitNets), equation 3, without its 1/2 and as a mean, for a student already brought to the
    teacher's channels. No gradient reaches the teacher.
    """
    return F.mse_loss(*pool_to_match(student, teacher.detach()))


def attention_map(f: Tensor) -> Tensor:
    """Mean over channels of the squared map (B, C, H, W), flattened to (B, H W) and brought to unit length per row."""
    return F.normalize(f.square().mean(1).flatten(1), dim=1)


def at(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Squared difference of attention maps, mean over batch and positions, summed over pairs of maps (B, C, H, W).

    Zagoruyko & Komodakis 2017 (attention transfer), activation-based, p = 2, equation 2; the mean over positions and
    the square are RepDistiller's. Channels may differ. No gradient reaches the teachers. 0 where every student map is
    a multiple of the teacher's, and for 1 x 1 maps; [1, 0] against [0, 1] gives 1.
    """
    return sum(F.mse_loss(attention_map(s), attention_map(t)) for s, t in pairs(students, teachers))
