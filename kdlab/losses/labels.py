"""Targets: joint labels of class and rotation, smoothed and softened labels."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full
from ..core.errors import known


def joint_labels(y: Tensor, M: int = 4) -> Tensor:
    """Combine class and transform of an image to one label.

    A network that is given it learns both.

    y M + j for the transforms j = 0 .. M-1 of images labelled y (B,), as (B M,): the M versions of an image stand
    together. -1 stays -1.
    Lee et al. 2020 (self-supervised label augmentation); Yang et al. 2021 (HSAKD), with M = 4 rotations.
    Class 2 turned by 270 degrees (j = 3) is 11.
    """
    joint = y[:, None] * M + torch.arange(M, device=y.device)
    return joint.where(y[:, None] >= 0, -1).flatten()


def class_logits(joint: Tensor, M: int = 4) -> Tensor:
    """Sum joint logits (B, K M) to a score per class (B, K).

    The M logits of every class are added.

    HSAKD (Yang et al. 2021) measures the accuracy of a branch with it. The logits of the transforms that the image does
    not have count as much as the one that it has; `class_log_probabilities` weighs them.
    """
    return full(joint).unflatten(1, (-1, M)).sum(2)


def class_log_probabilities(joint: Tensor, M: int = 4) -> Tensor:
    """Compute what joint logits say of the class alone: (B, K M) to (B, K).

    The transform is ignored.

    The logarithm of the summed probabilities of a class's M joint labels, in nats: log-softmax over all K M logits,
    then log-sum-exp over the M of each class. They are logits again, as their exponentials sum to 1.
    All logits equal gives -ln K.
    """
    return full(joint).log_softmax(1).unflatten(1, (-1, M)).logsumexp(2)


def smooth(y: Tensor, K: int, eps: float = 0.1, over: Literal["all", "others"] = "all") -> Tensor:
    """Return targets with a little doubt: 1 - eps on the label, eps spread evenly.

    They are for `soft_cross_entropy`.

    From labels (B,) to probabilities (B, K); rows with y = -1 are 0. Over `all` classes, the label too (Szegedy et al.
    2016, section 7; PyTorch, timm), the label gets 1 - eps + eps / K and every other class eps / K. Over the `others`
    (Yuan et al. 2020) these are 1 - eps and eps / (K - 1), which is `all` at eps K / (K - 1).
    eps 0 gives one-hot rows.
    """
    rest = eps / (K if known("convention of label smoothing", over, ("all", "others")) == "all" else K - 1)
    hot = F.one_hot(y.clamp(min=0), K)
    return (hot * (1 - eps - (rest if over == "others" else 0)) + rest) * (y >= 0)[:, None]


def soften(y: Tensor, past: Tensor, alpha: float) -> Tensor:
    """Mix a label with the network's own earlier prediction.

    The result is a target of `soft_cross_entropy`.

    (1 - alpha) onehot(y) + alpha past, for labels y (B,) and past probabilities (B, K); rows with y = -1 are 0. No
    gradient reaches `past`.
    Kim et al. 2021 (PS-KD).
    alpha 0 gives one-hot rows; y = 0, past (.5, .5) and alpha .4 give (.8, .2).
    """
    return (1 - alpha) * smooth(y, past.shape[1], 0.0) + alpha * full(past).detach() * (y >= 0)[:, None]
