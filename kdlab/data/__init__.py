"""Data sets, by name, as uint8 tensors; label budgets; label noise; batches."""

from collections.abc import Callable
from functools import lru_cache

from ..errors import Error, known
from .batches import DRAWS, Batch, Batches, Normalise
from .folder import folder
from .images import ImageSet
from .noise import NOISES
from .sources import data_root, digits, mnist
from .splits import Split, split

# What may stand after a colon: "folder:PATH"
DATASETS: dict[str, Callable[..., ImageSet]] = {"digits": digits, "mnist": mnist, "folder": folder}


def check_name(name: str) -> tuple[str, str]:
    """The key of DATASETS and what follows the colon in a data set's `name`, or an `Error`. Nothing is read."""
    key, colon, suffix = name.partition(":")
    known("data set", key, DATASETS)
    if key == "folder" and not suffix:
        raise Error("dataset='folder' needs a path: folder:PATH, with PATH/train/ and PATH/test/ or PATH/val/")
    if colon and key != "folder":
        raise Error(f"dataset={name!r}: {key} takes nothing after a colon, only folder does (folder:PATH)")
    return key, suffix


def origin(name: str) -> str:
    """What two data sets share if one seed splits the labelled images of both alike."""
    key = check_name(name)[0]
    return name if key == "folder" else key


@lru_cache(maxsize=4)
def load(name: str, size: int | None = None) -> ImageSet:
    """The data set `name`, its images brought to `size` x `size` pixels if that is given. The last four are kept."""
    key, suffix = check_name(name)
    return (folder(suffix, size) if key == "folder" else DATASETS[key]()).resized(size)


__all__ = [
    "DATASETS", "DRAWS", "NOISES", "Batch", "Batches", "ImageSet", "Normalise", "Split", "check_name", "data_root",
    "load", "origin", "split",
]  # fmt: skip
