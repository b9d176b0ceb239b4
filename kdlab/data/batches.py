"""The batch iterator: an index draw, one `index_select` on the uint8 tensor, and one batched augmentation per view."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..augment import ops
from ..errors import Error, lookup
from ..seeds import generator
from .splits import Split


class Batch(NamedTuple):
    """One training batch, on the device.

    `x`: float (views, B, C, H, W), augmented and normalised; `y`: int64 (B,), -1 = unlabelled; `index`: int64 (B,),
    positions in the training set (for tables and memory banks keyed by image). With cutmix, in every batch: `partner`:
    int64 (B,), the row that each row is mixed with, and `kept`: float (), the share of the own image; where the batch
    is not mixed, each row is its own partner and `kept` is 1.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    partner: Tensor | None = None
    kept: Tensor | None = None


class Pool(NamedTuple):
    """`count` images a batch, drawn from `rows` without repetition until all came."""

    rows: Tensor
    count: int

    def order(self, steps: int, before: list[Tensor], draw: torch.Generator) -> Tensor:
        """(steps, count): the positions for an epoch; `before` are those of the parts that stand earlier in a batch."""
        return _passes(self.rows, steps * self.count, draw).view(steps, self.count)


class Partners(NamedTuple):
    """For each image of the part before, one of the same class, drawn uniformly (it may be the image itself)."""

    rows: Tensor  # the labelled ones
    count: int
    y: Tensor

    def order(self, steps: int, before: list[Tensor], draw: torch.Generator) -> Tensor:
        sizes = torch.bincount(self.y[self.rows])
        by_class = self.rows[self.y[self.rows].argsort(stable=True)]
        label = self.y[before[-1]]
        place = torch.rand(label.shape, generator=draw, device=label.device) * sizes[label]
        return by_class[(sizes.cumsum(0) - sizes)[label] + place.long()]


def _labelled(y: Tensor, batch: int, ratio: int) -> list[Pool]:
    return [Pool((y >= 0).nonzero()[:, 0], batch)]


def _all(y: Tensor, batch: int, ratio: int) -> list[Pool]:
    return [Pool(torch.arange(len(y), device=y.device), batch)]


def _mixed(y: Tensor, batch: int, ratio: int) -> list[Pool]:
    unlabelled = (y < 0).nonzero()[:, 0]
    if not len(unlabelled):
        raise Error(
            "the method needs unlabelled images, but every training label is visible: set a label budget (labels=)"
        )
    return [*_labelled(y, batch, ratio), Pool(unlabelled, ratio * batch)]


def _pairs(y: Tensor, batch: int, ratio: int) -> list[Pool | Partners]:
    labelled = _labelled(y, batch, ratio)
    return [*labelled, Partners(labelled[0].rows, batch, y)]


# What a batch is made of, from (labels, batch, ratio): parts in the order in which they stand in it
DRAWS: dict[str, Callable[[Tensor, int, int], list[Pool | Partners]]] = {
    "labelled": _labelled,  # `batch` labelled images
    "all": _all,  # `batch` images, labelled or not
    "mixed": _mixed,  # `batch` labelled images, then `ratio` times as many unlabelled ones
    "pairs": _pairs,  # `batch` labelled images, then for each one of the same class
}


class Batches:
    """The training batches of a run, on `device`.

    An epoch has `steps` batches; None means one pass over the images drawn from (over the unlabelled ones where there
    are both), the incomplete last batch dropped. Within an epoch no image comes twice before every image of its pool
    came once; a pool smaller than a batch is repeated, each time augmented anew. Order and augmentation of epoch e are
    a function of (seed, e) alone.

    `views` holds one augmentation recipe per view; `shared` is a recipe that is applied once, before all of them.
    `normalise=False` leaves the values in [0, 1]. `cutout`: after that, a square of this side is set to 0, in each view
    of each image at another place (DeVries and Taylor 2017; an odd side counts as the even one below). `cutmix`: the
    probability that a batch is mixed with a permutation of itself (Yun et al. 2019): one box and one permutation for
    all views, lambda ~ Beta(1, 1); each part of a batch (DRAWS) is permuted within itself.
    """

    def __init__(
        self, split: Split, views: Sequence[Callable], *, draw: str, batch: int, steps: int | None = None,
        ratio: int = 1, device: torch.device | str = "cpu", shared: Callable | None = None, normalise: bool = True,
        cutout: int = 0, cutmix: float = 0.0,
    ):  # fmt: skip
        if not 0 <= cutmix <= 1:
            raise Error(f"cutmix={cutmix}: the probability that a batch is mixed is between 0 and 1")
        if cutout < 0 or cutout == 1:
            raise Error(f"cutout={cutout}: the side of the square is 0 (none), or 2 pixels and more")
        self.x, self.y, self.views, self.device = split.x.to(device), split.y.to(device), views, torch.device(device)
        self.shared, self.cutout, self.cutmix = shared, cutout, cutmix
        self.parts = lookup("batch draw", draw, DRAWS)(self.y, batch, ratio)
        self.steps = steps or max(1, len(self.parts[-1].rows) // self.parts[-1].count)
        self.images_per_step = len(views) * sum(part.count for part in self.parts)
        mean, std = (split.images.mean, split.images.std) if normalise else ([0.0], [1.0])
        self.normalise = Normalise(mean, std, device)

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch (counted from 0)."""
        draw = generator(seed, "batches", epoch, device=self.device)
        order: list[Tensor] = []
        for part in self.parts:
            order.append(part.order(self.steps, order, draw))
        for index in torch.cat(order, 1):
            images = self.x.index_select(0, index)
            if self.shared is not None:
                images = self.shared(images, draw)
            x = torch.stack([self._view(view(images, draw), draw) for view in self.views])
            partner = kept = None
            if self.cutmix:
                x, partner, kept = self._mix(x, draw)
            yield Batch(x, self.y.index_select(0, index), index, partner, kept)

    def _view(self, images: Tensor, draw: torch.Generator) -> Tensor:
        x = self.normalise(images)
        if not self.cutout:
            return x
        row, column = (_integers(n, draw, len(x)) for n in x.shape[2:])
        return ops.cutout(x, row, column, self.cutout)

    def _mix(self, x: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """`x`, `partner` and `kept` of a `Batch`: the same draws whether it is mixed or not, no wait for the device."""
        H, W = x.shape[-2:]
        share, chance = torch.rand(2, generator=draw, device=x.device)
        box = ops.cutmix_box(H, W, share, _integers(H, draw), _integers(W, draw))
        counts = [part.count for part in self.parts]
        own = torch.arange(sum(counts), device=x.device)
        other = torch.cat([_passes(rows, len(rows), draw) for rows in own.split(counts)])
        mixed = chance < self.cutmix
        top, left, bottom, right = (side * mixed for side in box)
        partner = torch.where(mixed, other, own)
        kept = 1 - (bottom - top) * (right - left) / (H * W)
        return ops.cutmix(x, partner, (top, left, bottom, right)), partner, kept


def _integers(below: int, draw: torch.Generator, *shape: int) -> Tensor:
    """Uniform over 0 .. below - 1."""
    return (torch.rand(shape, generator=draw, device=draw.device) * below).long()


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
