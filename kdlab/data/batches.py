"""Batches: draw indices, select images, and augment each view as one batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.errors import Error, lookup
from ..core.moving import all_to_device, to_device
from ..core.places import installed_memory
from ..core.seeds import generator
from . import ops
from .augment import Recipe
from .changes import Change, Plan, View, plan
from .photographs import Crop, Photographs, Pixels, Streamed, ahead
from .splits import Split, rows_by_class


class Batch(NamedTuple):
    """One training batch, on the device.

    `x`: float (views, B, C, H, W), augmented and normalised; `y`: int64 (B,), -1 = unlabelled; `index`: int64 (B,),
    positions in the training set (for tables and memory banks keyed by image); `host_index`: the same on the host, for
    what is drawn there. With cutmix, in every batch: `partner`:
    int64 (B,), the row that each row is mixed with, and `kept`: float (), the share of the own image; where the batch
    is not mixed, each row is its own partner and `kept` is 1.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    host_index: Tensor
    partner: Tensor | None = None
    kept: Tensor | None = None


class Pool(NamedTuple):
    """`count` images a batch, drawn from `rows` without repetition until all came."""

    rows: Tensor
    count: int

    def order(self, steps: int, before: list[Tensor], draw: torch.Generator) -> Tensor:
        """Draw the positions (steps, count) of an epoch.

        `before` are those of the pools that stand earlier in a batch.
        """
        return _passes(self.rows, steps * self.count, draw).view(steps, self.count)


class Partners(NamedTuple):
    """For each image of the pool before, one of the same class.

    Drawn uniformly; it may be the image itself.
    """

    rows: Tensor  # the labelled ones
    count: int
    y: Tensor

    def order(self, steps: int, before: list[Tensor], draw: torch.Generator) -> Tensor:
        """Draw the positions (steps, count) of an epoch."""
        by_class, sizes, starts = rows_by_class(self.y)
        label = self.y[before[-1]]
        position = torch.rand(label.shape, generator=draw) * sizes[label]
        return by_class[starts[label] + position.long()]


def labelled(y: Tensor, batch: int, ratio: int) -> list[Pool]:
    """Draw `batch` labelled images."""
    return [Pool((y >= 0).nonzero()[:, 0], batch)]


def everything(y: Tensor, batch: int, ratio: int) -> list[Pool]:
    """Draw `batch` images, labelled or not."""
    return [Pool(torch.arange(len(y), device=y.device), batch)]


def labelled_and_unlabelled(y: Tensor, batch: int, ratio: int) -> list[Pool]:
    """Draw `batch` labelled images, then `ratio` times as many unlabelled ones."""
    unlabelled = (y < 0).nonzero()[:, 0]
    if not len(unlabelled):
        raise Error(
            "the method needs unlabelled images, but every training label is visible: set a label budget (labels=)"
        )
    return [*labelled(y, batch, ratio), Pool(unlabelled, ratio * batch)]


def pairs(y: Tensor, batch: int, ratio: int) -> list[Pool | Partners]:
    """Draw `batch` labelled images, then for each one of the same class."""
    first = labelled(y, batch, ratio)
    return [*first, Partners(first[0].rows, batch, y)]


# What a batch is made of, from (labels, batch, ratio): pools in the order in which they stand in it
SAMPLINGS: dict[str, Callable[[Tensor, int, int], Sequence[Pool | Partners]]] = {
    "labelled": labelled,
    "all": everything,
    "labelled+unlabelled": labelled_and_unlabelled,
    "pairs": pairs,
}


