"""CutMix in methods: targets are mixed as the images were.

Mixed images leave no trace in a memory.
"""

import torch
from torch import Tensor

from ...data import Batch
from ...losses import joint_labels


def mix_targets(targets: Tensor, batch: Batch, rows: int = 1) -> Tensor:
    """Average each image's targets with its partner's, in the shares of the images.

    Without CutMix they stay as they are.

    `targets` are (B * rows, K): `rows` of them, one after another, for each image of the batch.
    """
    if batch.partner is None or batch.kept is None:
        return targets
    return batch.kept * targets + (1 - batch.kept) * targets[joint_labels(batch.partner, rows)]


def unless_mixed(kept: Tensor | None, new: Tensor, old: Tensor) -> Tensor:
    """Choose what a memory stores: `new`, or `old` again for a mixed batch.

    Mixed images are no images of the training set.

    `kept` is the batch's share of the own image: None without CutMix, 1 where it mixed nothing. The device decides by
    itself; asking it first would make the host wait.
    """
    new = new.to(old.dtype)
    return new if kept is None else torch.where(kept == 1, new, old)
