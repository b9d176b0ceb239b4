"""Losses on attention maps: where a network looks, whatever its channels mean."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full, total
from .features import pairs, pool_to_match


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
