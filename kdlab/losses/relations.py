"""Losses on the relations between the samples of a batch."""

import torch.nn.functional as F
from torch import Tensor


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all rows of a (N, D) with all rows of b (M, D), as (N, M); 0 for a row of zeros."""
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
