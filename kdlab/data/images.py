"""A data set: uint8 images, integer labels, and what a network has to know."""

import copy
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..core.errors import Error
from ..core.hyper import plain
from ..core.places import installed_memory
from .photographs import Pixels, Streamed, pick

CHANNELS = (1, 3)
ONE_LABEL = "one label an image; several labels or numbers are not what this trains"
CHUNK, BYTES = 1024, 1 << 20  # images that are looked at together, and what they take, at most


@dataclass(frozen=True, repr=False)
class ImageSet:
    """Training and test images of one data set.

    `train_x`, `test_x`: uint8 (n, C, H, W), a tensor, or `Streamed` where memory would not hold them; `train_y`,
    `test_y`: int64 (n,), -1 for an image without a label. Others are refused.
    `mean`, `std`: one number per channel on the scale [0, 1], of the labelled training images unless given. They belong
    to the networks that are trained on these images: a teacher of other images sees them by its own, and a run that
    goes on from its `init` keeps those of the images that its chain of `init` began with.
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
        for name in ("classes", "mean", "std"):  # their text is part of the fingerprint
            object.__setattr__(self, name, tuple(plain(list(getattr(self, name)))))
        object.__setattr__(self, "similar", dict(self.similar))
        if not all(isinstance(name, str) for name in self.classes):
            raise Error(f"classes={self.classes!r}: give the name of each class, text")
        for part in ("train", "test", "val") if self.val_x is not None or self.val_y is not None else ("train", "test"):
            x, y = getattr(self, f"{part}_x"), getattr(self, f"{part}_y")
            _check_images(f"{part}_x of {self.name}", x)
            _check_labels(f"{part}_y of {self.name}", y, len(x), len(self.classes))
        if not self.mean:
            labelled = self.train_y >= 0
            all_alike = labelled.all() or not labelled.any()
            mean, std = channel_statistics(self.train_x if all_alike else pick(self.train_x, labelled))
            object.__setattr__(self, "mean", mean)
            object.__setattr__(self, "std", std)
        mean, std = self.mean, self.std
        if any(len(numbers) not in (1, self.channels) for numbers in (mean, std)) or len(mean) != len(std):
            raise Error(f"mean={mean} and std={std}: give a number a channel in each, or leave both out")
        if not all(deviation > 0 for deviation in std):
            raise Error(f"std={std}: deviations are above 0")

    def __repr__(self) -> str:
        """Show name, numbers of images, classes and shape, not thousands of pixels."""
        held = f", {len(self.val_y):,} for validation" if self.val_y is not None else ""
        shape = " x ".join(str(length) for length in self.train_x.shape[1:])
        return (
            f"ImageSet({self.name!r}: {len(self.train_y):,} images for training{held}, {len(self.test_y):,} for "
            f"testing, {len(self.classes):,} classes, {shape})"
        )

    @property
    def channels(self) -> int:
        return self.train_x.shape[1]

    def resized(self, size: int | None) -> "ImageSet":
        """Return the same images at `size` x `size` pixels (bilinear, antialiased).

        None or the own size: unchanged. An `Error` where that is more than half of this machine's memory: what trains
        on them needs room too.
        """
        if size is None or self.train_x.shape[-2:] == (size, size):
            return self
        parts = {k: getattr(self, k) for k in ("train_x", "test_x", "val_x")}
        needed = sum(len(x) * x.shape[1] * size * size for x in parts.values() if x is not None)
        if needed > installed_memory() / 2:
            raise Error(
                f"{self.name} takes {needed / 1e6:,.0f} MB at {size} x {size} pixels, more than half of the "
                f"{installed_memory() / 1e6:,.0f} MB of memory here: give a smaller size"
            )
        resized: dict[str, Tensor] = {}
        for name, images in ((k, x) for k, x in parts.items() if x is not None):
            resized[name] = torch.empty(*images.shape[:2], size, size, dtype=torch.uint8)
            count = together(images)  # resizing computes in floating point, four times the memory of the bytes
            for old, new in zip(images.split(count), resized[name].split(count), strict=True):
                new.copy_(resize(old, (size, size)))
        return replace(self, **resized, mean=(), std=())

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with any pixel, label or class name.

        Of photographs that stay in their files: when a file's name, its size or one of its ends does.
        """
        known = self.__dict__.get("_known")
        if known is None or not (self.__dict__.get("_settled") or known[0] == self.checksum()):
            self.is_known_by(self.contents())
        return self.__dict__["_known"][1]

    def is_known_by(self, fingerprint: str) -> None:
        """Use a fingerprint that was computed before."""
        self.__dict__["_known"] = self.checksum(), fingerprint

    def changed(self) -> bool:
        """Return whether images or labels were changed since the fingerprint."""
        known = self.__dict__.get("_known")
        return known is not None and known[0] != self.checksum()

    def settled(self) -> "ImageSet":
        """Return the same set, whose fingerprint is no longer compared with its contents.

        Only by `changed`.
        """
        self.fingerprint()
        twin = copy.copy(self)
        twin.__dict__["_settled"] = True
        return twin

    def like(self, other: "ImageSet") -> bool:
        """Return whether two sets agree in all that a run or a picture reads."""
        about = ("name", "classes", "style", "mean", "std", "similar")
        same = all(getattr(self, name) == getattr(other, name) for name in about)
        return same and self.fingerprint() == other.fingerprint()

    def checksum(self) -> int:
        """Compute a checksum of what is in memory, far faster than a fingerprint."""
        total = zlib.crc32(repr(sorted(self.similar.items())).encode())
        for piece in self._pieces(read=False):
            total = zlib.crc32(piece, total)
        return total

    def contents(self) -> str:
        """Compute the fingerprint of what is here now: all pixels are read."""
        digest = blake2b(repr((self.classes, self.mean, self.std)).encode(), digest_size=8)
        for piece in self._pieces(read=True):
            digest.update(piece)
        return digest.hexdigest()

    def _pieces(self, read: bool) -> Iterator[bytes | memoryview]:
        """Yield shapes and contents of all parts.

        Of those on a disk only the positions unless they are to be read.
        """
        for part in (self.train_x, self.train_y, self.test_x, self.test_y, self.val_x, self.val_y):
            if part is not None:
                tensor = part.rows if isinstance(part, Streamed) and not read else part
                yield repr(tuple(tensor.shape)).encode()
                for chunk in tensor.split(together(tensor)) if len(tensor) else ():
                    yield chunk.contiguous().numpy().data


