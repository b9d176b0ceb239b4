"""Losses on modules that are trained beside the student.

These are regressors, queries and keys, projections.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full, product
from .features import pairs


def vid(mean: Tensor, target: Tensor, raw: Tensor) -> Tensor:
    """Predict the teacher's map from the student's.

    Channels that are hard to predict count less.

    Gaussian negative log-likelihood of the target in nats, ((mean - target)^2 / variance + ln variance) / 2, mean over
    all elements, without the constant ln(2 pi) / 2. `mean` (B, C, H, W) is regressed from the student's map,
    pooled to the target's size if larger; every channel has one trained variance softplus(raw) + 1e-5, from `raw` (C,).
    No gradient reaches the target.
    Ahn et al. 2019 (variational information distillation), as in RepDistiller: raw = ln(exp(5 - 1e-5) - 1) = 4.993229
    starts the variance at 5.
    ln(5) / 2 = 0.804719 for mean = target at the start; it may fall below 0 later.
    """
    variance = F.softplus(full(raw))[:, None, None] + 1e-5
    return ((full(mean) - full(target).detach()).square() / variance + variance.log()).mean() / 2


def semckd_attention(queries: Tensor, keys: Tensor) -> Tensor:
    """Weigh which teacher stages each student stage should learn from, by image.

    Softmax over the teacher's n_t stages of the cosines of queries (B, n_s, D) and keys (B, n_t, D): shares
    (B, n_s, n_t) that sum to 1 over the last axis. Queries and keys are made from the rows of `gram` of a stage's map,
    by modules that are both trained.
    Chen et al. 2021 (SemCKD).
    """
    queries, keys = (F.normalize(full(each), dim=2) for each in (queries, keys))
    return product(queries, keys.transpose(1, 2)).softmax(2)


def semckd(attention: Tensor, projected: Sequence[Sequence[Tensor]], teachers: Sequence[Tensor]) -> Tensor:
    """Compare every student map with every teacher map.

    `semckd_attention` says how much each pair counts.

    Squared errors of all pairs of stages, mean over channels and positions, weighted by `attention` (B, n_s, n_t) and
    summed over n_t, then mean over B and n_s. `projected[i][j]` is student map i, pooled to teacher map j if larger and
    brought to its channels; a larger teacher map is pooled here. No gradient reaches the teachers.
    Chen et al. 2021 (SemCKD).
    With one stage each it is `feature_mse`.
    """
    rows = [[(s - t).square().flatten(1).mean(1) for s, t in pairs(maps, teachers)] for maps in projected]
    errors = torch.stack([torch.stack(row, 1) for row in rows], 1)
    return (attention * errors).sum(2).mean()


def crd_scores(v: Tensor, memory: Tensor, rows: Tensor, T: float = 0.07) -> Tensor:
    """Score how well an embedding fits the other network's embeddings.

    These are of the same image, and of images of other classes.

    exp(<memory[row], v> / T) of embeddings v (B, D), the other network's memory (n, D) of all n training images, and
    `rows` (B, 1 + K) of it, as (B, 1 + K); column 0 is the image's own. No gradient reaches the memory.
    Tian et al. 2020 (CRD), as in RepDistiller.
    All B n products are made and those of the rows picked: 13 MB at B = 64 and n = 50,000, where gathering 4,097 rows
    of 128 numbers each would take 134 MB.
    """
    v = full(v)
    return (product(v, memory.detach().to(v.dtype).T).gather(1, rows) / T).exp()


def crd_constant(scores: Tensor, n: int) -> Tensor:
    """Estimate what turns scores into probabilities: mean(scores) n, no gradient.

    n is the number of training images.

    It is taken from the first batch, and divides the scores from then on (Tian et al. 2020, as in RepDistiller).
    """
    return full(scores).detach().mean() * n


def crd(scores: Tensor, n: int, eps: float = 1e-7) -> Tensor:
    """Tell the pair that is one image from K pairs that are not.

    These are as many yes-or-no questions, with the scores P.

    Noise-contrastive loss in nats of scores (B, 1 + K) over their constant, the true pair first, with c = K / n for n
    training images: -log(P / (P + c + eps)) of the true pair, -log(c / (P + c + eps)) of each other; summed over the
    1 + K, mean over rows. `eps` keeps the quotient finite.
    Tian et al. 2020 (CRD), as in RepDistiller, for one of the two networks; the method adds both.
    All scores equal gives log(1 + K) + K log((1 + K) / K) without eps: 10.704091 at K = 16384, and 10.709091 with it at
    n = 50000.
    """
    scores, c = full(scores), (scores.shape[1] - 1) / n
    true = torch.cat([scores[:, :1], torch.full_like(scores[:, 1:], c)], 1)
    return ((scores + c + eps) / true).log().sum() / len(scores)
