"""Losses on logits: against labels, against other logits, and without labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import known
from .labels import smooth


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


def label_smoothing(logits: Tensor, y: Tensor, eps: float = 0.1, over: str = "all") -> Tensor:
    """Cross-entropy of logits (B, K) with `smooth` labels, mean over labelled rows; eps 0 gives `cross_entropy`.

    Szegedy et al. 2016, section 7. Uniform logits give log K for any eps; the smallest value is the target's entropy.
    """
    return soft_cross_entropy(logits, smooth(y, logits.shape[1], eps, over))


def tfkd_reg(logits: Tensor, y: Tensor, T: float = 20.0, correct: float = 0.99) -> Tensor:
    """KL(softmax(u / T) || softmax(logits)), summed over classes, mean over labelled rows of (B, K).

    Yuan et al. 2020 (teacher-free distillation), the virtual teacher u: `correct` on the label, the rest even. As in
    the authors' code T divides the probabilities themselves, the student is not tempered, and there is no T^2; that
    code averages over all B K elements, so its weight is K times larger. At K = 100, T = 20 the target is 0.010502 on
    the label and 0.009995 elsewhere.
    """
    labelled = y >= 0
    return kd(logits[labelled], smooth(y[labelled], logits.shape[1], 1 - correct, "others") / T, T=1.0)


def kd(student: Tensor, teacher: Tensor, T: float = 4.0) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over classes, mean over the rows of (B, K) logits.

    Hinton, Vinyals & Dean 2015; equal to RepDistiller's DistillKL. No gradient reaches the teacher. 0 where both differ
    by a constant per row, and without rows; (0, 0) against (0, 4 ln 3) at T=4 gives 2.092994. For large T the gradient
    approaches (student - teacher) / (B K) after centring, whatever T is.
    """
    target = torch.log_softmax(teacher.detach() / T, 1)
    loss = F.kl_div(torch.log_softmax(student / T, 1), target, log_target=True, reduction="sum")
    return loss * T * T / max(len(student), 1)


def dkd(student: Tensor, teacher: Tensor, y: Tensor, T: float = 4.0, alpha: float = 1.0, beta: float = 8.0) -> Tensor:
    """alpha KL of (target, all others) + beta KL among the others, each times T^2, mean over labelled rows of (B, K).

    Zhao et al. 2022 (DKD), from logits at temperature T; the authors' warm-up is left to the method. No gradient
    reaches the teacher. 0 where both differ by a constant per row; alpha = 1 and, row by row, beta = 1 - p_t(y) would
    give `kd`.
    """
    labelled = y >= 0
    y = y[labelled, None]

    def split(z: Tensor) -> tuple[Tensor, Tensor]:
        z = z[labelled]
        others = z[torch.ones_like(z, dtype=torch.bool).scatter(1, y, False)].view(len(z), z.shape[1] - 1)
        return torch.cat([z.gather(1, y), T * (others / T).logsumexp(1, keepdim=True)], 1), others

    (target_s, others_s), (target_t, others_t) = split(student), split(teacher)
    return alpha * kd(target_s, target_t, T) + beta * kd(others_s, others_t, T)


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
