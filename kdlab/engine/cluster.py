"""Where the runs of a sweep train: here, in processes of their own, on a cluster."""

import json
import logging
import os
import queue
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psutil

from ..core.errors import Error
from ..core.places import runs_root
from ..core.schedules import SCHEDULES
from ..data import DATASETS
from ..experiment.config import Config
from ..experiment.optimizers import OPTIMIZERS
from ..methods import METHODS
from ..metrics import DIAGNOSTICS, METRICS
from ..models import MODELS
from . import worker
from .forkserver import FORKS
from .lock import RunLock
from .run import run
from .store import CHECKPOINTS, RunFolder

DEATHS = 30  # of workers in a row, before one is there or between two checkpoints of a run
FILE_SECONDS = 60.0  # a scheduler of the same job takes to write its file, and network disks to show it
ANSWER_SECONDS = 10.0  # a scheduler takes to answer
PAUSE = 0.5  # between two looks at a file
Ending = tuple[str, str | None]  # the hash of a run, and why it failed: "" not at all, None: another process trains it


class Here:
    """This process, which trains one run at a time.

    `has_others` says whether a run could begin meanwhile.
    """

    def __init__(self, has_others: Callable[[], bool], track: str | None, group: str) -> None:
        self.has_others, self.track, self.group = has_others, track, group

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __str__(self) -> str:
        return "this process"

    def free(self) -> int:
        """Return how many runs can be started."""
        return 1

    def start(self, folder: RunFolder) -> None:
        """Take a run."""
        self.folder = folder

    def ended(self) -> list[Ending]:
        """Train the run; return how it ended.

        One that another process trains is put back, as long as there are others.
        """
        if self.has_others() and self.folder.lock.owner():
            time.sleep(1)
            return [(self.folder.hash, None)]
        try:
            run(self.folder.config, track=self.track, group=self.group)
        except Error as error:
            return [(self.folder.hash, str(error))]
        return [(self.folder.hash, "")]


def address_of(scheduler: str) -> str:
    """Return the address of a dask scheduler.

    It may be given as the file that a scheduler writes. A file that is not there yet, or not whole, is waited for:
    FILE_SECONDS long. What names no scheduler is an `Error`.
    """
    if "://" in scheduler:
        return scheduler
    file, began, waits = Path(scheduler), time.monotonic(), False
    while True:
        try:
            about = json.loads(file.read_bytes())
        except FileNotFoundError:
            wrong = f"there is no scheduler file {file}: dask scheduler --scheduler-file {file} writes it"
        except (ValueError, RecursionError):
            wrong = f"{file} is no scheduler file: dask scheduler --scheduler-file {file} writes one"
        except OSError as error:
            raise Error(f"{file} cannot be read: {error.strerror or error}") from None
        else:
            address = about.get("address") if isinstance(about, dict) else None
            if isinstance(address, str) and "://" in address:
                return address
            raise Error(f"{file} names no dask scheduler: dask scheduler --scheduler-file {file} writes such a file")
        if not file.parent.is_dir() or time.monotonic() - began > FILE_SECONDS:
            raise Error(wrong)
        if not waits:
            waits = True
            print(f"kdlab: waits up to {FILE_SECONDS:.0f} s for the scheduler file {file}", file=sys.stderr, flush=True)
        time.sleep(PAUSE)


