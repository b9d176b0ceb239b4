"""Losses on logits."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, y: Tensor, partner: Tensor | None = None, kept: Tensor | float = 1.0) -> Tensor:
    """Mean of -log softmax(logits)[y] over the labelled rows of (B, K); rows with y = -1 do not count.

    For mixed images (CutMix, Yun et al. 2019, equation 1) every row gives kept CE(y) + (1 - kept) CE(y[partner]), with
    `partner` (B,) a permutation and `kept` the share of the first image, one number or one per row. Uniform logits
    give log K. Without any labelled row it is 0.
    """
    loss = F.cross_entropy(logits, y, ignore_index=-1, reduction="none")
    if partner is not None:
        loss = kept * loss + (1 - kept) * F.cross_entropy(logits, y[partner], ignore_index=-1, reduction="none")
    return loss.sum() / (y >= 0).sum().clamp(min=1)


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """-sum over classes of target log softmax(logits), both (B, K), mean over rows; rows of zeros do not count.

    No gradient reaches `target`. One-hot targets give `cross_entropy`, softmax(logits) its entropy; uniform logits
    log K.
    """
    target = target.detach()
    rows = target.any(1).sum().clamp(min=1)
    return -(target * logits.log_softmax(1)).sum() / rows


def kd(student: Tensor, teacher: Tensor, T: float = 4.0) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over classes, mean over the rows of (B, K) logits.

    Hinton, Vinyals & Dean 2015; equal to RepDistiller's DistillKL. No gradient reaches the teacher. 0 where both differ
    by a constant per row, and without rows; (0, 0) against (0, 4 ln 3) at T=4 gives 2.092994. For large T the gradient
    approaches (student - teacher) / (B K) after centring, whatever T is.
    """
    target = torch.log_softmax(teacher.detach() / T, 1)
    loss = F.kl_div(torch.log_softmax(student / T, 1), target, log_target=True, reduction="sum")
    return loss * T * T / max(len(student), 1)
