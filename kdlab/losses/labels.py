"""Losses on images without labels: pseudo-labels and consistency."""

import torch.nn.functional as F
from torch import Tensor

from ..errors import known
from .logits import kd


def pseudo_label(logits: Tensor, reference: Tensor, threshold: float = 0.95) -> Tensor:
    """Cross-entropy of `logits` (B, K) with the arg-max of `reference` (B, K) where its confidence reaches `threshold`.

    Divided by all B rows, not by the confident ones (FixMatch, Sohn et al. 2020, equation 4). No gradient reaches
    `reference`: logits of a weakly augmented view, from the same network or another. Threshold 0 lets every row count.
    """
    confidence, label = reference.detach().softmax(1).max(1)
    return (F.cross_entropy(logits, label, reduction="none") * (confidence >= threshold)).mean()


def consistency(logits: Tensor, reference: Tensor, form: str = "kl") -> Tensor:
    """Distance of two views' predictions, from logits (B, K); no gradient reaches `reference`, the weaker view.

    `kl`: KL(softmax(reference) || softmax(logits)) summed over classes, mean over rows (UDA, Xie et al. 2020, without
    sharpening): distillation from the network to itself, across views, at temperature 1. `mse`: squared difference of
    the probabilities, mean over rows and classes (Laine & Aila 2017, the Pi-model; Tarvainen & Valpola 2017).
    0 for equal logits; `mse` of (.8, .2) and (.6, .4) is 0.04.
    """
    if known("form of consistency", form, ("kl", "mse")) == "mse":
        return F.mse_loss(logits.softmax(1), reference.detach().softmax(1))
    return kd(logits, reference, T=1.0)
