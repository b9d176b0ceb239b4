"""Losses on logits: against labels, against other logits, and without labels."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full
from ..core.errors import known
from .labels import smooth

WARM = 20.0  # above this temperature `kd` takes care of rounding errors: at 20 they are below 0.0001


def cross_entropy(
    logits: Tensor, y: Tensor, partner: Tensor | None = None, kept: Tensor | float | None = None
) -> Tensor:
    """Return how little the network expected the label.

    That is -log of the probability that it gives to the right class.

    -log softmax(logits)[y] in nats, for logits (B, K) and labels y (B,), mean over the labelled rows; rows with y = -1
    do not count. In a mixed image (CutMix) two labels are right: every row gives kept CE(y) + (1 - kept)
    CE(y[partner]), with `partner` (B,) a permutation and `kept` the share of the first image, one number or one a row.
    Yun et al. 2019 (CutMix), equation 1, for the mixed form.
    Uniform logits give log K. Without any labelled row it is 0.
    """
    logits = full(logits)
    loss = F.cross_entropy(logits, y, ignore_index=-1, reduction="none")
    if partner is not None and kept is not None:
        loss = kept * loss + (1 - kept) * F.cross_entropy(logits, y[partner], ignore_index=-1, reduction="none")
    return loss.sum() / (y >= 0).sum().clamp(min=1)


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the cross-entropy with a probability for every class.

    These take the place of one label; `smooth` and `soften` make such targets.

    -sum over classes of target log softmax(logits) in nats, both (B, K), mean over rows; rows of zeros do not count. No
    gradient reaches `target`.
    One-hot targets give `cross_entropy`; targets softmax(logits) give their entropy, the smallest value that these
    targets allow; uniform logits give log K.
    """
    target = target.detach()
    rows = target.any(1).sum().clamp(min=1)
    return -(target * full(logits).log_softmax(1)).sum() / rows


def tfkd_reg(logits: Tensor, y: Tensor, T: float = 20.0, correct: float = 0.99) -> Tensor:
    """Distil from a made-up teacher that knows every label.

    It finds all other classes equally likely.

    KL(softmax(u / T) || softmax(logits)) in nats, summed over classes, mean over the labelled rows of (B, K), with the
    virtual teacher u: `correct` on the label, the rest spread evenly.
    Yuan et al. 2020 (teacher-free distillation). As in the authors' code T divides the probabilities themselves, the
    student is not tempered, and there is no T^2; that code averages over all B K elements, so its weight is K times
    larger.
    At K = 100, T = 20 the target is 0.010502 on the label and 0.009995 elsewhere.
    """
    return selective_kd(logits, smooth(y, logits.shape[1], 1 - correct, "others") / T, y >= 0, T=1.0)


def kd(student: Tensor, teacher: Tensor, T: float = 4.0) -> Tensor:
    """Compare class probabilities, softened by T so that small ones count.

    The student is to give all classes the teacher's.

    T^2 KL(softmax(teacher / T) || softmax(student / T)) in nats, summed over classes, mean over the rows of (B, K)
    logits. T^2 keeps the size of the gradient: for large T it approaches (student - teacher) / (B K) after centring,
    whatever T is. No gradient reaches the teacher.
    Hinton, Vinyals & Dean 2015; equal to RepDistiller's DistillKL, at T = 4.
    0 where both differ by a constant per row, and without rows; (0, 0) against (0, 4 ln 3) at T = 4 gives 2.092994, and
    (3, 2, 1) against (1, 2, 3) comes to 4 / 3 as T grows.
    """
    target = torch.log_softmax(full(teacher).detach() / T, 1)
    if T > WARM:
        return _warm(full(student) - full(teacher).detach(), target, T)
    loss = F.kl_div(torch.log_softmax(full(student) / T, 1), target, log_target=True, reduction="sum")
    return loss * T * T / max(len(student), 1)


def selective_kd(student: Tensor, teacher: Tensor, rows: Tensor, T: float = 4.0) -> Tensor:
    """Compare class probabilities as `kd` does, in some of the rows.

    The mean over those rows of (B, K) logits that the mask `rows` (B,) names; 0 where it names none. It is not known to
    the host how many these are, so that no device is waited for.
    """
    count = rows.sum().clamp(min=1)
    if T > WARM:  # rows in which both agree add nothing
        agreeing = torch.where(rows[:, None], full(student), full(teacher).detach())
        return kd(agreeing, teacher, T) * (len(rows) / count)
    target = torch.log_softmax(full(teacher).detach() / T, 1)
    loss = F.kl_div(torch.log_softmax(full(student) / T, 1), target, log_target=True, reduction="none")
    return torch.where(rows[:, None], loss, 0.0).sum() * T * T / count


