"""Images of other classes, drawn for each sample of a batch."""

import torch
from torch import Tensor, nn


class OtherClasses(nn.Module):
    """Draws positions of labelled training images whose class is not a sample's. It follows from the labels: no state."""

    def __init__(self, labels: Tensor):
        super().__init__()
        labelled = (labels >= 0).nonzero()[:, 0]
        counts = torch.bincount(labels[labelled]) if len(labelled) else torch.zeros(1, dtype=torch.long)
        for name, tensor in {
            "by_class": labelled[labels[labelled].argsort(stable=True)], "counts": counts,
            "starts": counts.cumsum(0) - counts,
        }.items():  # fmt: skip
            self.register_buffer(name, tensor, persistent=False)

    def draw(self, y: Tensor, count: int) -> Tensor:
        """(B, count) positions for samples labelled y (B,): none twice in a row unless there are fewer than `count`."""
        pools = len(self.by_class) - self.counts[y]
        place = torch.stack([_distinct(pool, count, y.device) for pool in pools.tolist()])
        start, own = self.starts[y, None], self.counts[y, None]
        return self.by_class[place + own * (place >= start)]  # jump over the own class


def _distinct(pool: int, count: int, device: torch.device) -> Tensor:
    if count > pool:
        return torch.randint(pool, (count,), device=device)
    return torch.randperm(pool, device=device)[:count]
