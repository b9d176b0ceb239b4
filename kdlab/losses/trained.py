"""Losses on the outputs of modules that are trained beside the student: regressors, queries and keys, projections."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .features import pairs


def vid(mean: Tensor, target: Tensor, raw: Tensor) -> Tensor:
    """Gaussian negative log-likelihood of the teacher's map, mean over all elements, without the constant ln(2 pi) / 2.

    Ahn et al. 2019 (variational information distillation): `mean` (B, C, H, W) is regressed from the student, pooled to
    the target's size if larger; one variance softplus(raw) + 1e-5 per channel from `raw` (C,), where raw =
    ln(exp(5 - 1e-5) - 1) = 4.993229 starts it at 5. No gradient reaches the target. ln(5) / 2 = 0.804719 for mean =
    target at the start.
    """
    variance = F.softplus(raw)[:, None, None] + 1e-5
    return ((mean - target.detach()).square() / variance + variance.log()).mean() / 2


def semckd_attention(queries: Tensor, keys: Tensor) -> Tensor:
    """Shares (B, n_s, n_t) of n_t teacher stages for each of n_s student stages: softmax of the cosines of (B, n, D).

    Chen et al. 2021 (SemCKD); queries and keys come from rows of `gram`. Both are trained.
    """
    return (F.normalize(queries, dim=2) @ F.normalize(keys, dim=2).transpose(1, 2)).softmax(2)


def semckd(attention: Tensor, projected: Sequence[Sequence[Tensor]], teachers: Sequence[Tensor]) -> Tensor:
    """Mean squared errors of all pairs of stages, weighted by `attention` (B, n_s, n_t), mean over rows and n_s.

    Chen et al. 2021 (SemCKD): `projected[i][j]` is student map i, pooled to teacher map j if larger and brought to its
    channels; a larger teacher map is pooled here. No gradient reaches the teachers. With one stage each it is
    `feature_mse`.
    """
    rows = [[(s - t).square().flatten(1).mean(1) for s, t in pairs(maps, teachers)] for maps in projected]
    errors = torch.stack([torch.stack(row, 1) for row in rows], 1)
    return (attention * errors).sum(2).mean()


def crd_scores(v: Tensor, memory: Tensor, rows: Tensor, T: float = 0.07) -> Tensor:
    """exp(<memory[row], v> / T) of embeddings v (B, D), the other network's memory (n, D) and rows (B, 1 + K) of it.

    Tian et al. 2020 (CRD), as in RepDistiller; column 0 is the sample's own. All B n products are made and those of the
    rows picked: 13 MB at B = 64 and n = 50,000, where gathering 4,097 rows of 128 numbers each would take 134 MB. No
    gradient reaches the memory.
    """
    return ((v @ memory.detach().to(v.dtype).T).gather(1, rows) / T).exp()


def crd_constant(scores: Tensor, n: int) -> Tensor:
    """mean(scores) n for n training images, without gradient: it divides the scores, from the first batch on."""
    return scores.detach().mean() * n


def crd(scores: Tensor, n: int, eps: float = 1e-7) -> Tensor:
    """Noise-contrastive loss of scores (B, 1 + K) over their constant, positive first, summed over K, mean over rows.

    Tian et al. 2020 (CRD), as in RepDistiller, for one of the two networks; the method adds both. With c = K / n for n
    training images: -log(P / (P + c + eps)) of the positive, -log(c / (P + c + eps)) of each negative. All scores equal
    gives log(1 + K) + K log((1 + K) / K) without eps: 10.704091 at K = 16384, and 10.709091 with it at n = 50000.
    """
    c = (scores.shape[1] - 1) / n
    true = torch.cat([scores[:, :1], torch.full_like(scores[:, 1:], c)], 1)
    return ((scores + c + eps) / true).log().sum() / len(scores)
