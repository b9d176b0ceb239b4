"""A data set: uint8 images, integer labels, and what a network has to know of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from ..errors import Error
from .stored import Pixels, pick

CHUNK, BYTES = 1024, 1 << 20  # images that are looked at together, and what they take, at most


@dataclass(frozen=True)
class ImageSet:
    """Training and test images of one data set.

    `train_x`, `test_x`: uint8 (n, C, H, W), a tensor, or `Streamed` where memory would not hold them; `train_y`,
    `test_y`: int64 (n,), -1 for an image without a label.
    `mean`, `std`: one number per channel on the scale [0, 1], of the labelled training images unless given; teacher and
    student see the same normalisation.
    `style` is the key of the augmentation family (`kdlab.AUGMENTATIONS`) that suits the images. `similar`: which class
    a class is taken for where labels are wrong asymmetrically, by name; without it, the next class. `val_x`, `val_y`:
    only where the data set itself brings a validation set.
    """

    name: str
    classes: tuple[str, ...]
    train_x: Pixels
    train_y: Tensor
    test_x: Pixels
    test_y: Tensor
    style: str
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    val_x: Pixels | None = None
    val_y: Tensor | None = None
    similar: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.mean:
            labelled = self.train_y >= 0
            all_alike = labelled.all() or not labelled.any()
            mean, std = channel_statistics(self.train_x if all_alike else pick(self.train_x, labelled))
            object.__setattr__(self, "mean", mean)
            object.__setattr__(self, "std", std)

    @property
    def channels(self) -> int:
        return self.train_x.shape[1]

    def resized(self, size: int | None) -> "ImageSet":
        """The same images at `size` x `size` pixels (bilinear, antialiased); None or the own size: unchanged."""
        if size is None or self.train_x.shape[-2:] == (size, size):
            return self
        parts = {k: getattr(self, k) for k in ("train_x", "test_x", "val_x")}
        parts = {k: _resize(x, size) for k, x in parts.items() if x is not None}
        return replace(self, **parts, mean=(), std=())

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when any pixel, label or class name does.

        Of photographs that stay in their files: when a file's name, its size or one of its ends does.
        """
        return self._fingerprint

    def is_known_by(self, fingerprint: str) -> None:
        """Spare this set the reading of all its pixels: its fingerprint was computed before."""
        self.__dict__["_fingerprint"] = fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return self.contents()

    def contents(self) -> str:
        """The fingerprint of what is here now: all pixels are read."""
        digest = blake2b(repr((self.classes, self.mean, self.std)).encode(), digest_size=8)
        for tensor in (self.train_x, self.train_y, self.test_x, self.test_y, self.val_x, self.val_y):
            if tensor is not None:
                digest.update(repr(tuple(tensor.shape)).encode())
                for chunk in tensor.split(together(tensor)) if len(tensor) else ():
                    digest.update(chunk.contiguous().numpy().data)
        return digest.hexdigest()


class Recorded(NamedTuple):
    """What was written down of images that are not here: all that an identity asks of an `ImageSet`."""

    style: str
    digest: str

    def fingerprint(self) -> str:
        return self.digest


def _resize(images: Pixels, size: int) -> Tensor:
    """In chunks: the resizing computes in floating point, four times the memory of the bytes."""
    resized = torch.empty(*images.shape[:2], size, size, dtype=torch.uint8)
    count = together(images)
    for old, new in zip(images.split(count), resized.split(count), strict=True):
        new.copy_(TF.resize(old, [size, size], antialias=True))
    return resized


def together(images: Pixels) -> int:
    """How many images to look at together: in double precision they take eight times their bytes, and copies."""
    return max(1, min(CHUNK, BYTES // max(1, images.shape[1:].numel())))


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images (n, C, H, W), on the scale [0, 1]."""
    if not len(images):
        raise Error("there is no training image")
    sums, squares = torch.zeros(2, images.shape[1], dtype=torch.float64)
    for chunk in images.split(together(images)):
        pixels = chunk.transpose(0, 1).flatten(1).double() / 255
        sums += pixels.sum(1)
        squares += pixels.square().sum(1)
    count = len(images) * images.shape[2] * images.shape[3]
    mean = sums / count
    std = (squares / count - mean.square()).clamp(min=1e-8).sqrt()
    return tuple(round(m, 4) for m in mean.tolist()), tuple(max(round(s, 4), 1e-4) for s in std.tolist())
