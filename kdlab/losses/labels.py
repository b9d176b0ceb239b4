"""Losses on images without labels: pseudo-labels and consistency."""

import torch.nn.functional as F
from torch import Tensor

from .logits import kd


def pseudo_label(logits: Tensor, reference: Tensor, threshold: float = 0.95) -> Tensor:
    """Cross-entropy of `logits` (B, K) with the arg-max of `reference` (B, K) where its confidence reaches `threshold`.

    Divided by all B rows, not by the confident ones (FixMatch, Sohn et al. 2020, equation 4). No gradient reaches
    `reference`: logits of a weakly augmented view, from the same network or another. Threshold 0 lets every row count.
    """
    confidence, label = reference.detach().softmax(1).max(1)
    return (F.cross_entropy(logits, label, reduction="none") * (confidence >= threshold)).mean()


def consistency(logits: Tensor, reference: Tensor) -> Tensor:
    """KL(softmax(reference) || softmax(logits)) of two views' logits (B, K), summed over classes, mean over rows.

    No gradient reaches `reference`, the weakly augmented view (UDA, Xie et al. 2020, without sharpening): distillation
    from the network to itself, across views, at temperature 1. 0 for equal logits.
    """
    return kd(logits, reference, T=1.0)
