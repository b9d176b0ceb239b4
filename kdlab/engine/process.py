"""A run in a process of its own, which can be paused, continued and stopped."""

import _thread
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
import weakref
from contextlib import suppress
from pathlib import Path

import psutil

from ..core.errors import Error, machine_errors
from ..experiment.config import Config
from ..experiment.device import chosen_threads
from ..experiment.setup import chain_images
from ..methods import METHODS
from .store import RunFolder

OWNER = "KDLAB_OWNER"  # the name by which a process that was started here holds the locks of its runs


class Process:
    """Training of a Config by the command `kdlab run`, which a panel controls.

    The command ends when its parent does, however that ends, and the next one goes on from its checkpoints.
    """

    def __init__(self, config: Config) -> None:
        for stage in config.chain():
            if METHODS[stage.method].__module__ == "__main__":
                raise Error(
                    f"a process of its own does not know {stage.method!r} of this notebook: kdlab.run trains it"
                )
        self.folders = list(RunFolder(config, chain_images(config)).chain())[::-1]  # what is trained first, first
        self.config, self.paused = config, False
        self.name = uuid.uuid4().hex  # as owner of the runs that it trains
        self.child: subprocess.Popen[str] | None = None
        self.files = Path(tempfile.mkdtemp(prefix="kdlab-"))
        weakref.finalize(self, shutil.rmtree, self.files, ignore_errors=True)
        self.output = self.files / "output.txt"

    @property
    def alive(self) -> bool:
        """Whether the command runs, paused or not."""
        return self.child is not None and self.child.poll() is None

    @property
    def elsewhere(self) -> bool:
        """Whether another process trains this run or a stage of it, so that this waits."""
        return any(folder.lock.owner() not in ("", self.name) for folder in self.folders)

    @property
    def failure(self) -> str:
        """The last line that a command printed which failed, else an empty text."""
        if self.child is None or (code := self.child.poll()) in (None, 0, 130):
            return ""
        if code < 0:  # by a signal: it had no time to say anything
            if code == -9:
                ended = "the system ended it (SIGKILL), most likely as memory ran out"
            else:
                ended = f"a signal ended it ({signal.strsignal(-code)})"
            return f"{ended}: start goes on from the last checkpoint"
        lines = self.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return (lines or [f"ended with code {code}"])[-1].removeprefix("kdlab: ")

    def start(self) -> None:
        """Start the command, unless it runs; it trains from the last checkpoint."""
        if self.alive:
            return
        # in a group of its own an interrupt of the kernel does not reach it; in the session of its parent the system
        # ends it with its parent also where it is paused
        apart = {"creationflags": 0x200} if os.name == "nt" else {"process_group": 0}
        variables = {"KDLAB_PROGRESS": "0", OWNER: self.name, "PYTHONIOENCODING": "utf-8"}
        if threads := chosen_threads():  # other threads, other rounding
            variables["OMP_NUM_THREADS"] = str(threads)
        config = self.files / "config.json"
        with machine_errors():
            config.write_text(self.config.model_dump_json(), encoding="utf-8")
            with self.output.open("w") as output:
                self.child = subprocess.Popen(
                    [sys.executable, "-m", "kdlab", "run", "--file", str(config)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    text=True,
                    env={**os.environ, **variables},
                    **apart,
                )
        self.paused = False

    def pause(self) -> None:
        """Suspend the command, with everything in memory."""
        if self.alive and self.child is not None:
            with suppress(psutil.NoSuchProcess):  # it ended a moment ago
                psutil.Process(self.child.pid).suspend()
                self.paused = True

    def go_on(self) -> None:
        """Resume the command after a pause."""
        if self.paused and self.child is not None:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(self.child.pid).resume()
        self.paused = False

    def stop(self) -> None:
        """End the command; what is lost is at most what a kill loses.

        One that does not train yet has nothing to lose, and is killed.
        """
        self.go_on()
        if not self.alive or self.child is None:
            return
        if any(folder.lock.owner() == self.name for folder in self.folders) and self.child.stdin is not None:
            with suppress(OSError, subprocess.TimeoutExpired):
                self.child.stdin.close()  # at which `end_with_parent` interrupts it
                self.child.wait(10)
                return
        self.child.kill()
        self.child.wait()
        self.child = None  # it did not fail


PROCESSES: dict[Path, Process] = {}  # by the folder of their run, so that another panel finds it again


def process_of(config: Config) -> Process:
    """Return the process of a run, always the same one."""
    made = Process(config)
    return PROCESSES.setdefault(made.folders[-1].path, made)


def end_with_parent() -> None:
    """Interrupt this command once its `Process` is gone, or closes the standard input."""
    if OWNER in os.environ:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
        threading.Thread(target=_interrupt_at_end_of_input, daemon=True).start()


def _interrupt_at_end_of_input() -> None:
    sys.stdin.read()
    _thread.interrupt_main()
