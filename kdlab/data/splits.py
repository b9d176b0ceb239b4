"""Label budget, stratified validation split and label noise, all by a seed."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core.errors import NO_NUMBERS, Error, known
from ..core.hyper import plain
from ..core.seeds import generator
from .images import ImageSet
from .photographs import Pixels, pick


@dataclass(frozen=True)
class Split:
    """The images of one run.

    `y` is -1 where the label budget hides the label; validation images are in no batch. `truth` is for bookkeeping and
    pictures: no method sees it.
    """

    images: ImageSet
    x: Pixels  # uint8 (n, C, H, W)
    y: Tensor  # int64 (n,), -1 = unlabelled
    val_x: Pixels
    val_y: Tensor
    truth: Tensor  # int64 (n,), the labels without noise and budget, -1 = the data set itself has none
    rows: Tensor  # int64 (n,), where the images of `x` stand in the data set's train_x
    val_rows: Tensor | None  # the same of `val_x`; None where the data set itself brings validation images

    @property
    def labelled(self) -> Tensor:
        """Return the positions in `x` of the labelled images."""
        return (self.y >= 0).nonzero()[:, 0]


def split(
    images: ImageSet,
    labels: int | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    noise: float = 0.0,
    noise_kind: str = "symmetric",
    omit: Collection[int] = (),
    imbalance: float = 1.0,
) -> Split:
    """Hold out validation images, stratified, then hide all but the label budget.

    `labels`: None = all; an int = that many images in all, as equal per class as the data allow (the convention of
    semi-supervised learning); a float in (0, 1] = that share of each class, at least one image. Budgets nest, numbers
    among numbers and shares among shares: the labelled images of a smaller one are labelled in every larger one of the
    same seed, so that a teacher with more labels never has a validation image of the student's among them. Images that
    have no label in the data set itself are in `x` and never held out.

    `noise`: the share of the visible labels that are wrong, and, as whoever has noisy labels has them everywhere but in
    the test set, the same share of the validation labels, except where the data set itself brings validation images.
    `noise_kind`: key of NOISES. Budget and validation images are those of noise 0.

    `imbalance`: a long tail (Cui et al., CVPR 2019): of K classes, class k keeps imbalance^(-k / (K - 1)) of its images
    that are not held out, at least one; the budget is of what is left. Validation and test images stay as they are.

    `omit`: classes of which no image is in `x`, labelled or not; all else, validation images included, is as without.
    """
    count = len(images.classes)
    labels = None if labels is None else _number("labels", labels)
    validation, noise = _number("validation", validation), _number("noise", noise)
    imbalance, omit = _number("imbalance", imbalance), _classes(omit)
    if not 0 <= validation < 1:
        raise Error(f"validation={validation}: give a share of at least 0 and below 1")
    if not imbalance >= 1:
        raise Error(f"imbalance={imbalance}: give at least 1, which is none")
    if odd := [label for label in omit if not 0 <= label < count]:
        raise Error(f"omit={odd[0]}: there are {count} classes, counted from 0 to {count - 1}")
    if noise and not (images.train_y >= 0).any():
        raise Error(f"noise={noise}: {images.name} has no labelled images, leave noise out")
    spoil = Noise(images.train_y, images.classes, noise, noise_kind, seed, images.similar)
    draw = generator(seed, "split")
    members = []  # of each class, in random order: labels are taken from the front, validation from the back
    for label in range(count):
        rows = (images.train_y == label).nonzero()[:, 0]
        members.append(rows[torch.randperm(len(rows), generator=draw)])
    keep = torch.ones(len(images.train_y), dtype=torch.bool)
    if images.val_x is not None and images.val_y is not None:
        held = [0] * count
        val_x, val_y, val_rows = images.val_x, images.val_y, None
    else:
        held = [round(validation * len(rows)) for rows in members]
        of_each = [rows[len(rows) - h :] for rows, h in zip(members, held, strict=True)]
        val_rows = torch.cat([torch.arange(0), *of_each]).sort().values
        val_x, val_y = pick(images.train_x, val_rows), spoil(images.train_y[val_rows], val_rows)
        keep[val_rows] = False
    pools = [rows[: len(rows) - h] for rows, h in zip(members, held, strict=True)]
    for k, pool in enumerate(pools):
        size = math.ceil(round(len(pool) * imbalance ** (-k / max(1, count - 1)), 9))  # 7.000000000000001 is 7
        keep[pool[size:]], pools[k] = False, pool[:size]
    if not any(map(len, pools)) and (images.train_y >= 0).any():
        raise Error(f"validation={validation} leaves no image to train on")
    if labels is not None and not (images.train_y >= 0).any():
        raise Error(f"labels={labels}: {images.name} has no labelled images, leave labels out")
    quota = _quota(labels, [len(pool) for pool in pools])
    visible = torch.full_like(images.train_y, -1)
    for label, (pool, q) in enumerate(zip(pools, quota, strict=True)):
        visible[pool[:q]] = label
    visible = spoil(visible, torch.arange(len(visible)))
    keep &= ~torch.isin(images.train_y, torch.tensor(list(omit), dtype=images.train_y.dtype))
    if not keep.any():
        raise Error(f"omit={tuple(omit)} leaves no image to train on")
    x, rows = pick(images.train_x, keep), keep.nonzero()[:, 0]
    return Split(images, x, visible[keep], val_x, val_y, images.train_y[keep], rows, val_rows)


def _number(name: str, value: Any) -> Any:
    """Return a number as Python's, of numpy or torch too, or raise an `Error`."""
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise Error(f"{name}={value!r}: {NO_NUMBERS if isinstance(number, bool) else 'give a number'}")
    return number


