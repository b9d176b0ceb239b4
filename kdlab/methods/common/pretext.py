"""Pretext tasks: questions about versions of an image, and heads that answer.

The changes that make the versions are here too.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ... import losses
from ...core.errors import Error
from ...data import Batch
from ...data.augment import Recipe, ops
from ...data.changes import Change, View
from .adapters import Shape, mlp

Transform = Literal["rotation", "paper", "color_drop", "crop", "color_jitter"]


class Turn(View):
    """Each image (B, C, H, H) turned by 0, 90, 180 or 270 degrees, equally likely."""

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> list[Change]:
        turns = tuple(partial(torch.rot90, k=quarter, dims=(2, 3)) for quarter in range(4))
        return [Change(turns, kind=_one_of(4, shape, generator))]


@dataclass(frozen=True)
class Mixture(View):
    """Each image changed as one of several views does it, equally likely."""

    views: tuple[View, ...]

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> list[Change]:
        every = [view.draw(shape, generator) for view in self.views]
        which = _one_of(len(every), shape, generator)
        return [change.only(which == place) for place, changes in enumerate(every) for change in changes]


def _one_of(count: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    return (torch.rand(shape[0], generator=generator) * count).long()


@dataclass(frozen=True)
class Then(View):
    """Each image changed as one view does it, then as another."""

    first: View
    second: View

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> list[Change]:
        return self.first.draw(shape, generator) + self.second.draw(shape, generator)


# Strengths are a reconstruction: the crop and the colours of MoCo's demonstration on CIFAR-10
GREY, CROP, COLOURS = Recipe(grey_p=1.0), Recipe(crop_scale=(0.2, 1.0)), Recipe(jitter=(0.4, 0.4, 0.4, 0.1))
CHANGES: dict[str, View] = {
    "color_drop": GREY,
    "crop": CROP,
    "color_jitter": COLOURS,
    "paper": Mixture((GREY, Turn(), CROP, COLOURS)),
}


def transformed(views: Sequence[View], transform: str) -> list[View]:
    """Append the transform to all views but the first.

    "rotation" turns images later, in `ops.turned`.
    """
    normal, *others = views
    return list(views) if transform == "rotation" else [normal, *(Then(view, CHANGES[transform]) for view in others)]


Task = Literal["contrastive", "rotation", "jigsaw", "exemplar"]


def split_versions(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split rows of four versions an image (4B, ...) into normal and transformed.

    The normal images are (B, ...), the transformed (3B, ...).
    """
    x = x.unflatten(0, (-1, 4))
    return x[:, 0], x[:, 1:].flatten(0, 1)


def relations(projected: Tensor) -> Tensor:
    """Compute cosines (3B, B) of transformed with normal images.

    `projected` holds the projections (4B, D) of both.
    """
    normal, transformed = split_versions(projected)
    return losses.similarity(transformed, normal)


class Pretext(nn.Module):
    """A question about four versions of each image; the first is the normal one.

    `show` gives the images that the network sees, (4B, C, H, W), the versions of an image together, and the right
    answers (R,) of the rows that are asked about; called with the pooled features (4B, D) it gives logits (R, K). The
    head is linear, ReLU, linear, `width` numbers wide inside.
    """

    changes: ClassVar[bool] = False  # whether it changes the images itself, so that `transform` has no part in it
    outputs: ClassVar[int | Literal["width", "samples"]] = (
        "width"  # of the head: as many as features, images, or so many
    )

    def __init__(self, width: int, samples: int, transform: str = "rotation") -> None:
        super().__init__()
        self.samples, self.transform = samples, transform
        counts = {"width": width, "samples": samples}
        outputs = counts[self.outputs] if isinstance(self.outputs, str) else self.outputs
        self.head: nn.Module = mlp(width, width, outputs, norm="none")

    def versions(self, batch: Batch) -> Tensor:
        """Return the four views of a batch as rows (4B, C, H, W).

        They are turned by the number of the version, or transformed.
        """
        return ops.turned(batch.x) if self.transform == "rotation" else torch.stack(tuple(batch.x), 1).flatten(0, 1)

    def show(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the images that the network sees, and the right answers."""
        raise NotImplementedError

    def forward(self, pooled: Tensor) -> Tensor:
        return self.head(pooled)


class Contrastive(Pretext):
    """SSKD's task: from which normal image of the batch was a version made?

    K = B answers for each of 3B rows.

    The logits are cosines of projections as wide as the features.
    """

    def show(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.versions(batch), torch.arange(len(batch.y), device=batch.y.device).repeat_interleave(3)

    def forward(self, pooled: Tensor) -> Tensor:
        return relations(self.head(pooled))


class Rotation(Pretext):
    """By which of K = 4 quarter turns was the image turned (Gidaris et al. 2018)?

    Asked of all 4B rows.
    """

    changes = True
    outputs = 4

    def show(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return ops.turned(batch.x), torch.arange(4, device=batch.y.device).repeat(len(batch.y))


class Jigsaw(Pretext):
    """Which of all K = 24 permutations have 2 x 2 patches undergone?

    After Noroozi & Favaro 2016; 3B rows are answered.

    Permutations are equally likely, that which changes nothing among them. The network sees the image put together
    again; the authors' has nine patches of larger images, with gaps between them, and sees one at a time.
    """

    changes = True
    outputs = 24
    permutations: Tensor  # (24, 4)

    def __init__(self, width: int, samples: int, transform: str = "rotation") -> None:
        super().__init__(width, samples, transform)
        every = torch.tensor(list(itertools.permutations(range(4))))
        self.register_buffer("permutations", every, persistent=False)

    def show(self, batch: Batch) -> tuple[Tensor, Tensor]:
        normal, *others = batch.x
        answers = torch.randint(24, (3, len(normal)), device=normal.device)
        others = [ops.jigsaw(x, self.permutations[answer]) for x, answer in zip(others, answers, strict=True)]
        return torch.stack([normal, *others], 1).flatten(0, 1), answers.T.flatten()

    def forward(self, pooled: Tensor) -> Tensor:
        return self.head(split_versions(pooled)[1])


class Exemplar(Pretext):
    """Which of all K = n training images is it a version of?

    After Dosovitskiy et al. 2014; all 4B rows are answered.

    Every training image is a class, the authors' take 8,000 patches; n outputs for features of D numbers are (D + 1) n
    weights. A classifier of the batch's images alone would be the contrastive task.
    """

    outputs = "samples"

    def show(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.versions(batch), batch.index.repeat_interleave(4)


TASKS: dict[str, type[Pretext]] = {
    "contrastive": Contrastive,
    "rotation": Rotation,
    "jigsaw": Jigsaw,
    "exemplar": Exemplar,
}


def pretext(task: Task, transform: Transform, width: int, samples: int, shape: Shape) -> Pretext:
    """Build a task by name, for features of `width` and `samples` training images."""
    if TASKS[task].changes and transform != "rotation":
        raise Error(f"task={task!r} changes the images itself: leave transform={transform!r} out, or take another task")
    if task == "jigsaw" and shape[2] % 2:
        raise Error(f"task='jigsaw' cuts images in 2 x 2: these have sides of {shape[2]} pixels, give an even size")
    return TASKS[task](width, samples, transform)
