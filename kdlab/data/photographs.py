"""Images that stay on the disk: photographs, and arrays mapped from the cache."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple, Self, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.errors import Error
from ..core.places import memory_limit, pixel_limit, workers
from .files import in_mode, picture, too_large

MARGIN = 8 / 7  # the shorter side over the central crop: 256 to 224 pixels
TOGETHER = 64  # images that one thread decodes at a time for an evaluation
TRIES = 10
AHEAD = 2  # batches that each thread makes while a step computes
Key = TypeVar("Key")
Made = TypeVar("Made")


def ahead(make: Callable[[Key], Made], keys: Iterable[Key], threads: int = 1) -> Iterator[Made]:
    """Yield `make(key)` for each of `keys`, in order, while threads make the next.

    Threads rather than processes: what is made here is read or decoded by code that lets other threads compute. They
    start in no time, whatever started this process and however (a script, a notebook, a pool), and end with it. What
    `make` raises is raised here. Without `threads` each is made when it is its turn.
    """
    if not threads:
        yield from map(make, keys)
        return
    pool, waiting = ThreadPoolExecutor(threads, "kdlab-data"), deque[Future[Made]]()
    try:
        for key in keys:
            try:
                waiting.append(pool.submit(make, key))
            except RuntimeError as error:  # the system allows no more threads
                raise Error(
                    f"a thread that reads images cannot be started ({error}): set KDLAB_WORKERS to fewer"
                ) from error
            if len(waiting) == AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Streamed:
    """Images on a disk, read like a uint8 tensor (n, C, H, W).

    `x[rows]` and `x.split(n)` read; `x.only(rows)` is a selection that reads nothing; `len`, `shape` as of a tensor.
    """

    def __init__(self, count: int, each: Iterable[int]) -> None:
        self.rows, self.each = torch.arange(count), tuple(each)  # int64 (n,), positions in what is stored; (C, H, W)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.rows), *self.each))

    def read(self, rows: Tensor) -> Tensor:
        """Return the images (m, C, H, W) at these positions (m,) of what is stored."""
        raise NotImplementedError

    def only(self, rows: Tensor) -> Self:
        """Select images by a mask (n,) or by positions (m,)."""
        selection = object.__new__(type(self))
        vars(selection).update(vars(self), rows=self.rows[rows])
        return selection

    def __getitem__(self, rows: Tensor | slice | list[int] | int) -> Tensor:
        stored = self.rows[rows]
        return self.read(stored) if stored.ndim else self.read(stored[None])[0]

    def split(self, count: int) -> Iterator[Tensor]:
        """Yield all images in order, `count` at a time, and read ahead."""
        return ahead(self.read, self.rows.split(count))


class Stored(Streamed):
    """Images of one size in a memory-mapped array: a selection copies nothing."""

    def __init__(self, pixels: np.memmap, rows: Tensor | None = None) -> None:
        super().__init__(len(pixels), pixels.shape[1:])
        self.pixels = pixels
        if rows is not None:
            self.rows = rows

    def __reduce__(self) -> tuple[Callable[..., "Stored"], tuple[str, Tensor]]:
        """Send the name of the file, not its content: another process maps it too."""
        return _mapped_again, (str(self.pixels.filename), self.rows)

    def read(self, rows: Tensor) -> Tensor:
        file = str(self.pixels.filename)
        with suppress(FileNotFoundError):  # a file that was removed stays mapped; one that was cut short ends us
            if os.path.getsize(file) < self.pixels.offset + self.pixels.nbytes:  # noqa: PTH202
                raise Error(f"{file} has become shorter than it was: kdlab data clear")
        return torch.from_numpy(np.array(self.pixels[rows.numpy()]))


def _mapped_again(file: str, rows: Tensor) -> Stored:
    return Stored(np.lib.format.open_memmap(file, mode="r"), rows)


Pixels = Tensor | Streamed  # uint8 (n, C, H, W)


def pick(images: Pixels, rows: Tensor) -> Pixels:
    """Select the images at `rows`, a mask (n,) or positions (m,).

    Of those on a disk none is read.
    """
    return images.only(rows) if isinstance(images, Streamed) else images[rows]


class Crop(NamedTuple):
    """RandomResizedCrop: the share of the area, and the width / height of the box."""

    scale: tuple[float, float]
    ratio: tuple[float, float]

    def box(self, width: int, height: int, draw: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw left, upper, right, lower: the first of ten boxes that fits.

        Else the largest central one. The boxes are uniform in area and in log(width / height), as torchvision draws
        them.
        """
        low, high = (math.log(r) for r in self.ratio)
        for _ in range(TRIES):
            area, stretch = draw.uniform(*self.scale) * width * height, math.exp(draw.uniform(low, high))
            w, h = round(math.sqrt(area * stretch)), round(math.sqrt(area / stretch))
            if 0 < w <= width and 0 < h <= height:
                left, top = int(draw.integers(width - w + 1)), int(draw.integers(height - h + 1))
                return left, top, left + w, top + h
        w, h = min(width, round(height * self.ratio[1])), min(height, round(width / self.ratio[0]))
        left, top = (width - w) // 2, (height - h) // 2
        return left, top, left + w, top + h


