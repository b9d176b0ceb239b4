"""Losses on feature maps."""

import torch.nn.functional as F
from torch import Tensor


def pool_to_match(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (B, C, H, W) of equal H and W: the larger one is average-pooled to the smaller one's size."""
    size = min(a.shape[-2], b.shape[-2]), min(a.shape[-1], b.shape[-1])
    return tuple(m if m.shape[-2:] == size else F.adaptive_avg_pool2d(m, size) for m in (a, b))


def feature_cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """2 - 2 cos over channels at every position of two maps (B, C, H, W), mean over batch and positions; in [0, 4].

    The feature transfer of LiteNet-SSD (*reconstruction*), for a student map already brought to the teacher's
    channels. No gradient reaches the teacher. 0 where the student is a positive multiple of the teacher, 2 where the
    channels are orthogonal.
    """
    student, teacher = pool_to_match(student, teacher.detach())
    return (2 - 2 * F.cosine_similarity(student, teacher, dim=1)).mean()
