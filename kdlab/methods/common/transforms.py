"""The transformations that SSKD's paper lists, where its released code only turns images."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from ...data.augment import Recipe, ops
from ...data.batches import View

Transform = Literal["rotation", "paper", "color_drop", "crop", "color_jitter"]


def turn(images: Tensor, draw: torch.Generator) -> Tensor:
    """Each image (B, C, H, H) turned by 0, 90, 180 or 270 degrees, equally likely."""
    return _picked(ops.rotations(images).unflatten(0, (-1, 4)).transpose(0, 1), draw)


def one_of_four(images: Tensor, draw: torch.Generator) -> Tensor:
    """Each image (B, C, H, H) by one of FOUR, equally likely."""
    return _picked(torch.stack([change(images, draw) for change in FOUR]), draw)


def _picked(versions: Tensor, draw: torch.Generator) -> Tensor:
    """One of the versions (V, B, C, H, W) of each image, equally likely."""
    count, B = versions.shape[:2]
    version = (torch.rand(B, generator=draw, device=versions.device) * count).long()
    return versions[version, torch.arange(B, device=versions.device)]


# Strengths are a reconstruction: the crop and the colours of MoCo's demonstration on CIFAR-10
CHANGES: dict[str, View] = {
    "color_drop": Recipe(grey_p=1.0),
    "crop": Recipe(crop_scale=(0.2, 1.0)),
    "color_jitter": Recipe(jitter=(0.4, 0.4, 0.4, 0.1)),
    "paper": one_of_four,
}
FOUR: tuple[View, ...] = (CHANGES["color_drop"], turn, CHANGES["crop"], CHANGES["color_jitter"])


def transformed(views: Sequence[View], transform: str) -> list[View]:
    """The views with the transform behind all but the first; "rotation" turns images later, in `ops.turned`."""
    normal, *others = views
    return list(views) if transform == "rotation" else [normal, *(partial(_after, v, transform) for v in others)]


def _after(view: View, transform: str, images: Tensor, draw: torch.Generator) -> Tensor:
    return CHANGES[transform](view(images, draw), draw)
