"""Data sets, by name, as uint8 tensors; label budgets; label noise; batches."""

from collections.abc import Callable
from functools import lru_cache

from ..errors import Error, known
from .batches import DRAWS, Batch, Batches, Normalise
from .folder import folder
from .images import ImageSet
from .noise import NOISES
from .sources import cifar10, cifar100, data_root, digits, mnist, stl10
from .splits import Split, split
from .tiny import tiny_imagenet

DATASETS: dict[str, Callable[..., ImageSet]] = {
    "digits": digits,
    "mnist": mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "stl10": stl10,  # also "stl10:train+unlabeled"
    "tiny-imagenet": tiny_imagenet,
    "folder": folder,  # "folder:PATH"
}


def check_name(name: str) -> tuple[str, str]:
    """The key of DATASETS and what follows the colon in a data set's `name`, or an `Error`. Nothing is read."""
    key, colon, suffix = name.partition(":")
    known("data set", key, DATASETS)
    if key == "folder" and not suffix:
        raise Error("dataset='folder' needs a path: folder:PATH, with PATH/train/ and PATH/test/ or PATH/val/")
    if key == "stl10" and colon and suffix != "train+unlabeled":
        raise Error(f"unknown part of STL-10 in {name!r}: choose stl10 or stl10:train+unlabeled")
    if colon and key not in ("folder", "stl10"):
        raise Error(f"dataset={name!r}: nothing may follow {key}, choose {key}")
    return key, suffix


def origin(name: str) -> str:
    """What two data sets share if one seed splits the labelled images of both alike."""
    key = check_name(name)[0]
    return name if key == "folder" else key


@lru_cache(maxsize=4)
def load(name: str, size: int | None = None) -> ImageSet:
    """The data set `name`, its images brought to `size` x `size` pixels if that is given. The last four are kept."""
    key, suffix = check_name(name)
    arguments = {"folder": (suffix, size), "stl10": (suffix,), "tiny-imagenet": (size,)}.get(key, ())
    return DATASETS[key](*arguments).resized(size)


__all__ = [
    "DATASETS", "DRAWS", "NOISES", "Batch", "Batches", "ImageSet", "Normalise", "Split", "check_name", "data_root",
    "load", "origin", "split",
]  # fmt: skip
