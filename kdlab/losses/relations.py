"""Losses on the relations between the samples of a batch; student and teacher may differ in width."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all rows of a (N, D) with all rows of b (M, D), as (N, M); 0 for a row of zeros."""
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def gram(f: Tensor) -> Tensor:
    """Inner products (B, B) of the flattened features (B, ...) of all pairs of samples."""
    f = f.flatten(1)
    return f @ f.T


def sp(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of two Gram matrices with rows of unit length, mean over all B^2 entries.

    Tung & Mori 2019 (similarity-preserving distillation), on maps (B, C, H, W) of any shape. No gradient
    reaches the teacher. 0 where the student is a multiple or a rotation of the teacher; an identity against two equal
    rows gives 0.292893.
    """
    return F.mse_loss(F.normalize(gram(student), dim=1), F.normalize(gram(teacher.detach()), dim=1))


def cc(student: Tensor, teacher: Tensor) -> Tensor:
    """Sum over dimensions of |d_i| |d_i+1|, d = student - teacher (B, D), mean over the B - 1 neighbours in the batch.

    What RepDistiller calls correlation congruence (Peng et al. 2019); `cc_kernel` is the paper's. Gradients reach both
    sides, because both are trained projections. It depends on the order of the batch. d = [2], [3], [5] gives 10.5; 0
    for a single row.
    """
    d = (student - teacher).abs()
    return (d[:-1] * d[1:]).sum() / max(len(d) - 1, 1)


def cc_kernel(student: Tensor, teacher: Tensor, gamma: float = 0.4, order: int = 2) -> Tensor:
    """Squared difference of two correlation matrices of embeddings (B, D), mean over all B^2 entries.

    Peng et al. 2019 (correlation congruence): a Gaussian kernel of unit vectors, exp(-gamma |x - y|^2) =
    exp(-2 gamma) exp(2 gamma cos), by the powers 0 .. order of the second factor's Taylor series. No gradient reaches
    the teacher.
    """

    def kernel(x: Tensor) -> Tensor:
        x = 2 * gamma * similarity(x, x)
        return math.exp(-2 * gamma) * sum(x**p / math.factorial(p) for p in range(order + 1))

    return F.mse_loss(kernel(student), kernel(teacher.detach()))


def pkt(student: Tensor, teacher: Tensor, eps: float = 1e-7) -> Tensor:
    """p_t ln((p_t + eps) / (p_s + eps)) of the rows p = (cos + 1) / 2 over their sum, mean over all B^2 entries.

    Passalis & Tefas 2018 (probabilistic knowledge transfer), for embeddings (B, D); the diagonal counts and the
    mean divides by B^2, as in RepDistiller. No gradient reaches the teacher. 0 for equal cosines.
    """

    def probability(x: Tensor) -> Tensor:
        p = (similarity(x, x) + 1) / 2
        return p / p.sum(1, keepdim=True)

    p_s, p_t = probability(student), probability(teacher.detach())
    return (p_t * ((p_t + eps) / (p_s + eps)).log()).mean()


def rkd_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Smooth L1 of two matrices of Euclidean distances, each over its own mean off the diagonal; mean over B^2 entries.

    Park et al. 2019 (relational distillation), for embeddings (B, D); the benchmark's weight is 25. No gradient
    reaches the teacher. 0 where the student is a scaled, shifted or rotated teacher, and for a single row; an
    equilateral triangle against 0, 1, 2 on a line gives 1/24.
    """

    def relative(x: Tensor) -> Tensor:
        d = _differences(x)[1] * (1 - torch.eye(len(x), dtype=x.dtype, device=x.device))
        return d / (d.sum() / max(len(x) * (len(x) - 1), 1)).clamp(min=1e-12)

    return F.smooth_l1_loss(relative(student), relative(teacher.detach()))


def rkd_angle(student: Tensor, teacher: Tensor) -> Tensor:
    """Smooth L1 of the cosines of the angles at i between j and k, mean over all B^3 triplets, degenerate ones too.

    Park et al. 2019 (relational distillation), for embeddings (B, D); the benchmark's weight is 50. No gradient
    reaches the teacher, and none comes from samples that coincide: their cosines are 0. 0 where the student is a
    scaled, shifted or rotated teacher; an equilateral triangle against 0, 1, 2 on a line gives 5/54.
    """

    def cosines(x: Tensor) -> Tensor:
        difference, length = _differences(x)
        e = difference / length.masked_fill(length <= 1e-6, math.inf)[..., None]
        return e @ e.transpose(1, 2)

    return F.smooth_l1_loss(cosines(student), cosines(teacher.detach()))


def _differences(x: Tensor) -> tuple[Tensor, Tensor]:
    """x_j - x_i as (B, B, D) and their lengths (B, B), at least 1e-6."""
    x = x.flatten(1)
    difference = x[None] - x[:, None]
    return difference, difference.square().sum(2).clamp(min=1e-12).sqrt()
