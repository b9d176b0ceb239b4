"""Contrastive losses on embeddings."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(a: Tensor, b: Tensor, T: float = 0.5) -> Tensor:
    """Normalised-temperature cross-entropy of two views' embeddings (B, D), mean over the 2B anchors.

    Chen et al. 2020 (SimCLR), equation 1: each row's positive is the same image in the other view, its negatives are
    the other 2B - 2 rows; similarities are cosines divided by T. 0 for B = 1; log(2B - 1) where all embeddings are
    equal; log(1 + 2 exp(-1 / T)) for two orthogonal pairs.
    """
    z = F.normalize(torch.cat([a, b]), dim=1)
    similarity = z @ z.T / T
    similarity.fill_diagonal_(float("-inf"))
    positive = torch.arange(len(z), device=z.device).roll(len(a))
    return F.cross_entropy(similarity, positive)
