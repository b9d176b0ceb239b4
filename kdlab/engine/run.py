"""`run(config) -> Result`: train what a Config describes, once; whatever it stands on is run first."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tqdm.auto import tqdm

from ..core.errors import Error, machine_errors
from ..core.places import bars, runs_root
from ..data import Images
from ..experiment.assemble import assemble, build_method, chain_images, own_generators, stage_of
from ..experiment.config import Config
from ..experiment.device import check_precision, environment
from ..experiment.setup import Setup
from ..metrics import check_monitor, cost, diagnose, due, evaluate
from .identity import changed_rooms, edited_files, metric_code
from .reading import MissingError
from .recent import Recent
from .result import Result, trusted
from .store import RunFolder
from .tracking import track, tracked
from .train import fit

FEW_STEPS = 100  # below that hardly any network leaves chance


def run(config: Config, *, fresh: bool = False) -> Result:
    """Run an experiment and return its `Result`.

    Finished before: the stored result comes back at once. Half done: it goes on from the last checkpoint and ends
    bit-identical to an uninterrupted run. New: its `teacher` and `init` are run first, then it trains. Two processes
    that want the same run train it once: the other one says that it waits. Config, data and networks that do not fit
    together are refused before anything trains, and nothing is written.

    A run of an edited method or loss is a new run. A stored result of other networks, or of another loop, than today's
    comes back with a warning; `fresh` removes what is stored of this run and of what it stands on, and trains anew.
    What the machine refuses, room on a disk, a permission, memory, is an `Error` too; what is stored stays.
    """
    with machine_errors(runs_root()):
        images = chain_images(config)
        if not fresh and (found := _stored(config, images)):
            return found
        setup = assemble(config, images)
        _check_runs(setup, images, fresh)
        for stage in config.chain() if fresh else ():
            folder = RunFolder(stage, images)
            with folder.locked():
                folder.clear()
        return _complete(setup, images)


def run_seeds(config: Config, seeds: Iterable[int]) -> list[Result]:
    """`run` for each seed; the seed replaces that of the teacher and the initial run as well."""
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise Error(f"seeds={seeds!r}: give several, such as [0, 1, 2] or range(20)")
    return [run(config.seeded(seed)) for seed in seeds]


def _check_runs(setup: Setup, images: Images, fresh: bool) -> None:
    """Refuse a precision or a monitor that is not there before anything of a chain trains; stored runs need none."""
    if not fresh and RunFolder(setup.config, images).result() is not None:
        return
    check_precision(setup.config, setup.device)
    check_monitor(setup)
    for stage in setup.stages.values():
        _check_runs(stage, images, fresh)


def on_trained_stages(setup: Setup, images: Images) -> Setup:
    """A run that was put together, on the trained networks of its stages, which are run first."""
    for stage in setup.stages.values():
        _load_trained(stage, images)
    trained = {role: stage_of(stage) for role, stage in setup.stages.items()}
    return replace(setup, method=build_method(setup.config, setup.images, setup.data.y, trained, setup.device))


def _load_trained(setup: Setup, images: Images) -> None:
    """Run a stage unless it is done, and put its weights into it; nobody is kept from training it anew meanwhile."""
    folder = RunFolder(setup.config, images)
    for last in (False, False, True):
        _complete(setup, images)
        try:
            folder.load_weights(*stage_of(setup))
            break
        except MissingError:  # another process has just removed them, and trains this run again
            if last:
                raise


def _complete(setup: Setup, images: Images) -> Result:
    """Run what is put together, its stages first."""
    if found := _stored(setup.config, images):
        return found
    setup = on_trained_stages(setup, images)
    folder = RunFolder(setup.config, images)
    with folder.locked():
        if found := _stored(setup.config, images):  # another process was faster
            return found
        try:
            with machine_errors(folder.path), own_generators():
                metrics = _train(setup, folder)
        except BaseException:
            folder.leave_nothing()  # where it was refused before it trained
            raise
    return Result(setup.config, folder.path, images, metrics)


def _stored(config: Config, images: Images) -> Result | None:
    """The finished run, or None."""
    folder = RunFolder(config, images)
    metrics = folder.result()
    if metrics is None:
        return None
    folder.tidy()
    if rooms := changed_rooms(metrics):
        # names no single run, so that Python tells it once for all seeds of a study
        told = f"a stored {config.method} was trained by other code: {', '.join(rooms)}"
        warnings.warn(f"{told}; fresh=True (kdlab run --fresh) trains it anew", stacklevel=3)
    return Result(config, folder.path, images, trusted(metrics))


def _train(setup: Setup, folder: RunFolder) -> dict[str, Any]:
    config, batches, method = setup.config, setup.batches, setup.method
    folder.open()
    if files := edited_files():
        told = f"{', '.join(files)} was edited after it was loaded: the older code trains, until Python starts anew"
        warnings.warn(told, stacklevel=4)
    if config.steps is None and 0 < config.epochs * batches.steps < FEW_STEPS:
        told = f"{config.epochs * batches.steps} steps in all are few to learn from: give steps=10 or more epochs"
        warnings.warn(told, stacklevel=4)
    name = f"{config.method} {config.model} seed {config.seed}"
    with tqdm(total=config.epochs * batches.steps, desc=name, unit="step", leave=False, disable=bars()) as bar:
        recent = Recent(folder, setup)
        recent(0, setup)
        trained = fit(setup, folder, [diagnose, *([track] if config.track_test else []), recent], bar)
    columns: dict[str, float] = {}
    for part in ("val", "test"):
        columns |= evaluate(setup, part, due(setup, "validation", "end"))
    return folder.finish(
        method,
        {
            **columns,
            **diagnose(trained["epochs"], setup),
            **tracked(folder.lines),
            **cost.report(method.model, setup.data.x.shape[1:]),
            "trained_parameters": sum(p.numel() for p in method.parameters() if p.requires_grad),
            "labels": len(setup.data.labelled),
            "images_seen": trained["epochs"] * batches.steps * batches.images_per_step,
            **trained,
            "environment": environment(setup.device),
            "code": {"far": folder.far, "metrics": metric_code()},
        },
    )
