"""Losses that distil a self-supervised teacher's features: no label, no logits."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full, product
from .logits import kd, soft_cross_entropy


def candidates(rows: Tensor, teacher: Tensor, queue: Tensor) -> Tensor:
    """Compute the cosines of each row with its image's teacher row and with a queue.

    They are (B, 1 + K), the image's own teacher row first: what SEED's two distributions are made of.

    Rows (B, C), the student's or the teacher's, and teacher rows (B, C) are normalised here, with F.normalize's epsilon
    1e-12 for their length; the K columns of `queue` (C, K), older teacher rows, are taken as they are, and have unit
    length. No gradient reaches teacher or queue.
    """
    rows, teacher = F.normalize(full(rows), dim=1), F.normalize(full(teacher).detach(), dim=1)
    return torch.cat([(rows * teacher).sum(1, keepdim=True), product(rows, queue.detach())], 1)


def entropy(logits: Tensor, T: float = 1.0) -> Tensor:
    """Compute the entropy of softmax(logits / T) (B, K), in nats, mean over rows.

    It says how many classes or candidates a target speaks of: exp(entropy) of them, if they are equally likely.

    log K for equal logits, 0 where one is far above the others.
    """
    logits = full(logits) / T
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()


def seed_kd(student: Tensor, teacher: Tensor, queue: Tensor, T: float = 0.2, T_teacher: float = 0.01) -> Tensor:
    """Compare which teacher rows an image is like, for student and teacher.

    Each picks from 1 + K teacher rows, the image's own and those of K other images.

    Cross-entropy, in nats, of softmax(candidates(student) / T) with softmax(candidates(teacher) / T_teacher), summed
    over the 1 + K candidates, mean over the B rows, without a factor T^2. Rows (B, C) of both see the same view and are
    normalised here; `queue` (C, K) holds unit columns (see `candidates`), and is copied, so that it may be overwritten
    before the backward pass. No gradient reaches teacher or queue.
    Fang et al. 2021 (SEED), section 3; the released code, jacobswan1/SEED. T is 0.2 in its command, 0.07 in its class;
    T_teacher 1e-4 in both, reportedly 0.01 in the paper. At 1e-4 the target is the image itself, unless a column
    is within about 1e-3 of its cosine, and the loss is `info_nce` with the teacher's row as key: `entropy` of
    candidates(teacher) / T_teacher, which is the smallest value of the loss, tells.
    log(1 + K) for a student that finds all candidates equally alike. A student equal to a teacher that is orthogonal to
    the queue gives log(1 + K exp(-1 / T)) as T_teacher goes to 0.
    """
    target = (candidates(teacher, teacher, queue) / T_teacher).detach().softmax(1)
    return soft_cross_entropy(candidates(student, teacher, queue.clone()) / T, target)


def unit(x: Tensor) -> Tensor:
    """Divide rows (B, D) by their Euclidean length, however small it is.

    There is no epsilon. A row of zeros, which has no direction, stays one.
    """
    x = full(x)
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / torch.where(length > 0, length, 1.0)


def compress(
    student: Tensor, teacher: Tensor, teacher_anchors: Tensor, student_anchors: Tensor | None = None, T: float = 0.04
) -> Tensor:
    """Compare which anchor images an image is like, each network in its own space.

    The anchors are other images, at whose rows the student is to look as the teacher does.

    KL(softmax(t A_t' / T) || softmax(s A_s' / T)) in nats, summed over the n anchors, mean over the B rows, without a
    factor T^2. Rows s (B, D_s) and t (B, D_t) are brought to unit length here, without an epsilon (`unit`); anchors A_t
    (n, D_t) and A_s (n, D_s) are rows of the same images in the same order, taken as they are. Without A_s the student
    is compared with the teacher's anchors, and D_s must be D_t: the paper's "1q" form, as opposed to "2q". No gradient
    reaches teacher or anchors, and these are copied, so that they may be overwritten before the backward pass.
    Koohpayegani et al. 2020 (CompRess), section 3; the released code, UMBCvision/CompRess, whose rows of zeros
    become NaN, and which fails for B = 1.
    0 where both find the same similarities; a large T makes it small for any student.
    """
    anchors = teacher_anchors if student_anchors is None else student_anchors
    similarities = product(unit(student), anchors.detach().clone().T)
    return kd(similarities, product(unit(teacher.detach()), teacher_anchors.detach().T), T) / T**2


def simreg(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare directions: the student's prediction and the teacher's features.

    2 - 2 cos(s, t) of rows (B, D), mean over rows, in [0, 4]; equal to the squared distance of the rows at unit length
    (F.normalize's epsilon is 1e-12, where `feature_cosine` has 1e-8). The student's are what a regression head makes of
    its features; nothing is centred. No gradient reaches the teacher.
    Navaneet et al. 2021 (SimReg), section 3; in the released code, UCDvision/simreg, `mse_nonorm` computes the same,
    since it normalises too.
    0 where s is a positive multiple of t, 2 where they are orthogonal, 4 where opposite. One answer for all images
    reaches 2 - 2 |mean of the teacher's unit rows|, which is small for features that share a mean, as those behind a
    ReLU do: only what is below that was learned.
    """
    rows, target = F.normalize(full(student), dim=1), F.normalize(full(teacher).detach(), dim=1)
    return (2 - 2 * (rows * target).sum(1)).mean()
