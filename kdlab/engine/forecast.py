"""Forecast: which runs of some Configs are stored, and how long the others take."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import Any, NamedTuple

from ..core.places import runs_root
from ..core.progress import progress
from ..experiment.config import Config
from ..experiment.setup import assemble, chain_images
from .reading import ITSELF, Stored, read_runs
from .store import RunFolder

KIND = ("method", "model", "width", "dataset", "size", "batch")  # runs of one kind take as long for an image
WORKER_SECONDS = 6.0  # until worker processes are there and train, on two cores of 2020


class Forecast(NamedTuple):
    """Whether a run is stored, else the seconds that it trains if these are known."""

    stored: bool
    seconds: float | None


def forecast(configs: Sequence[Config]) -> dict[Config, Forecast]:
    """Return what is to be expected of each run and of what it stands on.

    Seconds are those of stored runs of the same kind by the clock, validations and all, for as many images; where
    training stops early they are fewer.
    What cannot be put together is an `Error`, as in `run`.
    """
    paces = _paces()
    runs, images = dict[Config, Forecast](), dict[Config, int]()  # images that a run with seed 0 trains on
    for config in progress(configs, "experiments checked"):
        for folder in RunFolder(config, chain_images(config)).chain():
            if folder.config in runs:
                continue
            stored, first = folder.result() is not None, folder.config.seeded(0)
            if not stored and first not in images:
                batches = assemble(first).batches
                images[first] = first.epochs * batches.steps * batches.images_per_step
            pace = paces.get(_kind(folder.config.model_dump()))
            runs[folder.config] = Forecast(stored, None if stored or pace is None else pace * images[first])
    return runs


def _paces() -> dict[tuple, float]:
    """Return the median seconds for an image of each kind of stored run."""
    paces: dict[tuple, list[float]] = {}
    for run in read_runs(runs_root()):
        if images := run.result.get("images_seen"):
            paces.setdefault(_kind(run.config), []).append(_by_the_clock(run) / images)
    return {kind: median(each) for kind, each in paces.items()}


def _by_the_clock(run: Stored) -> float:
    """Return the seconds from the first to the last file of a run, or of its training.

    The larger counts: a copied folder has the times of the copy, a run that went on those of its last part.
    """
    with suppress(OSError):  # it was removed a moment ago
        began, ended = ((run.folder / name).stat().st_mtime for name in ("config.json", ITSELF))
        return max(run.result["seconds"], ended - began)
    return run.result["seconds"]


def _kind(config: Mapping[str, Any]) -> tuple:
    """Return what decides how long an image takes, the teacher's network too."""
    teacher = config.get("teacher") or {}
    return (*(config.get(name) for name in KIND), teacher.get("model"), teacher.get("width"))
