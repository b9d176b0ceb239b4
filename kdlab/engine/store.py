"""Run folders: where they are, checkpoints, weights, results.

`runs/<data set>-<model>-<method>-<hash>/` holds config.json (the identity, and the whole config for reading), log.jsonl
(a line per epoch), checkpoint.pt while training, weights.safetensors, parts.safetensors where the method keeps heads or
branches, and result.json, which is written last: where it is, the run is done.
"""

import json
import os
import re
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from ..config import Config
from ..errors import Error
from ..methods import Method
from ..version import __version__
from .identity import Images, far_code, hash_of, identity, place

CHECKPOINT_SECONDS = 5.0  # at most this much training is lost to a kill, plus the epoch that it began
WITHIN_SECONDS = 60.0  # and of that at most this much
CHECKPOINT_SHARE = 0.05  # but writing large states takes no more than this share of the time
SILENT_SECONDS = 2.0  # a process that waits longer for another says so


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Inside, these environment variables are set; afterwards they are as they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def runs_root() -> Path:
    """Where run folders lie: $KDLAB_RUNS, else `runs/` beside the package."""
    return Path(os.environ.get("KDLAB_RUNS") or Path(__file__).parents[2] / "runs")


class RunFolder:
    """One run's folder. Use `with folder.locked():` around everything that writes."""

    def __init__(self, config: Config, images: Images, root: Path | None = None) -> None:
        self.config, self.identity = config, identity(config, images)
        name = re.sub(r"[^A-Za-z0-9_.]+", "_", place(config.dataset).removeprefix("folder:")).strip("_")
        self.path = (root or runs_root()) / f"{name[-40:]}-{config.model}-{config.method}-{hash_of(self.identity)}"
        self.saved_at, self.save_seconds = time.monotonic(), 0.0
        self.far = far_code()  # of a run that goes on after a kill, as it was when it began

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by the process that trains this run; others wait, say so, and then find the result."""
        lock, owner = self._lock()
        try:
            held = lock.acquire(timeout=SILENT_SECONDS)
        except Timeout:
            told = "is being trained, or paused, by another process: waiting for it; an interrupt gives up"
            warnings.warn(f"{self.path.name} {told}", stacklevel=2)
            held = lock.acquire()
        with held:
            owner.write_text(os.environ.get("KDLAB_OWNER") or f"process {os.getpid()}")
            try:
                yield
            finally:
                with suppress(OSError):  # the runs were removed meanwhile
                    owner.write_text("")

    def owner(self) -> str:
        """Who trains this run just now, as a name; nothing where nobody does."""
        lock, owner = self._lock()
        with suppress(Timeout), lock.acquire(timeout=0.05, poll_interval=0.01):  # others look too, for a moment
            return ""
        return owner.read_text() if owner.exists() else ""  # one who only looks, as here, leaves no name

    def _lock(self) -> tuple[FileLock, Path]:
        """What the owner holds, and where its name stands: on Windows nobody else reads a file that is locked."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        hidden = self.path.with_name(f".{self.path.name}")
        return FileLock(f"{hidden}.lock"), Path(f"{hidden}.owner")

    def result(self) -> dict[str, Any] | None:
        """The stored result, or None while the run is not done."""
        self._check_owner()
        try:
            return json.loads((self.path / "result.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def open(self) -> None:
        """Make the folder and write config.json."""
        self._check_owner()
        self.path.mkdir(parents=True, exist_ok=True)
        about = {"kdlab": __version__, "identity": self.identity, "config": self.config.model_dump(mode="json")}
        self._write("config.json", json.dumps(about, indent=1))

    def clear(self) -> None:
        """Remove the folder, so that the run is trained anew."""
        self._check_owner()
        shutil.rmtree(self.path, ignore_errors=True)

    def finish(self, method: Method, result: dict[str, Any]) -> dict[str, Any]:
        """Write the weights, then the result, then drop the checkpoints; returns the result."""
        from safetensors.torch import save_file

        for name, module in {"weights": method.model, "parts": nn.ModuleDict(method.parts)}.items():
            if tensors := {key: tensor.contiguous().cpu() for key, tensor in module.state_dict().items()}:
                save_file(tensors, self.path / f"{name}.tmp")
                os.replace(self.path / f"{name}.tmp", self.path / f"{name}.safetensors")
        self._write("result.json", json.dumps(result, indent=1))
        for name in ("checkpoint.pt", "checkpoint.previous.pt"):
            (self.path / name).unlink(missing_ok=True)
        return result

    def load_weights(self, network: nn.Module, parts: Mapping[str, nn.Module]) -> None:
        """Put the trained weights into a network and the parts that the method kept."""
        from safetensors.torch import load_file

        network.load_state_dict(load_file(self.path / "weights.safetensors"))
        if parts:
            nn.ModuleDict(dict(parts)).load_state_dict(load_file(self.path / "parts.safetensors"))

    # What the loop asks of its checkpoints

    def load(self) -> dict[str, Any] | None:
        """The last good state, None to start afresh; the log is cut to the epochs that the state has seen."""
        state = None
        for name in ("checkpoint.pt", "checkpoint.previous.pt"):
            path = self.path / name
            if state is not None or not path.exists():
                continue
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except Exception as error:  # torch raises many kinds for a damaged file
                warnings.warn(
                    f"{path} is damaged ({type(error).__name__}): going on from the state before it", stacklevel=2
                )
        self.far |= state.pop("far") if state else {}
        log = self.path / "log.jsonl"
        if log.exists():
            lines = log.read_text().splitlines()[: state["epoch"] if state else 0]
            self._write("log.jsonl", "".join(f"{line}\n" for line in lines))
        return state

    def due(self, within: bool = False) -> bool:
        """Whether the last checkpoint is old enough for a new one, between two epochs or within one."""
        enough = WITHIN_SECONDS if within else CHECKPOINT_SECONDS
        return time.monotonic() - self.saved_at >= max(enough, self.save_seconds / CHECKPOINT_SHARE)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint atomically; the one before it is kept beside it."""
        began = time.monotonic()
        path = self.path / "checkpoint.pt"
        torch.save({**state, "far": self.far}, path.with_suffix(".tmp"))
        if path.exists():
            os.replace(path, self.path / "checkpoint.previous.pt")
        os.replace(path.with_suffix(".tmp"), path)
        self.saved_at = time.monotonic()
        self.save_seconds = self.saved_at - began

    def log(self, line: dict[str, Any]) -> None:
        """Append one epoch to log.jsonl."""
        with (self.path / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _write(self, name: str, text: str) -> None:
        temporary = self.path / f"{name}.tmp"
        temporary.write_text(text)
        os.replace(temporary, self.path / name)

    def _check_owner(self) -> None:
        try:
            found = json.loads((self.path / "config.json").read_text())["identity"]
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return
        own, theirs = flat(self.identity), flat(found)
        if odd := sorted(name for name in {*own, *theirs} if own.get(name) != theirs.get(name)):
            name = odd[0]
            raise Error(
                f"{self.path} holds another run ({name} is {theirs.get(name)!r} there, {own.get(name)!r} here): "
                "move or delete that folder"
            )


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """What a run has logged so far, a line an epoch; one that is just being written is left out."""
    file = folder / "log.jsonl"
    return [json.loads(line) for line in file.read_text().split("\n")[:-1]] if file.exists() else []


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
