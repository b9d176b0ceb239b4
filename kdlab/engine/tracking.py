"""Mirror logs of runs to W&B, trackio or TensorBoard; log.jsonl stays the truth."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from ..core.errors import Error, lookup
from .store import RunFolder

PROJECT = "kdlab"


class Sink(NamedTuple):
    """A run in a tracker that is open."""

    log: Callable[[dict[str, Any]], object]
    finish: Callable[[], object]


def wandb(folder: RunFolder, group: str) -> Sink:
    """Open the run of W&B that is called as the folder, or make it."""
    name, config = folder.path.name, folder.config.model_dump(mode="json")
    run = import_module("wandb").init(
        project=PROJECT,
        id=name,
        name=name,
        group=group or None,
        config=config,
        resume="allow",
        reinit="create_new",
    )
    first = run.step  # earlier ones it has, and refuses with a warning each

    def log(line: dict[str, Any]) -> None:
        if line["epoch"] >= first:
            run.log(line, step=line["epoch"])

    return Sink(log, run.finish)


def trackio(folder: RunFolder, group: str) -> Sink:
    """Make a run of trackio in place of one that is called as the folder."""
    library, name, config = import_module("trackio"), folder.path.name, folder.config.model_dump(mode="json")
    with suppress(ValueError):  # the project is new
        for run in library.Api().runs(PROJECT):
            if run.name == name:
                run.delete()
    about = {"name": name, "group": group or None, "config": config}
    run = library.init(PROJECT, **about, embed=False, auto_log_cpu=False, auto_log_gpu=False)
    return Sink(lambda line: run.log(line, step=line["epoch"]), library.finish)


def tensorboard(folder: RunFolder, group: str) -> Sink:
    """Write events of TensorBoard into the folder, in place of earlier ones.

    It knows no groups, but folders: those of a sweep lie in one.
    """
    del group
    from torch.utils.tensorboard import SummaryWriter

    for file in folder.path.glob("events.out.tfevents.*"):
        file.unlink()
    writer = SummaryWriter(str(folder.path), flush_secs=5)

    def log(line: dict[str, Any]) -> None:
        for name, value in line.items():
            writer.add_scalar(name, value, line["epoch"])

    return Sink(log, writer.close)


TRACKERS: dict[str, Callable[[RunFolder, str], Sink]] = {
    "wandb": wandb,
    "trackio": trackio,
    "tensorboard": tensorboard,
}


class Tracker:
    """Mirror lines of logs, run by run; the first failure ends it with a warning.

    A run is opened in the tracker with its first line. What the tracker prints goes to stderr.
    """

    def __init__(self, name: str, group: str = "") -> None:
        self.name, self.group, self.open = name, group, lookup("tracker", name, TRACKERS)
        if not getattr(find_spec(name), "origin", None):  # a folder wandb/ of earlier runs is no package
            raise Error(f"tracker {name!r} is not installed: pip install 'kdlab[{name}]'")
        self.folder: RunFolder | None = None
        self.sink: Sink | None = None
        self.failed = False

    def log(self, folder: RunFolder, line: dict[str, Any]) -> None:
        """Mirror a line of a run's log."""
        if not self.failed:
            with self._survived():
                if folder is not self.folder:
                    self._close()
                    self.folder, self.sink = folder, self.open(folder, self.group)
                if self.sink:
                    self.sink.log(line)

    def finish(self) -> None:
        """Close the run that is open in the tracker, if any."""
        with self._survived():
            self._close()

    def _close(self) -> None:
        sink, self.sink = self.sink, None
        if sink:
            sink.finish()

    @contextmanager
    def _survived(self) -> Iterator[None]:
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # whatever a library, its service or a network raises
            self.failed, self.sink = True, None
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            warnings.warn(
                f"tracker {self.name} failed ({why}): the run goes on without it; once it is done, the same call "
                "mirrors its whole log",
                stacklevel=2,
            )


@contextmanager
def mirrored(folder: RunFolder, name: str | None, group: str = "") -> Iterator[None]:
    """Mirror the logs of a run and of its stages to the tracker `name` in this block.

    None: to none. `group` is what they belong to there. Of an unknown tracker, or one that is not installed, it raises
    an `Error`.
    """
    if name is None:
        yield
        return
    tracker = Tracker(name, group)
    for each in folder.chain():
        each.hooks.append(partial(tracker.log, each))
    try:
        yield
    finally:
        tracker.finish()