def _warm(difference: Tensor, target: Tensor, T: float) -> Tensor:
    """Compute `kd` from logit differences and the teacher's log-probabilities at T.

    The differences are the student's logits minus the teacher's; both are (B, K).

    At large T both distributions agree in all but their last digits, and T^2 would magnify the rounding errors of
    subtracting them. KL(p || q) = sum of p (exp(d) - 1 - d) with d = log(q / p), which follows from the difference.
    """
    delta = (difference - difference.mean(1, keepdim=True)) / T
    p, near = target.exp(), delta.clamp(-1, 1)
    d = near - (p * near.expm1()).sum(1, keepdim=True).log1p()
    series = d * d / 2 * (1 + d / 3 * (1 + d / 4 * (1 + d / 5)))
    close = p * torch.where(d.abs() < 0.05, series, d.expm1() - d)
    apart = p * (target - torch.log_softmax(target + delta, 1))  # where logits differ by more than T
    return torch.where((delta == near).all(1, keepdim=True), close, apart).sum() * T * T / max(len(difference), 1)


def dkd(student: Tensor, teacher: Tensor, y: Tensor, T: float = 4.0, alpha: float = 1.0, beta: float = 8.0) -> Tensor:
    """Split `kd` in two parts, each with its own weight.

    They are how probable the label is, and how the other classes compare.

    alpha KL of (label, all others together) + beta KL among the others alone, each in nats at temperature T, times T^2,
    mean over the labelled rows of logits (B, K). In `kd` the weight of the second part is the probability that the
    teacher leaves to the others: small where it is sure. No gradient reaches the teacher.
    Zhao et al. 2022 (DKD); the authors' warm-up of the weight is left to the method.
    0 where both differ by a constant per row; alpha = 1 and, row by row, beta = 1 - p_t(y) would give `kd`.
    """
    labelled, own = y >= 0, y.clamp(min=0)[:, None]
    columns = torch.arange(student.shape[1] - 1, device=y.device).expand(len(y), -1)
    columns = columns + (columns >= own)  # all but the label's

    def split(z: Tensor) -> tuple[Tensor, Tensor]:
        z = full(z)
        others = z.gather(1, columns)
        return torch.cat([z.gather(1, own), T * (others / T).logsumexp(1, keepdim=True)], 1), others

    teacher = teacher.detach()
    student = torch.where(labelled[:, None], student, teacher)  # rows in which both agree add nothing
    (target_s, others_s), (target_t, others_t) = split(student), split(teacher)
    share = len(y) / labelled.sum().clamp(min=1)
    if T > WARM:  # the difference of two logarithms of sums, again without subtracting them
        delta = (others_s - others_t) / T
        near = T * ((others_t / T).softmax(1) * delta.clamp(-1, 1).expm1()).sum(1).log1p()
        difference = target_s - target_t
        close = torch.stack([difference[:, 0], near], 1)
        difference = torch.where((delta.abs() <= 1).all(1, keepdim=True), close, difference)
        return share * (alpha * _warm(difference, (target_t / T).log_softmax(1), T) + beta * kd(others_s, others_t, T))
    return share * (alpha * kd(target_s, target_t, T) + beta * kd(others_s, others_t, T))


def pseudo_label(logits: Tensor, reference: Tensor, threshold: float = 0.95) -> Tensor:
    """Where `reference` is confident of a class, that class serves as the label.

    Cross-entropy, in nats, of `logits` (B, K) with the arg-max of `reference` (B, K) in the rows where the probability
    of that class reaches `threshold`; the sum is divided by all B rows, not by the confident ones. `reference` holds
    logits of a weakly augmented view, from the same network or another. No gradient reaches it.
    Sohn et al. 2020 (FixMatch), equation 4.
    Threshold 0 lets every row count, one above 1 none.
    """
    confidence, label = full(reference).detach().softmax(1).max(1)
    return (F.cross_entropy(full(logits), label, reduction="none") * (confidence >= threshold)).mean()


def consistency(logits: Tensor, reference: Tensor, form: Literal["kl", "mse"] = "kl") -> Tensor:
    """Compare two views of an image, which are to be classified alike.

    No gradient reaches `reference`, the weaker view.

    From logits (B, K). `kl`: KL(softmax(reference) || softmax(logits)) in nats, summed over classes, mean over rows:
    distillation from the network to itself, across views, at temperature 1 (UDA, Xie et al. 2020, without sharpening).
    `mse`: squared difference of the probabilities, mean over rows and classes (Laine & Aila 2017, the Pi-model;
    Tarvainen & Valpola 2017).
    0 for equal logits; `mse` of (.8, .2) and (.6, .4) is 0.04.
    """
    if known("form of consistency", form, ("kl", "mse")) == "mse":
        return F.mse_loss(full(logits).softmax(1), full(reference).detach().softmax(1))
    return kd(logits, reference, T=1.0)