def _classes(omit: Any) -> list[int]:
    """Return numbers of classes as a list, or raise an `Error`."""
    omit = plain(omit)
    listed = plain(list(omit)) if isinstance(omit, Iterable) else [None]
    if any(not isinstance(label, int) or isinstance(label, bool) for label in listed):
        raise Error(f"omit={omit!r}: give numbers of classes, such as (3, 5)")
    return listed


def _quota(labels: int | float | None, sizes: list[int]) -> list[int]:
    """Return how many labels each class gets from pools of these sizes."""
    if labels is None:
        return sizes
    if isinstance(labels, float):
        if not 0 < labels <= 1:
            raise Error(f"labels={labels}: a share is above 0 and at most 1.0; a number of images is an integer")
        return [min(size, max(1, round(labels * size))) for size in sizes]
    if labels < len(sizes):
        raise Error(f"labels={labels} is less than one a class: {len(sizes)} classes need at least {len(sizes)}")
    if labels > sum(sizes):
        raise Error(
            f"labels={labels} is more than the {sum(sizes):,} training images: give at most that many, or a share"
        )
    quota = [0] * len(sizes)
    while (missing := labels - sum(quota)) > 0:  # equal shares; what a small class cannot give, the others do
        open_classes = [c for c, size in enumerate(sizes) if quota[c] < size]
        share = max(1, missing // len(open_classes))
        for c in open_classes[:missing]:
            quota[c] = min(sizes[c], quota[c] + share)
    return quota


def symmetric(y: Tensor, classes: Sequence[str], similar: Mapping[str, str], draw: torch.Generator) -> Tensor:
    """Draw any other class, each as likely as the others."""
    return (y + torch.randint(1, len(classes), y.shape, generator=draw)) % len(classes)


def asymmetric(y: Tensor, classes: Sequence[str], similar: Mapping[str, str], draw: torch.Generator) -> Tensor:
    """Return the similar class (Patrini et al. 2017), else the next (Han et al. 2018).

    `similar` names it.
    """
    pairs = similar or dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    index = {name: i for i, name in enumerate(classes)}
    if odd := [name for pair in pairs.items() for name in pair if name not in index]:
        raise Error(f"the similar classes name {odd[0]!r}: the classes are {', '.join(classes)}")
    return torch.tensor([index[pairs[name]] if name in pairs else -1 for name in classes])[y]


# Kind -> (true labels, class names, similar classes, generator) -> what each label would be if it were wrong; -1: never
NOISES: dict[str, Callable[[Tensor, Sequence[str], Mapping[str, str], torch.Generator], Tensor]] = {
    "symmetric": symmetric,
    "asymmetric": asymmetric,
}


class Noise:
    """Makes the share `noise` of labels wrong.

    `y` (n,) are the true labels of a training set, -1 = has none. The order in which labels become wrong, and what they
    become, are functions of (seed, place of the image among the labelled ones): a label that is wrong at one share is
    wrong in the same way at every larger share.
    """

    def __init__(
        self,
        y: Tensor,
        classes: Sequence[str],
        noise: float,
        kind: str,
        seed: int,
        similar: Mapping[str, str] | None = None,
    ) -> None:
        known("label noise", kind, NOISES)
        if not 0 <= noise <= 1:
            raise Error(f"noise={noise}: the share of wrong labels is between 0 and 1")
        if noise and len(classes) < 2:
            raise Error(f"noise={noise}: a label of the only class, {classes[0]}, cannot be wrong")
        self.noise, self.rank, self.wrong = noise, torch.full_like(y, -1), torch.full_like(y, -1)
        if noise:
            rows = (y >= 0).nonzero()[:, 0]
            self.rank[rows] = torch.randperm(len(rows), generator=generator(seed, "noise", "order"))
            self.wrong[rows] = NOISES[kind](y[rows], classes, similar or {}, generator(seed, "noise", kind))

    def __call__(self, y: Tensor, rows: Tensor) -> Tensor:
        """Return the labels `y` (m,) of the images at `rows`, a share of them wrong.

        round(noise * number of labels that can be wrong).

        -1 stays: a label that is hidden is neither right nor wrong.
        """
        able = ((y >= 0) & (self.wrong[rows] >= 0)).nonzero()[:, 0]
        chosen = able[self.rank[rows[able]].argsort()[: round(self.noise * len(able))]]
        return y.index_copy(0, chosen, self.wrong[rows[chosen]])


def rows_by_class(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sort labelled images by class: rows (R,), counts (K,), starts (K,).

    How many each class has, and where it starts. For labels (n,) with -1 = unlabelled. The images of class c are
    `rows[starts[c] : starts[c] + counts[c]]`, in ascending order; K is the largest label + 1. Without any labelled
    image there is one class, which is empty.
    """
    labelled = (labels >= 0).nonzero()[:, 0]
    of_labelled = labels[labelled]
    counts = torch.bincount(of_labelled, minlength=1)
    return labelled[of_labelled.argsort(stable=True)], counts, counts.cumsum(0) - counts
