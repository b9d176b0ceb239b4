"""Images of other classes, drawn for each sample of a batch."""

import torch
from torch import Tensor, nn

from ...data.splits import rows_by_class


class OtherClasses(nn.Module):
    """Draws labelled training images whose class is not a sample's, by their positions in the training set.

    Its buffers are made from the labels whenever a run starts or continues, so no checkpoint holds them.
    """

    by_class: Tensor
    counts: Tensor
    starts: Tensor

    def __init__(self, labels: Tensor):
        super().__init__()
        by_class, counts, starts = rows_by_class(labels)
        self.register_buffer("by_class", by_class, persistent=False)
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("starts", starts, persistent=False)

    def sample(self, y: Tensor, count: int) -> Tensor:
        """(B, count) positions for samples labelled y (B,): none twice in a row unless there are fewer than `count`."""
        pools = len(self.by_class) - self.counts[y]  # the host waits for their sizes: a permutation needs its length
        place = torch.stack([_distinct(pool, count, y.device) for pool in pools.tolist()])
        start, own = self.starts[y, None], self.counts[y, None]
        return self.by_class[place + own * (place >= start)]  # jump over the own class


def _distinct(pool: int, count: int, device: torch.device) -> Tensor:
    """`count` of the numbers 0 .. pool - 1, none twice unless there are too few."""
    if count > pool:
        return torch.randint(pool, (count,), device=device)
    return torch.randperm(pool, device=device)[:count]
