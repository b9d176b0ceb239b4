"""Losses on the embeddings of two views of the same images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .features import feature_cosine
from .relations import similarity


def nt_xent(a: Tensor, b: Tensor, T: float = 0.5) -> Tensor:
    """Normalised-temperature cross-entropy of two views' embeddings (B, D), mean over the 2B anchors.

    Chen et al. 2020 (SimCLR), equation 1: each row's positive is the same image in the other view, its negatives are
    the other 2B - 2 rows; similarities are cosines divided by T. 0 for B = 1; log(2B - 1) where all embeddings are
    equal; log(1 + 2 exp(-1 / T)) for two orthogonal pairs.
    """
    z = torch.cat([a, b])
    logits = similarity(z, z) / T
    logits.fill_diagonal_(float("-inf"))
    positive = torch.arange(len(z), device=z.device).roll(len(a))
    return F.cross_entropy(logits, positive)


def info_nce(q: Tensor, k: Tensor, queue: Tensor, T: float = 0.2) -> Tensor:
    """Cross-entropy of each query with its own key against a queue of older keys, mean over the B queries.

    He et al. 2020 (MoCo), equation 1. Queries and keys (B, C) are normalised here; `queue` (C, K) holds unit columns
    and is copied, so it may be overwritten before the backward pass. No gradient reaches keys or queue. log(1 + K)
    where all are equal; log(1 + K exp(-1 / T)) for q = k orthogonal to the queue: 0.170551 at K = 4096, T = 0.1.
    """
    q, k = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.detach().clone()], 1) / T
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))


def byol(p: Tensor, z: Tensor) -> Tensor:
    """2 - 2 cos of predictions p and target projections z (B, D), mean over rows; in [0, 4].

    Grill et al. 2020 (BYOL), equation 2: one of the two symmetric terms, which the method adds. No gradient reaches z.
    0 where p is a positive multiple of z, 2 where they are orthogonal. SimSiam's half sum of negative cosines is
    (term + term) / 4 - 1.
    """
    return feature_cosine(p, z)