Images = Mapping[tuple[str, int | None], ImageSet]  # (data set, size) -> images, for every run of a chain


class Recorded(NamedTuple):
    """What was written down of images that are not here.

    All that an identity reads of an `ImageSet`.
    """

    style: str
    digest: str

    def fingerprint(self) -> str:
        return self.digest


def resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Resize images to (height, width), bilinear and antialiased, as torchvision."""
    from torchvision.transforms.v2.functional import resize

    return resize(images, [*size], antialias=True)


def together(images: Pixels) -> int:
    """Return how many images to look at together.

    In double precision they take eight times their bytes, and copies.
    """
    return max(1, min(CHUNK, BYTES // max(1, images.shape[1:].numel())))


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, on the scale [0, 1].

    Of uint8 images (n, C, H, W).
    """
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


def _check_images(where: str, x: Any) -> None:
    """Refuse images that are not uint8 (n, C, H, W) with one channel or three."""
    if not isinstance(x, Tensor | Streamed):
        raise Error(f"{where} is a {type(x).__name__}: give a uint8 tensor (n, C, H, W), torch.from_numpy(...)")
    if isinstance(x, Tensor):
        if x.is_floating_point() or x.is_complex():
            raise Error(
                f"{where} has numbers of {x.dtype}: give bytes from 0 to 255, of values in [0, 1] "
                "(255 * x).round().to(torch.uint8)"
            )
        if x.dtype != torch.uint8:
            raise Error(f"{where} has numbers of {x.dtype}: give bytes from 0 to 255, x.to(torch.uint8)")
        if x.device.type != "cpu":
            raise Error(f"{where} is on {x.device}: give tensors on the CPU, a run moves them to its device")
    shape = f"{where} has the shape {tuple(x.shape)}"
    if len(x.shape) == 3:
        raise Error(f"{shape}: give (n, C, H, W), greyscale images as x[:, None]")
    if len(x.shape) != 4:
        raise Error(f"{shape}: give (n, C, H, W), with 1 channel or 3")
    if x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        raise Error(f"{shape}: channels come first, (n, C, H, W), give x.permute(0, 3, 1, 2)")
    if x.shape[1] not in CHANNELS:
        raise Error(f"{shape}: images have 1 channel or 3, transparency and other bands are left out as in x[:, :3]")
    if not x.shape[2] or not x.shape[3]:
        raise Error(f"{shape}: these images have no pixels")


def _check_labels(where: str, y: Any, images: int, classes: int) -> None:
    """Refuse labels that are not int64 (n,) from -1 (none) to classes - 1."""
    if not isinstance(y, Tensor):
        raise Error(f"{where} is a {type(y).__name__}: give an int64 tensor (n,), torch.tensor(...)")
    if y.is_floating_point() or y.is_complex():
        raise Error(f"{where} has numbers of {y.dtype}, not of classes: {ONE_LABEL}")
    if y.ndim != 1:
        column = "y[:, 0]" if y.shape[1:] == (1,) else "of a one-hot table y.argmax(1)"
        raise Error(f"{where} has the shape {tuple(y.shape)}, not (n,): {ONE_LABEL}; {column}")
    if y.dtype != torch.int64:
        raise Error(f"{where} has numbers of {y.dtype}: give classes as int64, y.long()")
    if y.device.type != "cpu":
        raise Error(f"{where} is on {y.device}: give tensors on the CPU, a run moves them to its device")
    if len(y) != images:
        raise Error(f"{where} has {len(y):,} labels for {images:,} images: {ONE_LABEL}")
    low, high = (int(end) for end in y.aminmax()) if len(y) else (-1, -1)
    if high >= 0 and not classes:
        raise Error(f"classes=() and {where} has labels: give the name of each class, text")
    if low < -1 or high >= classes:
        odd = low if low < -1 else high
        raise Error(f"{where} has the label {odd}: {classes} classes are numbered 0 to {classes - 1}, -1 is none")
