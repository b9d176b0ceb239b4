"""Targets: joint labels of class and rotation, smoothed and softened labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import known


def joint_labels(y: Tensor, M: int = 4) -> Tensor:
    """y M + j for the transforms j = 0 .. M-1 of images labelled y (B,), image-major (B M,); -1 stays -1.

    Lee et al. 2020 (self-supervised label augmentation); Yang et al. 2021 (HSAKD), with 4 rotations. Class 2 turned by
    270 degrees is 11.
    """
    joint = y[:, None] * M + torch.arange(M, device=y.device)
    return joint.where(y[:, None] >= 0, -1).flatten()


def class_logits(joint: Tensor, M: int = 4) -> Tensor:
    """Sum of the M logits of every class, from joint logits (B, K M) to (B, K): HSAKD's accuracy of a branch."""
    return joint.unflatten(1, (-1, M)).sum(2)


def class_log_probabilities(joint: Tensor, M: int = 4) -> Tensor:
    """Log of the summed probabilities of a class's M joint labels, from joint logits (B, K M) to (B, K).

    What a branch says about the class when the transform is ignored. Unlike the sum of the logits, where three logits of
    transforms that the image does not have count as much as the one that it has. All logits equal gives -ln K.
    """
    return joint.log_softmax(1).unflatten(1, (-1, M)).logsumexp(2)


def smooth(y: Tensor, K: int, eps: float = 0.1, over: str = "all") -> Tensor:
    """Labels (B,) as probabilities (B, K): 1 - eps on the label, eps spread evenly; rows with y = -1 are 0.

    Over `all` classes, the label too (PyTorch, timm): 1 - eps + eps / K and eps / K. Over the `others` (Yuan et al.
    2020): 1 - eps and eps / (K - 1), which is `all` at eps K / (K - 1). eps 0 gives one-hot rows.
    """
    rest = eps / (K if known("convention of label smoothing", over, ("all", "others")) == "all" else K - 1)
    hot = F.one_hot(y.clamp(min=0), K)
    return (hot * (1 - eps - (rest if over == "others" else 0)) + rest) * (y >= 0)[:, None]


def soften(y: Tensor, past: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) onehot(y) + alpha past, for labels (B,) and past predictions (B, K); rows with y = -1 are 0.

    Kim et al. 2021 (PS-KD), a target of `soft_cross_entropy`; `past` are probabilities. alpha 0 gives one-hot rows.
    y = 0, past (.5, .5), alpha .4 gives (.8, .2).
    """
    return (1 - alpha) * smooth(y, past.shape[1], 0.0) + alpha * past.detach() * (y >= 0)[:, None]
