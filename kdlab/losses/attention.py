"""Losses on attention maps."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from .features import pairs, pool_to_match


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


def factor_transfer(student: Tensor, teacher: Tensor) -> Tensor:
    """Absolute difference of the attention maps of two factors (B, C, H, W), mean over batch and positions.

    Kim et al. 2018 (factor transfer), p = 1, as in RepDistiller; paraphraser and translator are the method's. No
    gradient reaches the teacher.
    """
    student, teacher = pool_to_match(student, teacher.detach())
    return F.l1_loss(attention_map(student), attention_map(teacher))
