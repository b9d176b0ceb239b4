"""Train what a Config describes, its stages first."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from tqdm.auto import tqdm

from ..core.errors import Error, machine_errors
from ..core.places import bars, runs_root
from ..experiment.config import Config
from ..experiment.device import check_precision, fitting_threads, machine
from ..experiment.frozen import FrozenTeacher
from ..experiment.setup import Setup, assemble, chain_images, own_generators
from ..metrics import check_monitor, cost, diagnose, due, evaluate
from ..models import evaluating
from .identity import changed_rooms, edited_files, metric_code
from .reading import MissingError, read_log
from .result import Result, trusted
from .store import Hook, RunFolder
from .tracking import mirrored
from .train import fit

FEW_STEPS = 100  # below that hardly any network leaves chance
TRACKED = ("accuracy", "top5")
Seen = TypeVar("Seen")


def run(
    config: Config, *, fresh: bool = False, hooks: Sequence[Hook] = (), track: str | None = None, group: str = ""
) -> Result:
    """Run an experiment and return its `Result`.

    Finished before: the stored result comes back at once. Half done: it goes on from the last checkpoint and ends
    bit-identical to an uninterrupted run. New: its `teacher` and `init` are run first, then it trains. Two processes
    that want the same run train it once: the other one says that it waits. Config, data and networks that do not fit
    together are refused before anything trains, and nothing is written.

    A run of an edited method or loss is a new run; comments, layout and names of local variables do not count. A stored
    result of other networks, or of another loop, than today's comes back with a warning; `fresh` removes what is stored
    of this run and of what it stands on, and trains anew. What the machine refuses, room on a disk, a permission,
    memory, is an `Error` too; what is stored stays.

    Each of `hooks` is called with every line of the run's log, a dict, in order: as it is written, or again where it
    was written before, of a run that goes on or is stored. They change neither the run nor its numbers. What one
    raises stops the training as any error does, and the next call goes on from the last checkpoint.

    `track` names a tracker (a key of TRACKERS) that mirrors the log of this run, and of the stages that train; `group`
    is what they belong to there, a sweep say.
    """
    with machine_errors(runs_root()):
        folder = RunFolder(config, chain_images(config))
        folder.hooks += hooks
        with mirrored(folder, track, group):
            result = None if fresh else stored(folder)
            if result is None:
                setup = checked(folder, fresh)
                for each in folder.chain() if fresh else ():
                    with each.lock.hold():
                        each.clear()
                result = _complete(setup, folder)
            if folder.hooks and not folder.lines:  # it was stored, or another process trained it
                folder.notify(read_log(folder.path))
            return result


def run_seeds(config: Config, seeds: Iterable[int]) -> list[Result]:
    """Call `run` for each seed, which the teacher and the initial run get as well."""
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise Error(f"seeds={seeds!r}: give several, such as [0, 1, 2] or range(20)")
    return [run(config.seeded(seed)) for seed in seeds]


def watch(config: Config, look: Callable[[Setup], Seen]) -> list[Seen]:
    """Train `config`; return `look(setup)` before training and after every epoch.

    A stored run is trained once more, and nothing is written; its teacher and initial run come from `run`. The weights
    after the last epoch are those of `run(config)`, bit by bit, early stopping aside, which is switched off here.
    `look` sees the method in eval mode, without gradients, with the true labels in `setup.data.truth`; of what a method
    keeps between two steps it may count on parameters and buffers.
    """
    views: list[Seen] = []

    def note(epoch: int, setup: Setup) -> dict[str, float]:
        setup.method.zero_grad()
        views.append(look(setup))
        return {}

    whole = config.replace(evaluate_every=max(1, config.epochs), patience=None, select="validation", monitor=None)
    with machine_errors(), own_generators():
        folder = RunFolder(config, chain_images(config))
        setup = assemble(whole, folder.images)
        _check_runs(setup, folder, fresh=False)
        setup = with_trained_stages(setup, folder)
        with fitting_threads(lambda: step_macs(setup)):
            with evaluating(setup.method):
                note(0, setup)
            fit(setup, measures=[note])
    return views


def checked(folder: RunFolder, fresh: bool = False) -> Setup:
    """Assemble a run; refuse it if it or what it stands on cannot work."""
    setup = assemble(folder.config, folder.images)
    _check_runs(setup, folder, fresh)
    return setup


def _check_runs(setup: Setup, folder: RunFolder, fresh: bool) -> None:
    """Refuse a missing precision or monitor before anything of a chain trains.

    Stored runs need neither.
    """
    if not fresh and folder.result() is not None:
        return
    check_precision(setup.config, setup.device)
    check_monitor(setup)
    for role, stage in setup.nested.items():
        _check_runs(stage, folder.stages[role], fresh)


def with_trained_stages(setup: Setup, folder: RunFolder) -> Setup:
    """Rebuild `setup` on its trained stages, training those first if needed."""
    for role, stage in setup.nested.items():
        for last in (False, False, True):
            _complete(stage, folder.stages[role])
            try:
                folder.stages[role].load_weights(*stage.foundation)
                break
            except MissingError:  # another process has just removed them, and trains this run again
                if last:
                    raise
    setup = setup.rebuilt()
    if isinstance(setup.method.teacher, FrozenTeacher):  # all at once, not step by step
        setup.method.teacher.compute_all()
    return setup


def _complete(setup: Setup, folder: RunFolder) -> Result:
    """Return the result of an assembled run, trained after its stages unless stored."""
    if result := stored(folder):
        return result
    setup = with_trained_stages(setup, folder)
    with folder.lock.hold():
        if result := stored(folder):  # another process was faster
            return result
        try:
            with machine_errors(folder.path), own_generators(), fitting_threads(lambda: step_macs(setup)):
                metrics = _train(setup, folder)
        except BaseException:
            folder.leave_nothing()  # where it was refused before it trained
            raise
    return Result(setup.config, folder.path, folder.images, metrics)


def stored(folder: RunFolder) -> Result | None:
    """Return the stored result of a run, or None while it is not done."""
    metrics = folder.result()
    if metrics is None:
        return None
    folder.tidy()
    if rooms := changed_rooms(metrics, folder.far):
        # names no single run, so that Python shows it once for all seeds of a study
        message = f"a stored {folder.config.method} was trained by other code: {', '.join(rooms)}"
        warnings.warn(f"{message}; fresh=True (kdlab run --fresh) trains it anew", stacklevel=3)
    return Result(folder.config, folder.path, folder.images, trusted(metrics))


def step_macs(setup: Setup) -> int:
    """Count the multiply-accumulates of a step's images, of the teacher as well.

    One that answers for images at another size has computed before.
    """
    networks = [setup.method.model]
    if setup.method.teacher is not None and not isinstance(setup.method.teacher, FrozenTeacher):
        networks.append(setup.method.teacher)
    return setup.batches.images_per_step * sum(cost.macs(net, setup.data.x.shape[1:]) for net in networks)


def _train(setup: Setup, folder: RunFolder) -> dict[str, Any]:
    config, batches, method = setup.config, setup.batches, setup.method
    folder.open()
    if files := edited_files():
        message = f"{', '.join(files)} was edited after it was loaded: the older code trains, until Python starts anew"
        warnings.warn(message, stacklevel=4)
    steps = 0 if method.fits_head else config.epochs * batches.steps
    if config.steps is None and 0 < steps < FEW_STEPS:
        message = f"{steps} steps in all are few to learn from: give steps=10 or more epochs"
        warnings.warn(message, stacklevel=4)
    name = f"{config.method} {config.model} seed {config.seed}"
    with tqdm(total=steps, desc=name, unit="step", leave=False, disable=bars()) as bar:
        trained = fit(setup, folder, [diagnose, *([track] if config.track_test else [])], bar)
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
            "images_seen": trained["epochs"] * (steps // max(1, config.epochs)) * batches.images_per_step,
            **trained,
            "environment": machine(setup.device, config.devices),
            "code": {"far": folder.far, "metrics": metric_code()},
        },
    )


def track(epoch: int, setup: Setup) -> dict[str, float]:
    """Measure columns track/accuracy and track/top5 on the test images.

    A measure of `fit` for `Config(track_test=True)`, to compare with papers that report the best epoch; nothing is
    chosen by it. Empty where no classifier is trained.
    """
    if "model" in setup.method.frozen:
        return {}
    return {f"track/{column.partition('/')[2]}": value for column, value in evaluate(setup, "test", TRACKED).items()}


def tracked(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return test accuracy after the last and the best epoch, from the lines of a log.

    Columns are track/NAME/WHICH. WHICH is `last`; `best_val`, the epoch that validation images would have chosen;
    `best_test`, the one that the test images would, which is what many papers report, and too good. The first of equal
    epochs counts, by accuracy for both TRACKED; track/epoch/WHICH says which it is. Without validation images there is
    no `best_val`.
    """
    lines = [line for line in log if "track/accuracy" in line]
    if not lines:
        return {}
    chosen = {"last": lines[-1], "best_test": max(lines, key=lambda line: line["track/accuracy"])}
    if validated := [line for line in lines if "val/accuracy" in line]:
        chosen["best_val"] = max(validated, key=lambda line: line["val/accuracy"])
    return {
        f"track/{name}/{which}": line["epoch" if name == "epoch" else f"track/{name}"]
        for name in (*TRACKED, "epoch")
        for which, line in chosen.items()
    }
