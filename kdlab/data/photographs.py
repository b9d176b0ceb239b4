"""Photographs of many sizes, which stay in their files: decoded and cropped by processes while a step computes."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..decoding import picture, processors
from ..errors import Error
from .stored import AHEAD, Streamed

MARGIN = 8 / 7  # the shorter side over the central crop: 256 to 224 pixels
CHUNK = 64  # images that one process decodes at a time for an evaluation
TRIES = 10
Box = tuple[int, int, int, int]  # left, upper, right, lower


class Crop(NamedTuple):
    """RandomResizedCrop: the share of the area that is kept, and the width / height of the box."""

    scale: tuple[float, float]
    ratio: tuple[float, float]

    def box(self, width: int, height: int, draw: np.random.Generator) -> Box:
        """The first that fits of ten boxes, uniform in area and in log(width / height); else the largest central one.

        As torchvision draws it.
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

    Read like a tensor they are cropped at the centre; `crops` draws a crop for each view. Processes decode, as many as
    there are processors, or as `KDLAB_WORKERS` says; their number changes no bit.
    """

    def __init__(self, files: Sequence[str] | np.ndarray, size: int, rows: Tensor | None = None) -> None:
        super().__init__(torch.arange(len(files)) if rows is None else rows, (3, size, size))
        # One array: the counts of a million string objects would be written, and so copied, in every process
        self.files = files if isinstance(files, np.ndarray) else np.array([os.fsencode(file) for file in files])

    def only(self, rows: Tensor) -> "Photographs":
        return Photographs(self.files, self.shape[-1], self.rows[rows])

    def read(self, places: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([self.central(self.picture(place)) for place in places.tolist()]))

    def split(self, count: int) -> Iterator[Tensor]:
        return by_processes(_Central(self, self.rows.split(min(count, CHUNK))))

    def crops(
        self, order: Tensor, wanted: Sequence[Crop | None], key: Sequence[int], start: int = 0
    ) -> Iterator[Tensor]:
        """The images (crops, B, 3, size, size) of each batch of `order` (steps, B), rows of this set, from `start` on.

        A crop is drawn for each of `wanted`; None is the central one. What is drawn is a function of `key`, of the
        image, and of how often it came before in `order`.
        """
        return by_processes(_Drawn(self, self.rows[order], turns(order), wanted, key, start))

    def picture(self, place: int) -> Image.Image:
        """An image as it is in its file."""
        return picture(os.fsdecode(self.files[place])).convert("RGB")

    def central(self, image: Image.Image) -> np.ndarray:
        """(3, size, size): the shorter side is brought to 8/7 of `size`, the middle is taken, as torchvision does."""
        size, shorter = self.shape[-1], round(MARGIN * self.shape[-1])
        width, height = (int(shorter * length / min(image.size)) for length in image.size)
        left, top = (round((length - size) / 2) for length in (width, height))
        return _pixels(_resized(image, width, height).crop((left, top, left + size, top + size)))

    def drawn(self, place: int, wanted: Sequence[Crop | None], draw: np.random.Generator) -> np.ndarray:
        """(crops, 3, size, size) of one image, which is decoded once."""
        image, size = self.picture(place), self.shape[-1]
        return np.stack([
            _pixels(_resized(image.crop(crop.box(*image.size, draw)), size, size)) if crop else self.central(image)
            for crop in wanted
        ])  # fmt: skip


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _pixels(image: Image.Image) -> np.ndarray:
    """(3, H, W)."""
    return np.asarray(image).transpose(2, 0, 1)


class _Central(Dataset[np.ndarray | Error]):
    """The chunks of an evaluation."""

    def __init__(self, images: Photographs, chunks: Sequence[Tensor]) -> None:
        self.images, self.chunks = images, chunks

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, i: int) -> np.ndarray | Error:
        try:
            return self.images.read(self.chunks[i]).numpy()
        except Error as error:
            return error


class _Drawn(Dataset[np.ndarray | Error]):
    """The batches of an epoch."""

    def __init__(
        self, images: Photographs, places: Tensor, turn: Tensor, wanted: Sequence[Crop | None], key: Sequence[int],
        start: int,
    ) -> None:  # fmt: skip
        self.images, self.places, self.turn = images, places[start:], turn[start:]
        self.wanted, self.key = wanted, list(key)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, i: int) -> np.ndarray | Error:
        try:
            return np.stack([
                self.images.drawn(place, self.wanted, np.random.default_rng([*self.key, place, again]))
                for place, again in zip(self.places[i].tolist(), self.turn[i].tolist(), strict=True)
            ], axis=1)  # fmt: skip
        except Error as error:
            return error


def by_processes(batches: Dataset[np.ndarray | Error]) -> Iterator[Tensor]:
    """What `batches` holds, in order, made by other processes; an `Error` of theirs is raised here.

    The arrays come through pipes: of shared memory a container often has less than one batch.
    """
    loader = DataLoader(
        batches, batch_size=None, num_workers=workers(), prefetch_factor=AHEAD if workers() else None,
        collate_fn=_as_they_are, generator=torch.Generator(),  # its own: it draws from it, and no run may feel that
    )  # fmt: skip
    for found in loader:
        if isinstance(found, Error):
            raise found
        yield torch.from_numpy(found)


def _as_they_are(found: Any) -> Any:
    return found


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
