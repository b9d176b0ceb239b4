"""Photographs of many sizes, which stay in their files: decoded and cropped by processes while a step computes."""

import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..decoding import picture, processors
from ..errors import Error
from .stored import AHEAD, Streamed, memory_limit

MARGIN = 8 / 7  # the shorter side over the central crop: 256 to 224 pixels
TOGETHER = 64  # images that one process decodes at a time for an evaluation
TRIES = 10
Made = np.ndarray | Error  # of a process: an error is told, and raised by who asked


class Crop(NamedTuple):
    """RandomResizedCrop: the share of the area that is kept, and the width / height of the box."""

    scale: tuple[float, float]
    ratio: tuple[float, float]

    def box(self, width: int, height: int, draw: np.random.Generator) -> tuple[int, int, int, int]:
        """Left, upper, right, lower: the first that fits of ten boxes, else the largest central one.

        The boxes are uniform in area and in log(width / height), as torchvision draws them.
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


class Files:
    """Image files, each seen as `size` x `size` pixels of three channels; it is what processes are given."""

    def __init__(self, files: Sequence[str], size: int) -> None:
        # One array: the counts of a million string objects would be written, and so copied, in every process
        self.names, self.size = np.array([os.fsencode(file) for file in files]), size

    def central(self, places: Sequence[int]) -> np.ndarray:
        """(m, 3, size, size): the shorter side is brought to 8/7 of `size` and the middle taken, as in torchvision."""
        return self._stacked([_central(self._open(place), self.size) for place in places])

    def drawn(self, place: int, wanted: Sequence[Crop | None], draw: np.random.Generator) -> np.ndarray:
        """(crops, 3, size, size) of one image, which is decoded once."""
        image = self._open(place)
        return self._stacked([
            _resized(image.crop(crop.box(*image.size, draw)), self.size, self.size)
            if crop else _central(image, self.size) for crop in wanted
        ])  # fmt: skip

    def _open(self, place: int) -> Image.Image:
        return picture(os.fsdecode(self.names[place])).convert("RGB")

    def _stacked(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Channels first, and so in memory: another order of the same bytes would make other kernels compute."""
        pixels = np.empty((len(images), 3, self.size, self.size), np.uint8)
        for row, image in zip(pixels, images, strict=True):
            row[:] = np.asarray(image).transpose(2, 0, 1)
        return pixels


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _central(image: Image.Image, size: int) -> Image.Image:
    shorter = round(MARGIN * size)
    width, height = (int(shorter * length / min(image.size)) for length in image.size)
    left, top = (round((length - size) / 2) for length in (width, height))
    return _resized(image, width, height).crop((left, top, left + size, top + size))


class Photographs(Streamed):
    """Images in files, of any size, seen as `size` x `size` pixels of three channels.

    Read like a tensor they are cropped at the centre; `crops` draws a crop for each view. Processes decode, as many as
    there are processors, or as `KDLAB_WORKERS` says; their number changes no bit.
    """

    def __init__(self, files: Files, rows: Tensor | None = None) -> None:
        super().__init__(torch.arange(len(files.names)) if rows is None else rows, (3, files.size, files.size))
        self.files = files

    def only(self, rows: Tensor) -> "Photographs":
        return Photographs(self.files, self.rows[rows])

    def read(self, places: Tensor) -> Tensor:
        return torch.from_numpy(self.files.central(places.tolist()))

    def split(self, count: int) -> Iterator[Tensor]:
        chunks = [chunk.numpy() for chunk in self.rows.split(min(count, TOGETHER))]
        return by_processes(_Central(self.files, chunks), TOGETHER * self.shape[1:].numel())

    def crops(
        self, order: Tensor, wanted: Sequence[Crop | None], key: Sequence[int], start: int = 0
    ) -> Iterator[Tensor]:
        """The images (crops, B, 3, size, size) of each batch of `order` (steps, B), rows of this set, from `start` on.

        A crop is drawn for each of `wanted`; None is the central one. What is drawn is a function of `key`, of the
        image, and of how often it came before in `order`.
        """
        places, turn = (each[start:].numpy() for each in (self.rows[order], turns(order)))
        size = len(wanted) * order.shape[1] * self.shape[1:].numel()
        return by_processes(_Drawn(self.files, places, turn, wanted, key), size)


class _Central(Dataset[Made]):
    """The chunks of an evaluation."""

    def __init__(self, files: Files, chunks: Sequence[np.ndarray]) -> None:
        self.files, self.chunks = files, chunks

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, i: int) -> Made:
        try:
            return self.files.central(self.chunks[i].tolist())
        except Error as error:
            return error


class _Drawn(Dataset[Made]):
    """The batches of an epoch."""

    def __init__(
        self, files: Files, places: np.ndarray, turn: np.ndarray, wanted: Sequence[Crop | None], key: Sequence[int]
    ) -> None:  # fmt: skip
        self.files, self.places, self.turn, self.wanted, self.key = files, places, turn, wanted, list(key)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, i: int) -> Made:
        try:
            return np.stack([
                self.files.drawn(place, self.wanted, np.random.default_rng([*self.key, place, again]))
                for place, again in zip(self.places[i].tolist(), self.turn[i].tolist(), strict=True)
            ], axis=1)  # fmt: skip
        except Error as error:
            return error


def by_processes(batches: Dataset[Made], size: int) -> Iterator[Tensor]:
    """What `batches` holds, each of `size` bytes, in order, made by other processes; an `Error` of theirs is raised.

    The arrays come through pipes: of shared memory a container often has less than one batch. There are no more
    processes than the `memory_limit` has room for what they make ahead.
    """
    count = workers()
    count = min(count, max(1, memory_limit() // (AHEAD * max(1, size))))
    loader = DataLoader(
        batches, batch_size=None, num_workers=count, prefetch_factor=AHEAD if count else None,
        collate_fn=_as_they_are, worker_init_fn=_end_with_parent,
        generator=torch.Generator(),  # its own: it draws from it, and no run may feel that
    )  # fmt: skip
    made = iter(loader)
    while True:
        try:
            found = next(made, None)
        except RuntimeError as error:  # it was killed, most likely for want of memory
            raise Error("a process that decodes photographs was ended: set KDLAB_WORKERS to fewer") from error
        if found is None:
            return
        if isinstance(found, Error):
            raise found
        yield torch.from_numpy(found)


def _as_they_are(found: Any) -> Any:
    return found


def _end_with_parent(_: int) -> None:
    """A process whose parent was killed would wait for ever for somebody to read what it made."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def workers() -> int:
    """How many processes decode: $KDLAB_WORKERS, else as many as there are processors; 0: this one alone."""
    given = os.environ.get("KDLAB_WORKERS", str(processors()))
    if not given.isdecimal():
        raise Error(f"KDLAB_WORKERS={given}: give the number of processes that decode images, 0 for none but this one")
    return int(given)


def turns(order: Tensor) -> Tensor:
    """For each entry how many equal ones come before it, row after row."""
    flat = order.flatten()
    sorted_, place = flat.sort(stable=True)
    first = torch.searchsorted(sorted_, sorted_)  # where the run of equal ones begins
    return torch.empty_like(flat).index_copy_(0, place, torch.arange(len(flat)) - first).view_as(order)
