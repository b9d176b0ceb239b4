"""Run folders: where they are, checkpoints, weights, results.

`runs/<data set>-<model>-<method>-<hash>/` holds config.json (the identity, and the whole config for reading), log.jsonl
(a line per epoch), checkpoint.pt while training, weights.safetensors, parts.safetensors where the method keeps heads or
branches, and result.json, which is written last: where it is, and the weights with it, the run is done.

Nothing that took long is believed unchecked: a checkpoint has the sums of its zip file and the log as it was,
result.json has digests of weights, parts, log and itself. While it is trained two hidden files lie beside a folder.
"""

import json
import os
import re
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from torch import nn

from ..core import __version__
from ..core.errors import KEPT, Error
from ..core.moving import to_host
from ..core.output import replacing, write_bytes, write_text
from ..core.places import runs_root
from ..core.settings import flat
from ..data import Images
from ..experiment.config import Config
from ..methods import Method
from .identity import dataset_label, far_code, hash_of, identity
from .lock import RunLock
from .reading import (
    ANEW,
    ITSELF,
    UnreadableError,
    digest_of,
    load_into,
    lost_weights,
    parsed,
    read_object,
    read_result,
    seal,
)

CHECKPOINT_SECONDS = 5.0  # at most this much training is lost to a kill, plus the epoch that it began
WITHIN_SECONDS = 60.0  # and of that at most this much
AGAIN_SECONDS = 1.0  # of both, where the run was stopped before: it may well be stopped again soon
CHECKPOINT_SHARE = 0.05  # but writing large states takes no more than this share of the time
CHECKPOINTS = ("checkpoint.pt", "checkpoint.previous.pt")  # the newest first
Hook = Callable[[dict[str, Any]], object]  # of a run: called with each line of its log; what it returns is not used
STATE = {"method", "optimizer", "best", "precision", "epoch", "stop", "seconds"}  # what each of them has


