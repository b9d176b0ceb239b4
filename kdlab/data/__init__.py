"""Data sets, by name, as uint8 tensors; label budgets; batches."""

from collections.abc import Callable
from functools import lru_cache

from ..errors import known
from .batches import DRAWS, Batch, Batches, Normalise
from .folder import folder
from .images import ImageSet
from .sources import data_root, digits, mnist
from .splits import Split, split

# `folder` is parameterised: "folder:PATH"
DATASETS: dict[str, Callable[..., ImageSet]] = {"digits": digits, "mnist": mnist, "folder": folder}


@lru_cache(maxsize=4)
def load(name: str, size: int | None = None) -> ImageSet:
    """The data set `name`, its images brought to `size` x `size` pixels if that is given. The last four are kept."""
    key, _, path = name.partition(":")
    known("data set", key if path else name, DATASETS)
    return (folder(path, size) if key == "folder" else DATASETS[key]()).resized(size)


__all__ = ["DATASETS", "DRAWS", "Batch", "Batches", "ImageSet", "Normalise", "Split", "data_root", "load", "split"]