class Batches:
    """The training batches of a run, on `device`.

    An epoch has `steps` batches; None means one pass over the images, the incomplete last batch dropped; where a batch
    has labelled and unlabelled images, the pass is over the unlabelled ones. Within an epoch no image comes twice
    before every image of its pool came once; a pool smaller than a batch is repeated, each time augmented anew. Order
    and augmentation of epoch e are a function of (seed, e) alone.

    Images that stream are read while the step before computes, and give the same bits as in memory. Of photographs of
    many sizes the crop that a recipe draws is taken from the whole photograph, as its file is decoded.

    `views` holds one augmentation recipe per view; `shared` is a recipe that is applied once, before all of them.
    `normalise=False` leaves the values in [0, 1]; `mean`, `std`: None: the images' own. `cutout`: after that, a square
    of this side is set to 0, in each view of each image at another place (DeVries and Taylor 2017; an odd side counts
    as the even one below). `cutmix`: the probability that a batch is mixed with a permutation of itself (Yun et al.
    2019): one box and one permutation for all views, lambda ~ Beta(1, 1); each pool of a batch is permuted within
    itself.
    """

    def __init__(
        self,
        split: Split,
        views: Sequence[View],
        *,
        sampling: str,
        batch: int,
        steps: int | None = None,
        ratio: int = 1,
        device: torch.device | str = "cpu",
        shared: View | None = None,
        normalise: bool = True,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        cutout: int = 0,
        cutmix: float = 0.0,
    ) -> None:
        if not 0 <= cutmix <= 1:
            raise Error(f"cutmix={cutmix}: the probability that a batch is mixed is between 0 and 1")
        if cutout < 0 or cutout == 1:
            raise Error(f"cutout={cutout}: the side of the square is 0 (none), or 2 pixels and more")
        self.views, self.shared, self.cutout, self.cutmix = list(views), shared, cutout, cutmix
        self.device, self.images, self.y = torch.device(device), split.x, to_device(split.y, device)
        self.crops: list[Crop | None] = []
        self._views, self._shared = self.views, shared  # what is left to do when the images are there
        if isinstance(split.x, Photographs):  # are cropped as they are decoded: once for all views, or once for each
            rest: list[View] = []
            for recipe in [shared] if shared else self.views:
                crop = recipe.crop_scale if isinstance(recipe, Recipe) else None
                self.crops.append(Crop(crop, recipe.crop_ratio) if isinstance(recipe, Recipe) and crop else None)
                rest.append(replace(recipe, crop_scale=None) if isinstance(recipe, Recipe) else recipe)
            if shared:
                self._shared = rest[0]
            else:
                self._views = rest
        self.pools = lookup("sampling", sampling, SAMPLINGS)(split.y, batch, ratio)
        self.steps = steps or max(1, len(self.pools[-1].rows) // self.pools[-1].count)
        self.images_per_step = len(views) * sum(pool.count for pool in self.pools)
        self._check_room(sum(pool.count for pool in self.pools), split.x.shape[1:])
        if isinstance(split.x, Photographs):
            split.x.threads(1)  # what is wrong with its variables is said here, before anything is written
        statistics = (mean or split.images.mean, std or split.images.std) if normalise else ([0.0], [1.0])
        self.normalise = Normalise(*statistics, device)

    def epoch(self, seed: int, epoch: int, start: int = 0, drawn: Tensor | None = None) -> Iterator[Batch]:
        """Yield the batches of one epoch (counted from 0), from step `start` on.

        `drawn`: what `state` gave before that step.
        """
        self._draw = draw = generator(seed, "batches", epoch)
        pools: list[Tensor] = []
        for pool in self.pools:
            pools.append(pool.order(self.steps, pools, draw))
        order = torch.cat(pools, 1)
        if drawn is not None:
            draw.set_state(drawn)
        shape = order.shape[1], *self.images.shape[1:]
        for rows, read in zip(order[start:], self._read(order, (seed, epoch), start), strict=True):
            # All draws on the host first, then one copy of them, then all work on the device
            first = [self._plan(self._shared.draw(shape, draw), shape)] if self._shared else []
            views = [self._plan(self._shown(view, shape, draw), shape) for view in self._views]
            mix = self._mix(shape, draw) if self.cutmix else None
            index, images, first, views, mix = all_to_device((rows, read, first, views, mix), self.device)
            if isinstance(self.x, Tensor):
                images = self.x.index_select(0, images)[None]
            for each in first:
                images = each.carry_out(images[0], torch.empty(shape, device=self.device))[None]
            x = torch.empty(len(views), *shape, device=self.device)
            for view, each, out in zip(views, images.expand(len(views), *shape), x, strict=True):
                view.carry_out(each, out)
            partner = kept = None
            if mix:
                box, partner, kept = mix
                x = ops.cutmix(x, partner, box)
            yield Batch(x, self.y.index_select(0, index), index, rows, partner, kept)

    def _check_room(self, count: int, shape: torch.Size) -> None:
        """Refuse batches of `count` images, or epochs, that no memory here can hold."""
        there = installed_memory()
        images, order = 4 * self.images_per_step * shape.numel(), 8 * count * self.steps
        if max(images, order) > there:
            what = f"a batch of {count:,} images" if images > there else f"an epoch of {self.steps:,} such steps"
            raise Error(
                f"batches of {count:,} images are too large: {what} takes {max(images, order) / 1e9:,.1f} GB, and this "
                f"machine has {there / 1e9:,.1f}: give a smaller batch, fewer steps, or a smaller ratio"
            )

    def state(self) -> Tensor:
        """Return the generator's state after the last batch, to go on from there."""
        return self._draw.get_state()

    @cached_property
    def x(self) -> Pixels:
        """Return the training images (n, C, H, W).

        Those in memory are on the device from the first batch on.
        """
        return self.images if isinstance(self.images, Streamed) else self.images.to(self.device, non_blocking=True)

    def _read(self, order: Tensor, key: tuple[int, int], start: int) -> Iterator[Tensor]:
        """Yield the images of every batch, from `start` on; of those in memory the rows.

        The images are (1 or views, B, C, H, W), `order` is (steps, B).
        """
        x = self.x
        if isinstance(x, Photographs):
            yield from x.crops(order, self.crops, key, start)
        elif isinstance(x, Streamed):
            yield from ahead(lambda rows: x[rows][None], order[start:])
        else:
            yield from order[start:]

    def _plan(self, changes: Sequence[Change], shape: Sequence[int]) -> Plan:
        return plan(changes, shape, self.device)

    def _shown(self, view: View, shape: Sequence[int], draw: torch.Generator) -> list[Change]:
        """Draw what makes a view of images, normalised and with its cutout."""
        changes = [*view.draw(shape, draw), Change((self.normalise,))]
        if self.cutout:
            centre = tuple(_integers(n, draw, shape[0]) for n in shape[2:])
            changes.append(Change((partial(ops.cutout, side=self.cutout),), centre))
        return changes

    def _mix(self, shape: Sequence[int], draw: torch.Generator) -> tuple[ops.Box, Tensor, Tensor]:
        """Draw the box, `partner` and `kept` of a `Batch`.

        The same draws whether it is mixed or not.
        """
        H, W = shape[2:]
        share, chance = torch.rand(2, generator=draw)
        box = ops.cutmix_box(H, W, share, _integers(H, draw), _integers(W, draw))
        counts = [pool.count for pool in self.pools]
        unmixed = torch.arange(sum(counts))
        other = torch.cat([_passes(rows, len(rows), draw) for rows in unmixed.split(counts)])
        mixed = chance < self.cutmix
        top, left, bottom, right = (side * mixed for side in box)
        kept = 1 - (bottom - top) * (right - left) / (H * W)
        return (top, left, bottom, right), torch.where(mixed, other, unmixed), kept


def _integers(below: int, draw: torch.Generator, *shape: int) -> Tensor:
    """Draw integers, uniform over 0 .. below - 1."""
    return (torch.rand(shape, generator=draw) * below).long()


def _passes(rows: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """Draw `count` of `rows` by whole random permutations, the last one cut."""
    rounds = -(-count // len(rows))
    order = [rows[torch.randperm(len(rows), generator=draw)] for _ in range(rounds)]
    return torch.cat(order)[:count]


class Normalise:
    """(x - mean) / std for each channel of images (B, C, H, W).

    They are float in [0, 1]; uint8 images are scaled first.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu") -> None:
        self.mean = to_device(torch.tensor(mean).view(-1, 1, 1), device)
        self.std = to_device(torch.tensor(std).view(-1, 1, 1), device)

    def __call__(self, x: Tensor) -> Tensor:
        if x.dtype == torch.uint8:
            x = x.float() / 255
        return (x - self.mean) / self.std
