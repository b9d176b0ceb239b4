"""Forecast: which runs of some Configs are stored, and how long the others take."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ..core.places import runs_root
from ..core.progress import progress
from ..experiment.config import Config
from ..experiment.setup import assemble, chain_images
from .reading import ITSELF, Stored, read_runs
from .store import RunFolder

KIND = ("method", "model", "width", "dataset", "size", "batch")  # runs of one kind take as long for an image
ONCE_SECONDS = 3.0  # at most, until a run trains and after it has, on two cores of 2020
WORKER_SECONDS = 6.0  # until worker processes are there and train, on two cores of 2020


class Forecast(NamedTuple):
    """Whether a run is stored, else the seconds that it trains if these are known."""

    stored: bool
    seconds: float | None


def forecast(configs: Sequence[Config]) -> dict[Config, Forecast]:
    """Return what is to be expected of each run and of what it stands on.

    Seconds are those of stored runs of the same kind (see `Pace`); where training stops early they are fewer.
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
            runs[folder.config] = Forecast(
                stored, None if stored or pace is None else pace.once + pace.image * images[first]
            )
    return runs


class Pace(NamedTuple):
    """Seconds of a run whatever its length, and further ones for an image."""

    once: float
    image: float


def _paces() -> dict[tuple, Pace]:
    """Return the pace of each kind of stored run.

    What a run takes beside its training, to be put together and written, is that of the quickest one, and little; all
    other seconds by the clock, those of validations too, are divided by all images: the longer a run, the more it says.
    """
    runs: dict[tuple, list[tuple[float, float, int]]] = {}
    for run in read_runs(runs_root()):
        if images := run.result.get("images_seen"):
            runs.setdefault(_kind(run.config), []).append((_by_the_clock(run), run.result["seconds"], images))
    paces = {}
    for kind, each in runs.items():
        once = min(ONCE_SECONDS, *(clock - trained for clock, trained, _ in each))
        paces[kind] = Pace(once, sum(clock - once for clock, _, _ in each) / sum(images for *_, images in each))
    return paces


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
