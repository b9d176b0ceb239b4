"""A run that trains in a process of its own, which pauses, goes on and stops when it is told to."""

import _thread
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path

import torch

from ..core.errors import Error, machine_errors, machine_sentence
from ..core.starting import leave
from ..experiment.config import Config
from ..experiment.setup import chain_images
from ..methods import METHODS
from .run import run
from .store import RunFolder


class Process:
    """The training of a Config beside this process: `start`, `pause`, `go_on`, `stop`, and how it stands.

    It ends with its parent, however that ends, and by its checkpoints the next one goes on where it was.
    """

    def __init__(self, config: Config) -> None:
        for stage in config.chain():
            if METHODS[stage.method].__module__ == "__main__":
                raise Error(
                    f"a process of its own does not know {stage.method!r} of this notebook: kdlab.run trains it"
                )
        images = chain_images(config)
        self.folders = [RunFolder(stage, images) for stage in reversed(list(config.chain()))]  # what comes first, first
        self.config, self.paused = config, False
        self.name = uuid.uuid4().hex  # as owner of the runs that it trains
        self.child: subprocess.Popen[str] | None = None
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115  # as long as this object

    @property
    def alive(self) -> bool:
        """Whether it trains, or pauses."""
        return self.child is not None and self.child.poll() is None

    @property
    def elsewhere(self) -> bool:
        """Whether another process trains this run or what it stands on; this one waits until that ends."""
        return any(folder.owner() not in ("", self.name) for folder in self.folders)

    @property
    def failure(self) -> str:
        """The last line that a process which failed has said, else nothing."""
        if self.child is None or (code := self.child.poll()) in (None, 0, 130):
            return ""
        if code < 0:  # by a signal: it had no time to say anything
            return _ended_by(-code)
        self.said.seek(0)
        return (self.said.read().strip().splitlines() or [f"ended with code {code}"])[-1]

    def start(self) -> None:
        """Train, from the last checkpoint if there is one; nothing happens where it trains already."""
        if self.alive:
            return
        # an interrupt of the kernel is none of this process
        apart = {"creationflags": 0x200} if os.name == "nt" else {"start_new_session": True}
        threads = str(torch.get_num_threads())  # other threads, other rounding
        own = {"KDLAB_PROGRESS": "0", "KDLAB_OWNER": self.name, "OMP_NUM_THREADS": threads}
        self.said.seek(0)
        self.said.truncate()
        command = [sys.executable, "-m", __name__, self.config.model_dump_json()]
        with machine_errors():
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=self.said,
                stderr=self.said,
                text=True,
                env={**os.environ, **own},
                **apart,
            )
        self.paused = False

    def pause(self) -> None:
        """Hold still, with everything in memory."""
        self._say("pause", paused=True)

    def go_on(self) -> None:
        """Go on after a pause."""
        self._say("continue", paused=False)

    def stop(self) -> None:
        """End it; what is lost is at most what a kill loses.

        One that does not train yet listens to nobody, for the seconds that imports take, and has nothing to lose.
        """
        self._say("stop", paused=False)
        if self.child is not None:
            if self.alive and not any(folder.owner() == self.name for folder in self.folders):
                self.child.kill()
                self.child.wait()
                self.child = None
                return
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                self.child = None  # it did not fail

    def _say(self, word: str, paused: bool) -> None:
        if self.alive and self.child is not None and self.child.stdin is not None:
            try:
                print(word, file=self.child.stdin, flush=True)
                self.paused = paused
            except OSError:  # it ended a moment ago
                self.paused = False


PROCESSES: dict[Path, Process] = {}  # by the folder of their run; one that nobody shows any more can be had again


def process_of(config: Config) -> Process:
    """The process that trains a run beside this one: the same for all who ask."""
    made = Process(config)
    return PROCESSES.setdefault(made.folders[-1].path, made)


class _Orders:
    """In the child: what its parent says, a word a line. Where nobody is left to say anything it ends."""

    def __init__(self) -> None:
        self.going, self.over = threading.Event(), False
        self.going.set()
        signal.signal(signal.SIGINT, self.obey)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in sys.stdin:
            if line.strip() == "stop":
                break
            if line.strip() == "continue":
                self.going.set()
            else:
                self.going.clear()
            _thread.interrupt_main()  # the main thread calls `obey` between two steps of the interpreter
        self.over = True
        self.going.set()
        _thread.interrupt_main()

    def obey(self, *_: object) -> None:
        while not self.going.wait(0.2):
            pass
        if self.over:
            raise KeyboardInterrupt


def _ended_by(number: int) -> str:
    """What a signal that ended the process means."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if name == "SIGKILL":
        return "the system ended it (SIGKILL), most likely as memory ran out: start goes on from the last checkpoint"
    return f"it was ended by {name}: start goes on from the last checkpoint"


def main(text: str) -> int:
    """Train what a Config's JSON describes, under the orders of standard input."""
    try:
        _Orders()
        run(Config.model_validate(json.loads(text)))
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        told = str(error) if isinstance(error, Error) else machine_sentence(error)
        if told is None:
            raise
        print(told, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1]))
