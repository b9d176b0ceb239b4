"""Self-supervision as knowledge (SSKD, Xu et al. 2020).

The losses read three transformed versions of each normal image.

The three versions of an image stand together: row i of a tensor (3B, ...) belongs to image i // 3. A transformed
version should be most alike to its own normal image, and how alike it is to the others says what a network knows. The
student learns the teacher's matrix `similarity(transformed, normal)` (3B, B), in the rows that `select` keeps, with
`selective_kd(A_student, A_teacher, rows, T=0.5)`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.arithmetic import full
from ..core.errors import Error
from ..core.moving import to_device


def own_column(A: Tensor) -> Tensor:
    """Return the column of every row's own image in a matrix (rB, B), as (rB,).

    With r versions of each image it is i // r for row i.
    """
    return torch.arange(len(A), device=A.device) // (len(A) // A.shape[1])


def own_image(A: Tensor) -> Tensor:
    """Classify: each transformed version is to find its own image.

    The cosines are the logits.

    Cross-entropy, in nats, of each row of cosines (3B, B) with its own column, mean over rows. It trains the teacher's
    projection head; the temperature is 1, as the authors' code divides by none there.
    A constant matrix gives log B.
    """
    return F.cross_entropy(full(A), own_column(A))


def select(reference: Tensor, target: Tensor, ratio: float) -> Tensor:
    """Select the rows that are worth learning from.

    They are all where the teacher is right, and the least wrong of the others.

    `reference` (R, K) are the teacher's logits or cosines, `target` (R,) the true columns. The rank of a row is the
    number of entries above that of its target. All rows of rank 0 are kept, and of the n others the int(n * ratio), in
    double precision, with the smallest rank, equal ranks in their order. Returns a mask (R,) of the rows kept, for
    `selective_kd`.
    Ratio 1 keeps all rows, 0 the right ones.
    """
    if not 0 <= ratio <= 1:
        raise Error(f"ratio {ratio} of selective transfer: choose from 0 to 1")
    rank = (reference > reference.gather(1, target[:, None])).sum(1)
    correct = (rank == 0).sum()
    # Multiplied on the host, for each n that there may be: not every device has double precision
    counts = to_device(torch.tensor([int(n * ratio) for n in range(len(rank) + 1)]), rank.device)
    kept = correct + counts.gather(0, (len(rank) - correct)[None])
    return rank.argsort(stable=True).argsort() < kept
