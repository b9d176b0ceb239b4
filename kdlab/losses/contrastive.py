"""Losses on the embeddings of two views of the same images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full, product
from .features import feature_cosine
from .relations import similarity


def nt_xent(a: Tensor, b: Tensor, T: float = 0.5) -> Tensor:
    """Classify: each embedding of the batch is to find its image's other view.

    Normalised-temperature cross-entropy, in nats, of two views' embeddings (B, D), mean over the 2B rows: the logits of
    a row are its cosines with the 2B - 1 other rows, divided by T. One of these is its positive, the same image in the
    other view; 2B - 2 are negatives.
    Chen et al. 2020 (SimCLR), equation 1.
    0 for B = 1; log(2B - 1) where all embeddings are equal; log(1 + 2 exp(-1 / T)) for two images whose embeddings are
    orthogonal, 0.239545 at T = 0.5.
    """
    z = torch.cat([a, b])
    logits = similarity(z, z) / T
    logits.fill_diagonal_(float("-inf"))  # no row is compared with itself
    positive = torch.arange(len(z), device=z.device).roll(len(a))
    return F.cross_entropy(logits, positive)


def info_nce(q: Tensor, k: Tensor, queue: Tensor, T: float = 0.2) -> Tensor:
    """Classify: each query is to find its key among the older keys of a queue.

    There are 1 + K candidates.

    Cross-entropy, in nats, mean over the B queries; the logits of a query are its cosines with its key and with the K
    columns of the queue, divided by T. Queries q and keys k (B, C) are normalised here; `queue` (C, K) holds unit
    columns, and is copied, so that it may be overwritten before the backward pass. No gradient reaches keys or queue.
    He et al. 2020 (MoCo), equation 1.
    log(1 + K) where all are equal; log(1 + K exp(-1 / T)) for q = k orthogonal to the queue: 0.170551 at K = 4096,
    T = 0.1.
    """
    q, k = F.normalize(full(q), dim=1), F.normalize(full(k).detach(), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), product(q, queue.detach().clone())], 1) / T
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))


def byol(p: Tensor, z: Tensor) -> Tensor:
    """Compare directions: one view's prediction and the target of the other view.

    2 - 2 cos(p, z) of predictions p and target projections z (B, D), which is |p - z|^2 for unit vectors; mean over
    rows, in [0, 4]. No gradient reaches z.
    Grill et al. 2020 (BYOL), equation 2: one of the two symmetric terms, which the method adds. SimSiam's half sum of
    negative cosines is (term + term) / 4 - 1.
    0 where p is a positive multiple of z, 2 where they are orthogonal, 4 where they are opposite.
    """
    return feature_cosine(p, z)