class RunFolder:
    """The folder of a run, and those of its stages (teacher run, initial run) by role.

    Use `with folder.lock.hold():` around everything that writes.
    """

    def __init__(self, config: Config, images: Images, root: Path | None = None) -> None:
        self.config, self.images, root = config, images, root or runs_root()
        self.stages = {role: RunFolder(stage, images, root) for role, stage in config.nested.items()}
        self.identity = identity(config, images, {role: stage.identity for role, stage in self.stages.items()})
        name = re.sub(r"[^A-Za-z0-9_.]+", "_", dataset_label(config.dataset).removeprefix("folder:")).strip("_")
        self.hash = hash_of(self.identity)
        self.path = root / f"{name[-40:]}-{config.model}-{config.method}-{self.hash}"
        self.saved_at, self.save_seconds = time.monotonic(), 0.0
        self.stopped = False  # whether an earlier process began to train it
        self.far = far_code()  # of a run that goes on after a kill, as it was when it began
        self.lines: list[dict[str, Any]] = []  # of the log, an epoch each, as far as this process trained or took over
        self.hooks: list[Hook] = []
        self.lock = RunLock(self.path)

    def chain(self) -> Iterator["RunFolder"]:
        """Yield this folder and those of all its stages, in the order of `Config.chain`."""
        yield self
        for stage in self.stages.values():
            yield from stage.chain()

    def result(self) -> dict[str, Any] | None:
        """Return the stored result, or None while the run is not done.

        Without its weights, or with a damaged result, it is not done. Numbers that were changed after they were written
        are an `Error`.
        """
        self._check_owner()
        try:
            stored = read_result(self.path)
        except UnreadableError:
            return None
        return None if stored is None or lost_weights(self.path) else stored

    def open(self) -> None:
        """Make the folder and write config.json.

        A result that does not count is removed, with a warning that says why.
        """
        self._check_owner()
        self.stopped = self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise Error(f"{self.path} is no folder: move or delete it; {KEPT}") from None
        if (stored := self.path / ITSELF).exists():
            try:
                read_result(self.path)
                why = f"{lost_weights(self.path)} is gone"
            except UnreadableError:
                why = f"{ITSELF} is damaged"
            warnings.warn(f"{self.path.name}: {why}, so this run is trained anew", stacklevel=5)
            stored.unlink()
        for file in left(self.path):
            if file.name not in CHECKPOINTS:
                file.unlink(missing_ok=True)
        self._describe(__version__)

    def leave_nothing(self) -> None:
        """Remove the folder of a run that ended before its first checkpoint.

        A log alone is nothing that it could go on from; what others have put there stays.
        """
        with suppress(OSError):
            names = {file.name for file in self.path.iterdir()}
            if names <= {"config.json", "log.jsonl"} and not self.lock.lost():
                for name in sorted(names, reverse=True):
                    (self.path / name).unlink()
                self.path.rmdir()

    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint, whole or not."""
        return any((self.path / name).exists() for name in CHECKPOINTS)

    def clear(self) -> None:
        """Empty the folder, so that the run is trained anew; the result goes first.

        What cannot be removed is an `Error`: else the old numbers would come back as new ones.
        """
        self._check_owner()
        try:
            (self.path / ITSELF).unlink(missing_ok=True)
            for file in list(self.path.iterdir()):
                shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink(missing_ok=True)
            with suppress(OSError):  # a link to another disk, say: an empty folder is as good as none
                self.path.rmdir()
        except (FileNotFoundError, NotADirectoryError):
            if self.path.exists() and not self.path.is_dir():
                raise Error(f"{self.path} is no folder: move or delete it; {KEPT}") from None
        except OSError as error:
            where = error.filename or self.path
            raise Error(f"{where} cannot be removed ({error.strerror}): nothing is trained anew") from error

    def tidy(self) -> None:
        """Remove from a finished run what a killed process left; repair config.json."""
        try:
            if not left(self.path) and not self.lock.lies_about() and self._described():
                return
            with self.lock.hold(wait=False):
                if self.result() is None:  # another process trains it anew
                    return
                for file in left(self.path):
                    file.unlink(missing_ok=True)
                if not self._described():
                    warnings.warn(f"{self.path.name}: config.json was damaged and is written anew", stacklevel=4)
                    self._describe("")  # by which version it was trained nobody knows
        except (OSError, Timeout, Error):  # somebody trains it, or owns it: they stay
            return

    def finish(self, method: Method, result: dict[str, Any]) -> dict[str, Any]:
        """Write the weights, then the result, and remove the checkpoints.

        result.json has digests of the other files and of itself: `load_weights` and `result` ask for them.
        """
        from safetensors.torch import save

        self.lock.check()
        digests: dict[str, str] = {}
        modules = {"weights": method.model, "parts": nn.ModuleDict(method.parts)}
        for name, state in to_host({name: dict(module.state_dict()) for name, module in modules.items()}).items():
            if tensors := {key: tensor.contiguous() for key, tensor in state.items()}:
                content = save(tensors)
                write_bytes(self.path / f"{name}.safetensors", content)
                digests[f"{name}.safetensors"] = digest_of(content)
        if self.lines:
            digests["log.jsonl"] = digest_of(self._write_log())
        write_text(self.path / ITSELF, json.dumps(seal(result, digests), indent=1))
        for file in left(self.path):
            file.unlink(missing_ok=True)
        return result

    def load_weights(self, network: nn.Module, parts: Mapping[str, nn.Module]) -> None:
        """Load the trained weights into a network and the parts that the method kept.

        An `Error` where they are damaged or of another network; `MissingError` where they are gone.
        """
        load_into(network, self.path / "weights.safetensors")
        if parts:
            load_into(nn.ModuleDict(dict(parts)), self.path / "parts.safetensors")

    # What the loop asks of its checkpoints

    def load(self) -> dict[str, Any] | None:
        """Load the last good checkpoint, or None, and cut the log to its epochs.

        The hooks are called with these.
        """
        state, damaged = None, list[str]()
        for path in (self.path / name for name in CHECKPOINTS):
            if state is None and path.exists():
                try:
                    state = self._checkpoint(path)
                except (PermissionError, MemoryError):
                    raise
                except Exception as error:  # torch raises many kinds for a damaged file
                    damaged.append(f"{path} is damaged ({type(error).__name__})")
        if damaged:
            then = "going on from the state before it" if state else "training begins anew"
            warnings.warn(f"{' and '.join(damaged)}: {then}", stacklevel=2)
        self.far |= state.pop("far", {}) if state else {}
        self.lines = self._logged(state)
        if self.lines or (self.path / "log.jsonl").exists():
            self._write_log()
        self.notify(self.lines)
        return state

    def _checkpoint(self, path: Path) -> dict[str, Any]:
        """Read a checkpoint, and check every byte of it, which torch does not."""
        with zipfile.ZipFile(path) as archive:
            if bad := archive.testzip():
                raise zipfile.BadZipFile(bad)
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not set(state) >= STATE:
            raise ValueError("no state of a run")
        if state.pop("run", self.hash) != self.hash:
            raise ValueError("the state of another run")
        return state

    def _logged(self, state: dict[str, Any] | None) -> list[dict[str, Any]]:
        """Return the log up to a checkpoint, which holds it but in version 0.2.0."""
        if state is None:
            return []
        file, epochs = self.path / "log.jsonl", list(range(1, state["epoch"] + 1))
        known = state.pop("log", None)
        with suppress(FileNotFoundError):
            lines = parsed(file.read_bytes().split(b"\n")[: state["epoch"]])
            if [line and line["epoch"] for line in lines] == epochs and known in (None, json.dumps(lines)):
                return [line for line in lines if line]
        if known is None and epochs:
            raise Error(f"{file} is damaged or lacks lines, so this run cannot go on: {ANEW}")
        if epochs:
            warnings.warn(f"{file} is damaged or lacks lines: written anew from the checkpoint", stacklevel=3)
        return json.loads(known or "[]")

    def due(self, within: bool = False) -> bool:
        """Return whether a checkpoint is due, between two epochs or within one."""
        enough = WITHIN_SECONDS if within else CHECKPOINT_SECONDS
        enough = min(enough, AGAIN_SECONDS) if self.stopped else enough
        return time.monotonic() - self.saved_at >= max(enough, self.save_seconds / CHECKPOINT_SHARE)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint atomically, and keep the one before it."""
        self.lock.check()
        began = time.monotonic()
        path, previous = (self.path / name for name in CHECKPOINTS)
        about = {"far": self.far, "run": self.hash, "log": json.dumps(self.lines[: state["epoch"]])}
        with replacing(path) as temporary:
            with temporary.open("wb") as file:  # torch, given a path, would not say why it cannot write
                torch.save({**to_host(state), **about}, file)
            if path.exists():
                os.replace(path, previous)
        self.saved_at = time.monotonic()
        self.save_seconds = self.saved_at - began

    def log(self, line: dict[str, Any]) -> None:
        """Append one epoch to log.jsonl, then call the hooks with it."""
        self.lock.check()
        text = json.dumps(line)
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
        self.lines.append(json.loads(text))
        self.notify(self.lines[-1:])

    def notify(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Call every hook with each line of the log; each has a copy of its own."""
        for line in lines:
            for hook in self.hooks:
                hook(dict(line))

    # What stands in the folder

    def _describe(self, version: str) -> None:
        about = {"kdlab": version, "identity": self.identity, "config": self.config.model_dump(mode="json")}
        write_text(self.path / "config.json", json.dumps(about, indent=1))

    def _described(self) -> bool:
        """Return whether config.json can be read."""
        try:
            about = read_object(self.path / "config.json") or {}
        except UnreadableError:
            return False
        return all(isinstance(about.get(name), dict) for name in ("identity", "config"))

    def _write_log(self) -> bytes:
        """Write the log, unless the file has these lines already; return its content."""
        file, content = self.path / "log.jsonl", "".join(f"{json.dumps(line)}\n" for line in self.lines).encode()
        if not file.exists() or file.read_bytes() != content:
            write_bytes(file, content)
        return content

    def _check_owner(self) -> None:
        """Raise an `Error` where the folder is that of another run."""
        try:
            there = (read_object(self.path / "config.json") or {}).get("identity")
        except UnreadableError:
            return
        if not isinstance(there, dict):
            return
        here, there = flat(json.loads(json.dumps(self.identity))), flat(there)  # a tuple comes back as a list
        if odd := sorted(name for name in {*here, *there} if here.get(name) != there.get(name)):
            name = odd[0]
            raise Error(
                f"{self.path} holds another run ({name} is {there.get(name)!r} there, {here.get(name)!r} here): "
                "move or delete that folder"
            )


def left(folder: Path) -> list[Path]:
    """Return checkpoints, and files that were written when a process was killed."""
    return [file for file in folder.iterdir() if file.name in CHECKPOINTS or file.suffix == ".tmp"]
