"""Many runs as one graph: a node is a run, edges are its teacher and initial run.

A stage that several runs stand on is trained once. What is stored is no node; everything goes on after a stop.
"""

import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

import torch
from tqdm.auto import tqdm

from ..core.errors import Error, machine_errors
from ..core.places import bars, processors, runs_root
from ..core.progress import QUIET_SECONDS, progress
from ..core.settings import typed
from ..experiment.config import Config
from ..experiment.device import one_thread
from ..experiment.setup import chain_images
from .cluster import Cluster, Here, Local, modules_of
from .lock import check_holds
from .reading import read_log
from .result import Result
from .run import checked, run, stored
from .store import RunFolder
from .tracking import Tracker

SILENT_SECONDS = 60.0  # between two lines about progress, where nothing has changed
BAR = "{l_bar}{bar}| {n_fmt} of {total_fmt} ended{postfix}, time: {elapsed}, left: {remaining}"
DISK_SECONDS = 70.0  # until every network disk shows a new file: NFS looks into a folder once a minute


class Failed(NamedTuple):
    """A run that failed: why, in a sentence, and the command that repeats it."""

    config: Config
    message: str
    command: str

    def __str__(self) -> str:
        return f"{label(self.config)} failed: {self.message}; again: {self.command}"


Outcome = Result | Failed


def run_all(
    configs: Sequence[Config],
    *,
    workers: int | None = None,
    scheduler: str = "",
    each: Callable[[int, Outcome], None] | None = None,
    hooks: Sequence[Callable[[Config, dict[str, Any]], object]] = (),
    track: str | None = None,
    group: str = "",
) -> list[Outcome]:
    """Run experiments and what they stand on, each once; return outcomes in order.

    Stored ones come back at once. The others train on one thread each, in `workers` processes of their own: by default
    one a processor, or one a GPU; with 1, or where a single run is left, in this process. `scheduler` is the address
    ("tcp://...") or the file of a dask scheduler whose workers are taken instead. A run that fails never stops the
    others: its outcome is `Failed`, and so is that of each run that stands on it. `each` gets index and outcome, in the
    order of `configs`, as soon as the outcomes up to that one are there. A worker that dies is replaced, and its run
    goes on from the checkpoint. With an interrupt, or when the scheduler is gone, this ends at once.

    Each of `hooks` is called in this process with the Config of a run that is there and each line of its log, run by
    run as `each` is. `track` names a tracker that mirrors the logs while runs train, of stored ones at once: there each
    run, and each stage that trains, is one of `group`. One that is not installed is an `Error` before anything starts.
    """
    if track is not None:
        Tracker(track)
    if workers is not None and workers < 1:
        raise Error(f"workers={workers}: give the number of processes, 1 or more")
    with machine_errors(runs_root()), one_thread():
        graph = Graph(configs)
        for config in graph.stored() if track is not None else ():
            run(config, track=track, group=group)

        def handed(index: int, outcome: Outcome) -> None:
            if hooks and isinstance(outcome, Result):
                for line in read_log(outcome.folder):
                    for hook in hooks:
                        hook(outcome.config, dict(line))
            if each:
                each(index, outcome)

        deliver = graph.delivery(handed)
        deliver()
        if graph.waiting:
            if not scheduler:
                check_holds(runs_root())  # once, and not for every run
            with _trainer(graph, workers, scheduler, track, group) as trainer, _screen(graph, trainer) as show:
                while graph.waiting or graph.running:
                    for folder in graph.begin(trainer.free()):
                        trainer.start(folder)
                    show()
                    for hash_, message in trainer.ended():
                        graph.settle(hash_, message)
                        deliver()
                show(last=True)
    return [graph.ends[hash_] for hash_ in graph.hashes]


class RunsError(Error):
    """Runs that failed while the others went on."""

    def __init__(self, failed: Sequence[Failed], count: int) -> None:
        self.failed = failed
        beginning = f"{len(failed)} of {count} runs failed, the others are stored: " if count > 1 else ""
        super().__init__(beginning + " | ".join(map(str, failed)))


