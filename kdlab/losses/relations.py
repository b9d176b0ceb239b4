"""Losses on the relations between the images of a batch.

Student and teacher may differ in width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full, product, total

SHORTEST = 1e-6  # differences of two embeddings shorter than this count as 0: a square root has no gradient there


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Compute the cosines of all rows of a (N, D) with all of b (M, D), as (N, M).

    They say how alike rows are, in [-1, 1].

    1 for rows of one direction, 0 for orthogonal ones and for a row of zeros.
    """
    return product(F.normalize(full(a), dim=1), F.normalize(full(b), dim=1).T)


def gram(f: Tensor) -> Tensor:
    """Compute inner products (B, B) of the features (B, ...) of all pairs of images.

    They are not normalised.
    """
    f = f.flatten(1)
    return product(f, f.T)


def sp(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare which images are alike: the difference of Gram matrices.

    Images that are alike to the teacher are to be alike to the student.

    Squared difference of the two matrices `gram` (B, B), every row brought to unit length, mean over all B^2 entries,
    for maps (B, C, H, W) of any shape. No gradient reaches the teacher.
    Tung & Mori 2019 (similarity-preserving distillation).
    0 where the student is a multiple or a rotation of the teacher. Two images whose features are orthogonal for the
    student and equal for the teacher give 1 - 1 / sqrt(2) = 0.292893.
    """
    return F.mse_loss(F.normalize(gram(student), dim=1), F.normalize(gram(teacher.detach()), dim=1))


def cc(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare embeddings, the errors of neighbours in the batch multiplied.

    The student's are to be the teacher's.

    With the errors d = student - teacher (B, D): sum over dimensions of |d_i| |d_i+1|, mean over the B - 1 pairs of
    neighbours. It depends on the order of the batch. Gradients reach both sides, because both are trained projections.
    What RepDistiller calls correlation congruence (Peng et al. 2019); `cc_kernel` is the paper's.
    Errors 2, 3, 5 in one dimension give (6 + 15) / 2 = 10.5; a single row gives 0.
    """
    d = (full(student) - full(teacher)).abs()
    return (d[:-1] * d[1:]).sum() / max(len(d) - 1, 1)


def cc_kernel(student: Tensor, teacher: Tensor, gamma: float = 0.4, order: int = 2) -> Tensor:
    """Compare how close images are, by a Gaussian kernel.

    They are to be as close to each other for the student as for the teacher.

    Squared difference of two matrices of exp(-gamma |x - y|^2) for the embeddings (B, D) of all pairs, brought to unit
    length; mean over all B^2 entries. For unit vectors that is exp(-2 gamma) exp(2 gamma cos), and the second factor is
    taken as its Taylor series, powers 0 .. order. No gradient reaches the teacher.
    Peng et al. 2019 (correlation congruence).
    0 for equal cosines.
    """

    def kernel(x: Tensor) -> Tensor:
        x = 2 * gamma * similarity(x, x)
        return math.exp(-2 * gamma) * total(x**p / math.factorial(p) for p in range(order + 1))

    return F.mse_loss(kernel(student), kernel(teacher.detach()))


def pkt(student: Tensor, teacher: Tensor, eps: float = 1e-7) -> Tensor:
    """Compare how each image picks a neighbour in the batch.

    An image that is alike is likelier; both networks are to pick alike.

    Row i of p is (cos + 1) / 2 of embedding i with all B embeddings (B, D), over the row's sum: the probabilities of
    the picks, itself included. p_t ln((p_t + eps) / (p_s + eps)), mean over all B^2 entries: a KL in nats, divided by B
    once more, as in RepDistiller. `eps` keeps the logarithm finite. No gradient reaches the teacher.
    Passalis & Tefas 2018 (probabilistic knowledge transfer).
    0 for equal cosines.
    """

    def probability(x: Tensor) -> Tensor:
        p = (similarity(x, x) + 1) / 2
        return p / p.sum(1, keepdim=True)

    p_s, p_t = probability(student), probability(teacher.detach())
    return (p_t * ((p_t + eps) / (p_s + eps)).log()).mean()


def rkd_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare distances between images, each network in its own unit of length.

    Smooth L1 of two matrices of the Euclidean distances of all pairs of embeddings (B, D), each divided by its own mean
    off the diagonal; mean over all B^2 entries, the zeros of the diagonal included. No gradient reaches the teacher.
    Park et al. 2019 (relational distillation); the benchmark's weight is 25.
    0 where the student is a scaled, shifted or rotated teacher, and for a single row. An equilateral triangle against
    the points 0, 1, 2 on a line gives 1/24.
    """

    def relative(x: Tensor) -> Tensor:
        d = differences(x)[1] * (1 - torch.eye(len(x), dtype=full(x).dtype, device=x.device))
        mean = d.sum() / max(len(x) * (len(x) - 1), 1)
        return d / mean.clamp(min=1e-12)  # a single row has no distances, and 0 / 0 would be NaN

    return F.smooth_l1_loss(relative(student), relative(teacher.detach()))


def rkd_angle(student: Tensor, teacher: Tensor) -> Tensor:
    """Compare the angles of the triangles that any three images form.

    Smooth L1 of the cosines of the angles at embedding i between j and k, for embeddings (B, D); mean over all B^3
    triplets, also where two of the three are one image. No gradient reaches the teacher, and none comes from images
    that coincide: their cosines are 0.
    Park et al. 2019 (relational distillation); the benchmark's weight is 50.
    0 where the student is a scaled, shifted or rotated teacher. An equilateral triangle against the points 0, 1, 2 on a
    line gives 5/54.
    """

    def cosines(x: Tensor) -> Tensor:
        difference, length = differences(x)
        e = difference / length.masked_fill(length <= SHORTEST, math.inf)[..., None]
        return product(e, e.transpose(1, 2))

    return F.smooth_l1_loss(cosines(student), cosines(teacher.detach()))


def differences(x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute x_j - x_i for all pairs (B, B, D) of embeddings, and their lengths.

    Lengths (B, B) are at least `SHORTEST`.
    """
    x = full(x).flatten(1)
    difference = x[None] - x[:, None]
    return difference, difference.square().sum(2).clamp(min=SHORTEST**2).sqrt()
