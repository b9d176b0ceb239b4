"""Self-supervision as knowledge: Xu et al. 2020 (SSKD), on three transformed versions of each normal image.

Rows are image-major: row i of a (3B, ...) tensor belongs to image i // 3. The student learns the teacher's matrix
`similarity(transformed, normal)` with `kd(A_student[rows], A_teacher[rows], T=0.5)`, rows from `select`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import Error


def own_column(A: Tensor) -> Tensor:
    """The true column of every row of a matrix (rB, B): i // r for row i."""
    return torch.arange(len(A), device=A.device) // (len(A) // A.shape[1])


def own_image(A: Tensor) -> Tensor:
    """Cross-entropy of each row of cosines (3B, B) with its own image, mean over rows, at temperature 1.

    It trains the teacher's projection head (the authors' code divides by no temperature there). log B for a constant
    matrix.
    """
    return F.cross_entropy(A, own_column(A))


def select(reference: Tensor, target: Tensor, ratio: float) -> Tensor:
    """Sorted indices of the rows of `reference` (R, K), logits or cosines, that are worth learning from.

    The rank of a row is the number of entries above the one of its target (R,). All rows of rank 0 are kept, and of
    the n others the first int(n * ratio) by rank, equal ranks in their order. Ratio 1 keeps all, 0 the correct ones.
    """
    if not 0 <= ratio <= 1:
        raise Error(f"ratio {ratio} of selective transfer: choose from 0 to 1")
    rank = (reference > reference.gather(1, target[:, None])).sum(1)
    correct = int((rank == 0).sum())
    kept = correct + int((len(rank) - correct) * ratio)
    return rank.argsort(stable=True)[:kept].sort().values