def results_of(outcomes: Sequence[Outcome]) -> list[Result]:
    """Return the results, or raise `RunsError`."""
    if failed := list(dict.fromkeys(each for each in outcomes if isinstance(each, Failed))):
        raise RunsError(failed, len(outcomes))
    return [each for each in outcomes if isinstance(each, Result)]


def label(config: Config) -> str:
    """Return a run's name in a sentence."""
    return f"{config.method} {config.model} seed {config.seed}"


def command(config: Config) -> str:
    """Return the command that runs an experiment."""
    return shlex.join(["kdlab", "run", *typed(_fields(config))])


def _fields(config: Config) -> dict[str, Any]:
    changed = config.model_dump(mode="json", exclude_defaults=True, exclude={"teacher", "init"})
    return {"method": config.method, **changed, **{role: _fields(stage) for role, stage in config.nested.items()}}


class Graph:
    """Runs by hash: `waiting`, `running`, and the `ends` of others.

    `failed` of them failed; `hashes` are those of the Configs, in order.
    """

    def __init__(self, configs: Sequence[Config]) -> None:
        self.hashes: list[str] = []
        self.waiting: dict[str, RunFolder] = {}  # each after what it stands on
        self.running: dict[str, RunFolder] = {}
        self.ends: dict[str, Outcome] = {}
        self.failed = 0
        self._places = count()
        self._order: dict[str, int] = {}  # in which waiting runs begin
        self._missing: dict[str, set[str]] = {}  # stages of a run that waits which are not there yet
        self._above: defaultdict[str, list[RunFolder]] = defaultdict(list)  # runs that stand on a stage
        self._ready: list[tuple[int, str]] = []  # a heap: waiting runs whose stages are all there
        refusals: dict[Config, str] = {}  # of a run with seed 0: its other seeds need no check
        for i, config in enumerate(progress(configs, "experiments checked")):
            self.hashes.append(f"refused {i}")
            try:
                folder = RunFolder(config, chain_images(config))
                if (result := stored(folder)) is None:
                    if (same := config.seeded(0)) not in refusals:
                        refusals[same] = _refusal(folder)
                    if refusals[same]:
                        raise Error(refusals[same])
            except Error as error:
                self._note(self.hashes[-1], Failed(config, str(error), command(config)))
                continue
            self.hashes[-1] = folder.hash
            if result:
                self._note(folder.hash, result)
                continue
            for stage in reversed(list(folder.chain())):
                if stage.hash not in self.waiting and stage.result() is None:
                    self._wait(stage)

    def stored(self) -> list[Config]:
        """Return the runs that were stored before this sweep, each once."""
        ends = {hash_: self.ends[hash_] for hash_ in self.hashes if hash_ in self.ends}
        return [end.config for end in ends.values() if isinstance(end, Result)]

    def _wait(self, folder: RunFolder) -> None:
        """Let a run wait for those of its stages that are not there yet."""
        self.waiting[folder.hash] = folder
        self._order[folder.hash] = next(self._places)
        self._missing[folder.hash] = {stage.hash for stage in folder.stages.values()} & self.waiting.keys()
        for stage in self._missing[folder.hash]:
            self._above[stage].append(folder)
        self._free(folder)

    def _free(self, folder: RunFolder) -> None:
        if not self._missing[folder.hash]:
            heappush(self._ready, (self._order[folder.hash], folder.hash))

    def begin(self, most: int) -> Iterator[RunFolder]:
        """Yield up to `most` waiting runs whose stages are all there, in order; they run."""
        for _ in range(min(most, len(self._ready))):
            _, hash_ = heappop(self._ready)
            self.running[hash_] = self.waiting.pop(hash_)
            yield self.running[hash_]

    def has_ready(self) -> bool:
        """Return whether a waiting run could begin."""
        return bool(self._ready)

    def settle(self, hash_: str, message: str | None) -> None:
        """Note how a run ended: `message` says why it failed; empty, it is stored.

        None puts it back. On a network disk it takes a while until this machine sees what another one has written.
        """
        folder, result = self.running.pop(hash_), None
        if message is None:
            self.waiting[hash_], self._order[hash_] = folder, next(self._places)  # others come first
            self._free(folder)
            return
        if not message:
            message, latest = "it was trained, and its result is not there", time.monotonic() + DISK_SECONDS
            try:
                while (result := stored(folder)) is None and time.monotonic() < latest:
                    time.sleep(1)
            except Error as error:
                message = str(error)
        self._end(folder, result or Failed(folder.config, message, command(folder.config)))

    def _note(self, hash_: str, outcome: Outcome) -> None:
        self.ends[hash_] = outcome
        self.failed += isinstance(outcome, Failed)

    def _end(self, folder: RunFolder, outcome: Outcome) -> None:
        """Note the outcome of a run, and of those above it that fail with it."""
        self._note(folder.hash, outcome)
        for above in self._above.pop(folder.hash, ()):
            if above.hash not in self.waiting:
                continue
            if not isinstance(outcome, Failed):
                self._missing[above.hash].discard(folder.hash)
                self._free(above)
                continue
            del self.waiting[above.hash]
            role, stage = next((role, each) for role, each in above.stages.items() if each.hash == folder.hash)
            why = f"its {role} run ({label(stage.config)}) failed: {outcome.message}"
            self._end(above, Failed(above.config, why, command(above.config)))

    def delivery(self, each: Callable[[int, Outcome], None]) -> Callable[[], None]:
        """Return a function that hands over the outcomes that are due, in order."""
        due = iter(range(len(self.hashes)))
        following = next(due, None)

        def deliver() -> None:
            nonlocal following
            while following is not None and self.hashes[following] in self.ends:
                index, following = following, next(due, None)
                each(index, self.ends[self.hashes[index]])

        return deliver


