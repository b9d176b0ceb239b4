"""Forecast: which runs of some Configs are stored, and how long the others take."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, NamedTuple

from ..core.places import runs_root
from ..experiment.config import Config
from ..experiment.setup import assemble, chain_images
from .reading import read_runs
from .store import RunFolder

KIND = ("method", "model", "width", "dataset", "size", "batch")  # runs of one kind take as long for an image


class Forecast(NamedTuple):
    """Whether a run is stored, else the seconds that it trains if these are known."""

    stored: bool
    seconds: float | None


def forecast(configs: Iterable[Config]) -> dict[Config, Forecast]:
    """Return what is to be expected of each run and of what it stands on.

    Seconds are those of stored runs of the same kind, for as many images; where training stops early they are fewer.
    What cannot be put together is an `Error`, as in `run`.
    """
    paces = _paces()
    runs, images = dict[Config, Forecast](), dict[Config, int]()  # images that a run with seed 0 trains on
    for config in configs:
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
            paces.setdefault(_kind(run.config), []).append(run.result["seconds"] / images)
    return {kind: median(each) for kind, each in paces.items()}


def _kind(config: Mapping[str, Any]) -> tuple:
    """Return what decides how long an image takes, the teacher's network too."""
    teacher = config.get("teacher") or {}
    return (*(config.get(name) for name in KIND), teacher.get("model"), teacher.get("width"))