class Photographs(Streamed):
    """Images in files, of any size, seen as `size` x `size` pixels of three channels.

    Read like a tensor they are cropped at the centre; `crops` draws a crop for each view. Threads decode, as many as
    there are processors, or as `KDLAB_WORKERS` says; their number changes no bit.
    """

    def __init__(self, files: Sequence[str], size: int) -> None:
        if size * size > pixel_limit():
            raise Error(
                f"size={size}: an image would have {size * size / 1e6:,.0f} million pixels, give a smaller size"
            )
        super().__init__(len(files), (3, size, size))
        # One array, as a million string objects take more
        self.names, self.size = np.array([os.fsencode(file) for file in files]), size

    def read(self, rows: Tensor) -> Tensor:
        pixels = np.empty((len(rows), *self.each), np.uint8)  # channels first: another order would use other kernels
        for image, row in zip(pixels, rows.tolist(), strict=True):
            image[:] = np.asarray(self._central(row, self._open(row))).transpose(2, 0, 1)
        return torch.from_numpy(pixels)

    def split(self, count: int) -> Iterator[Tensor]:
        return ahead(self.read, self.rows.split(min(count, TOGETHER)), self.threads(TOGETHER))

    def crops(
        self, order: Tensor, wanted: Sequence[Crop | None], key: Sequence[int], start: int = 0
    ) -> Iterator[Tensor]:
        """Yield the images (crops, B, 3, size, size) of each batch of `order`.

        From step `start` on. `order` (steps, B) are rows of this set. A crop is drawn for each of `wanted`; None is the
        central one. What is drawn is a function of `key`, of the image, and of how often it came before in `order`.
        """
        rows, turn = self.rows[order], turns(order)

        def drawn(step: int) -> Tensor:
            pixels = np.empty((len(wanted), order.shape[1], *self.each), np.uint8)
            for column, (row, again) in enumerate(zip(rows[step].tolist(), turn[step].tolist(), strict=True)):
                self.draw(row, wanted, np.random.default_rng([*key, row, again]), pixels[:, column])
            return torch.from_numpy(pixels)

        return ahead(drawn, range(start, len(order)), self.threads(len(wanted) * order.shape[1]))

    def draw(self, row: int, wanted: Sequence[Crop | None], draw: np.random.Generator, pixels: np.ndarray) -> None:
        """Fill `pixels` (crops, 3, size, size) with crops of one image, decoded once."""
        image = self._open(row)
        for view, crop in zip(pixels, wanted, strict=True):
            box = image.crop(crop.box(*image.size, draw)) if crop else None
            shown = _resized(box, self.size, self.size) if box else self._central(row, image)
            view[:] = np.asarray(shown).transpose(2, 0, 1)

    def threads(self, count: int) -> int:
        """Return how many threads may decode `count` images each at a time.

        No more than the `memory_limit` has room for; 0 for none.
        """
        return min(workers(), max(1, memory_limit() // (AHEAD * count * math.prod(self.each))))

    def _open(self, row: int) -> Image.Image:
        return in_mode(picture(os.fsdecode(self.names[row])), "RGB")

    def _central(self, row: int, image: Image.Image) -> Image.Image:
        """Bring the shorter side to 8/7 of `size` and take the middle (torchvision)."""
        shorter = round(MARGIN * self.size)
        width, height = (int(shorter * length / min(image.size)) for length in image.size)
        if width * height > pixel_limit():
            raise too_large(f"{os.fsdecode(self.names[row])}, brought to {width} x {height},", width * height)
        left, top = (round((length - self.size) / 2) for length in (width, height))
        return _resized(image, width, height).crop((left, top, left + self.size, top + self.size))


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BILINEAR)


def turns(order: Tensor) -> Tensor:
    """Count, for each entry, the equal ones before it, row after row."""
    flat = order.flatten()
    sorted_, positions = flat.sort(stable=True)
    first = torch.searchsorted(sorted_, sorted_)  # where the run of equal ones begins
    return torch.empty_like(flat).index_copy_(0, positions, torch.arange(len(flat)) - first).view_as(order)