class Cluster:
    """The workers of a dask scheduler, each of which trains one run at a time."""

    def __init__(self, scheduler: str, modules: Iterable[str], track: str | None, group: str) -> None:
        self.scheduler, self.modules, self.track, self.group = scheduler, list(modules), track, group
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()  # futures that ended
        self.runs: dict[str, tuple[RunFolder, int, Any]] = {}  # by key: folder, when its checkpoint was written, future
        self.starts = Counter[str]()
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def _open(self, stack: ExitStack) -> None:
        from distributed import Client

        logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)  # it has a line for each worker that ends

        class Connected(Client):
            """A client that has reached its scheduler; one that has not leaves nothing open."""

            def start(self, **options: Any) -> Any:
                try:
                    return super().start(**options)
                except BaseException:
                    with suppress(Exception):
                        self.close(1)
                    raise

        try:
            self.client = Connected(address_of(self.scheduler), timeout=ANSWER_SECONDS, set_as_default=False)
        except Error:
            raise
        except Exception as error:  # whatever stands at that address, or is none
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise Error(f"no dask scheduler answers at {self.scheduler} ({why})") from None
        stack.callback(self.client.close, 1)
        lock = RunLock(runs_root() / f"sweep-{os.urandom(6).hex()}")  # what a killed one leaves is removed as such
        stack.enter_context(lock.hold())
        self.token = str(lock.name)

    def __str__(self) -> str:
        return f"the workers of {self.scheduler}"

    def free(self) -> int:
        """Return how many runs can be started: one a worker that has none."""
        return len(self._call(self.client.nthreads)) - len(self.runs)

    def start(self, folder: RunFolder) -> None:
        """Hand a run to a worker; each time under another key, as dask keeps the first."""
        key = f"kdlab-{folder.hash}-{self.starts[folder.hash]}"
        self.starts[folder.hash] += 1
        task = (folder.config.model_dump_json(), folder.hash, self.token, self.modules, self.track, self.group)
        future = self._call(self.client.submit, worker.train, *task, key=key)
        self.runs[future.key] = folder, _written(folder), future
        future.add_done_callback(self.messages.put)

    def ended(self) -> list[Ending]:
        """Wait a second for a run to end; return how it did."""
        try:
            future = self.messages.get(timeout=1)
        except queue.Empty:
            return []
        folder, written, _ = self.runs.pop(future.key)
        error = self._call(future.exception)
        if error is None:
            message, notes = self._call(future.result)
            for note in notes:
                warnings.warn(note, stacklevel=3)
            return [(folder.hash, message)]
        if type(error).__name__ != "KilledWorker":
            return [(folder.hash, f"{type(error).__name__}: {error}")]
        if _written(folder) != written:
            self.start(folder)
            return []
        return [
            (
                folder.hash,
                "its workers were killed one after another before it wrote a checkpoint, most likely as memory ran out",
            )
        ]

    def _call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the client; an `Error` where the scheduler is gone."""
        try:
            if self.client.status == "running":
                return method(*args, **kwargs)
        except (CancelledError, OSError):
            pass
        raise Error(f"the scheduler at {self.scheduler} is gone: what was trained is kept, and the same call goes on")


class Local(Cluster):
    """Workers on this machine, and their scheduler in this process."""

    def __init__(self, count: int, gpus: int, modules: Iterable[str], track: str | None, group: str) -> None:
        super().__init__("", modules, track, group)
        self.count, self.gpus = count, gpus
        self.servers: dict[int, subprocess.Popen[str]] = {}  # that start workers: 0 all of them, or each number its own
        self.workers: dict[int, psutil.Process | None] = {}
        self.deaths = 0  # while no worker was there

    def _open(self, stack: ExitStack) -> None:
        from distributed import LocalCluster

        cluster = LocalCluster(
            n_workers=0,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any free port: two sweeps may run
            silence_logs=logging.CRITICAL + 1,
            scheduler_kwargs={"allowed_failures": DEATHS},
        )
        stack.callback(cluster.close, 1)
        self.scheduler = cluster.scheduler_address
        self.files = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kdlab-", ignore_cleanup_errors=True)))
        self.output = self.files / "output.txt"
        super()._open(stack)
        stack.callback(self._end)
        for i in range(self.count):
            self._begin(i)

    def ended(self) -> list[Ending]:
        """Replace workers that died; wait a second for a run to end."""
        for i, process in self.workers.items():
            if _is_gone(process):
                self.deaths += 1
                if self.deaths > DEATHS:
                    lines = self.output.read_text(errors="replace").strip().splitlines()
                    raise Error(f"worker processes end as soon as they start: {(lines or ['they say nothing'])[-1]}")
                self._begin(i)
        if self._call(self.client.nthreads):
            self.deaths = 0
        return super().ended()

    def __str__(self) -> str:
        dashboard = f" (dashboard: {self.client.dashboard_link})" if find_spec("bokeh") else ""
        return f"{self.count} processes{dashboard}"

    def _begin(self, i: int) -> None:
        """Start a worker."""
        variables = {}
        if self.gpus:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(self.gpus)))).split(",")
            variables["CUDA_VISIBLE_DEVICES"] = visible[i % self.gpus]
        number = 0 if FORKS else i
        server = self.servers.get(number)
        if server is None or not FORKS or server.poll() is not None:
            server = self.servers[number] = self._server()
        self.workers[i] = None
        with suppress(OSError, ValueError, psutil.NoSuchProcess):  # it ended
            print(json.dumps(variables), file=server.stdin, flush=True)
            self.workers[i] = psutil.Process(int(server.stdout.readline() if server.stdout else ""))

    def _server(self) -> subprocess.Popen[str]:
        """Start a process that starts workers."""
        variables = {"KDLAB_PROGRESS": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        variables["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = "False"  # it looks at the stack 100 times a second
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "kdlab.engine.forkserver", self.scheduler, str(self.files)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env={**os.environ, **variables},
            )

    def _end(self) -> None:
        """Kill the workers: what they train goes on from its checkpoints."""
        workers = list(filter(None, self.workers.values()))
        for process in workers:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(workers, timeout=5)  # before their parent ends: nobody may take orphans
        for server in self.servers.values():
            server.kill()
            server.wait()


def modules_of(configs: Iterable[Config]) -> list[str]:
    """Return the modules outside the package that runs use, which workers import.

    What a notebook or script defines is an `Error`: workers do not have it.
    """
    runs = {each for config in configs for each in config.chain()}
    tables: list[tuple[dict[str, Any], set[str]]] = [
        (METHODS, {each.method for each in runs}),
        (MODELS, {each.model for each in runs}),
        (OPTIMIZERS, {each.optimizer for each in runs}),
        (SCHEDULES, {each.schedule for each in runs}),
        (DATASETS, {each.dataset.partition(":")[0] for each in runs}),
        (METRICS, set(METRICS)),
        (DIAGNOSTICS, set(DIAGNOSTICS)),
    ]
    modules = {}
    for table, names in tables:
        for name in sorted(names):
            entry = table[name]
            modules[getattr(entry, "measure", entry).__module__] = name
    if name := modules.get("__main__"):
        raise Error(
            f"{name!r} is defined in this notebook or script, which worker processes do not have: run with workers=1, "
            "or put it into a module and import that"
        )
    return [module for module in modules if module.partition(".")[0] != "kdlab"]


def _is_gone(process: psutil.Process | None) -> bool:
    """Return whether a worker has ended, or never began."""
    with suppress(psutil.NoSuchProcess):
        return process is None or not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def _written(folder: RunFolder) -> int:
    """Return when the newest checkpoint of a run was written, in nanoseconds."""
    file = folder.path / CHECKPOINTS[0]
    return file.stat().st_mtime_ns if file.exists() else 0