def _refusal(folder: RunFolder) -> str:
    """Return why a run cannot work, before anything trains; else an empty text."""
    try:
        checked(folder)
    except Error as error:
        return str(error)
    return ""


def _trainer(
    graph: Graph, workers: int | None, scheduler: str, track: str | None, group: str
) -> AbstractContextManager[Here | Cluster]:
    """Choose where the runs of a graph train."""
    configs = [folder.config for folder in graph.waiting.values()]
    gpus = torch.cuda.device_count() if any(config.device != "cpu" for config in configs) else 0
    wanted = graph.waiting.keys() & set(graph.hashes)
    processes = min(workers or gpus or processors(), len(configs))
    if not scheduler and (processes == 1 or len(wanted) == 1):
        return Here(graph.has_ready, track, group)
    modules = modules_of(configs)
    if scheduler:
        return Cluster(scheduler, modules, track, group)
    return Local(processes, gpus, modules, track, group)


@contextmanager
def _screen(graph: Graph, trainer: Here | Cluster) -> Iterator[Callable[..., None]]:
    """Show how many runs are done, running and failed, and the time that is left.

    A bar moves on a terminal and in a notebook; a file gets lines.
    """
    total, before, began = len(graph.waiting), len(graph.ends), time.monotonic()
    latest, known = began, ("", -1)
    quiet = bars() if total > 1 else True
    with tqdm(total=total, desc="runs", disable=quiet, smoothing=0, bar_format=BAR) as bar:

        def say(text: str) -> None:
            if bars() is None and total > 1:
                bar.write(f"kdlab: {text}", file=sys.stderr)

        def show(last: bool = False) -> None:
            nonlocal latest, known
            ended, passed = len(graph.ends) - before, time.monotonic() - began
            state = f"{len(graph.running)} running, {graph.failed} failed"
            bar.set_postfix_str(state, refresh=False)
            bar.update(ended - bar.n)
            bar.refresh()
            pause = QUIET_SECONDS if (state, ended) != known else SILENT_SECONDS
            if bar.disable and (began + passed - latest > pause or (last and latest > began)):
                latest, known = began + passed, (state, ended)
                left = tqdm.format_interval((total - ended) * passed / ended) if ended else "unknown"
                say(f"{ended} of {total} runs ended, {state}, time: {tqdm.format_interval(passed)}, left: {left}")

        stored = sum(isinstance(graph.ends.get(hash_), Result) for hash_ in set(graph.hashes))
        say(f"runs that are stored: {stored}; to train: {total}, by {trainer}")
        yield show
