"""The batch iterator: an index draw, one `index_select` on the uint8 tensor, and one batched augmentation per view."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import Error, lookup
from ..seeds import generator
from .splits import Split


class Batch(NamedTuple):
    """One training batch, on the device.

    `x`: float (views, B, C, H, W), augmented and normalised; `y`: int64 (B,), -1 = unlabelled; `index`: int64 (B,),
    positions in the training set (for tables and memory banks keyed by image).
    """

    x: Tensor
    y: Tensor
    index: Tensor


def _labelled(y: Tensor, batch: int, ratio: int) -> list[tuple[Tensor, int]]:
    return [((y >= 0).nonzero()[:, 0], batch)]


def _all(y: Tensor, batch: int, ratio: int) -> list[tuple[Tensor, int]]:
    return [(torch.arange(len(y), device=y.device), batch)]


def _mixed(y: Tensor, batch: int, ratio: int) -> list[tuple[Tensor, int]]:
    unlabelled = (y < 0).nonzero()[:, 0]
    if not len(unlabelled):
        raise Error(
            "the method needs unlabelled images, but every training label is visible: set a label budget (labels=)"
        )
    return _labelled(y, batch, ratio) + [(unlabelled, ratio * batch)]


# What a batch is made of: (rows to draw from, how many of them), in the order in which they stand in the batch
DRAWS: dict[str, Callable[[Tensor, int, int], list[tuple[Tensor, int]]]] = {
    "labelled": _labelled,  # `batch` labelled images
    "all": _all,  # `batch` images, labelled or not
    "mixed": _mixed,  # `batch` labelled images, then `ratio` times as many unlabelled ones
}


class Batches:
    """The training batches of a run, on `device`.

    An epoch has `steps` batches; None means one pass over the images drawn from (over the unlabelled ones where there
    are both), the incomplete last batch dropped. Within an epoch no image comes twice before every image of its pool
    came once; a pool smaller than a batch is repeated, each time augmented anew. Order and augmentation of epoch e are
    a function of (seed, e) alone. `views` holds one augmentation recipe per view.
    """

    def __init__(
        self, split: Split, views: Sequence[Callable], *, draw: str, batch: int, steps: int | None = None,
        ratio: int = 1, device: torch.device | str = "cpu",
    ):  # fmt: skip
        self.x, self.y, self.views, self.device = split.x.to(device), split.y.to(device), views, torch.device(device)
        self.pools = lookup("batch draw", draw, DRAWS)(self.y, batch, ratio)
        rows, count = self.pools[-1]
        self.steps = steps or max(1, len(rows) // count)
        self.images_per_step = len(views) * sum(count for _, count in self.pools)
        self.normalise = Normalise(split.images.mean, split.images.std, device)

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch (counted from 0)."""
        draw = generator(seed, "batches", epoch, device=self.device)
        order = [_passes(rows, self.steps * count, draw).view(self.steps, count) for rows, count in self.pools]
        for index in torch.cat(order, 1):
            images = self.x.index_select(0, index)
            x = torch.stack([self.normalise(view(images, draw)) for view in self.views])
            yield Batch(x, self.y.index_select(0, index), index)


def _passes(rows: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """`count` of `rows`: whole random permutations one after another, the last one cut."""
    rounds = -(-count // len(rows))
    order = [rows[torch.randperm(len(rows), generator=draw, device=rows.device)] for _ in range(rounds)]
    return torch.cat(order)[:count]


class Normalise:
    """(x - mean) / std per channel of float images (B, C, H, W) in [0, 1]; uint8 images are scaled first."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu"):
        self.mean = torch.tensor(mean, device=device).view(-1, 1, 1)
        self.std = torch.tensor(std, device=device).view(-1, 1, 1)

    def __call__(self, x: Tensor) -> Tensor:
        if x.dtype == torch.uint8:
            x = x.float() / 255
        return (x - self.mean) / self.std
