"""Losses on logits."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean of -log softmax(logits)[y] over the labelled rows of (B, K); rows with y = -1 do not count.

    Uniform logits give log K. Without any labelled row it is 0.
    """
    return F.cross_entropy(logits, y, ignore_index=-1, reduction="sum") / (y >= 0).sum().clamp(min=1)


def kd(student: Tensor, teacher: Tensor, T: float = 4.0) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over classes, mean over the rows of (B, K) logits.

    Hinton, Vinyals & Dean 2015; equal to RepDistiller's DistillKL. No gradient reaches the teacher. 0 where both differ
    by a constant per row; (0, 0) against (0, 4 ln 3) at T=4 gives 2.092994. For large T the gradient approaches
    (student - teacher) / (B K) after centring, whatever T is.
    """
    target = torch.log_softmax(teacher.detach() / T, 1)
    return F.kl_div(torch.log_softmax(student / T, 1), target, log_target=True, reduction="batchmean") * T * T
