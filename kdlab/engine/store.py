"""Run folders: where they are, what identifies a run, checkpoints, results, and the table of all runs.

`runs/<data set>-<model>-<method>-<hash>/` holds config.json, log.jsonl (a line per epoch), checkpoint.pt while
training, weights.safetensors, parts.safetensors where the method keeps heads or branches, and result.json, which is
written last: where it is, the run is done.
"""

import dis
import inspect
import json
import os
import re
import sys
import time
import types
import warnings
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from .config import Config
from .errors import Error
from .methods import METHODS, Method

CHECKPOINT_SECONDS = 5.0  # at most this much training is lost to a kill, plus one epoch
PLAIN = (bool, int, float, str, bytes, tuple, list, dict, frozenset)  # constants whose text says what they are
CHECKPOINT_SHARE = 0.05  # but writing large states takes no more than this share of the time


def runs_root() -> Path:
    """Where run folders lie: $KDLAB_RUNS, else `runs/` beside the package."""
    return Path(os.environ.get("KDLAB_RUNS") or Path(__file__).parents[1] / "runs")


def identity(config: Config, fingerprints: dict[str, str]) -> dict[str, Any]:
    """Everything that decides the result: the config without its device, the data, and a notebook method's source.

    `fingerprints` maps `(dataset, size)` keys, as `data_key` writes them, to the fingerprint of the data.
    """
    fields = json.loads(config.model_dump_json(exclude={"device", "teacher", "init"}))
    nested = {
        role: stage and identity(stage, fingerprints)
        for role in ("teacher", "init")
        for stage in [getattr(config, role)]
    }
    source = notebook_source(METHODS[config.method])
    return {**fields, **nested, "data": fingerprints[data_key(config)], **({"source": source} if source else {})}


def data_key(config: Config) -> str:
    """Names the images of a run: data set and size."""
    return f"{config.dataset}@{config.size}"


def digest(identity: dict[str, Any]) -> str:
    """12 hexadecimal digits of an identity."""
    return blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=6).hexdigest()


def notebook_source(method: type[Method]) -> str:
    """Source of a method defined outside the package, of what it calls and of the constants it reads, else ''.

    Without it, an edited notebook cell would get the stored result of the old one.
    """
    pieces: dict[str, str] = {}

    def visit(thing: Any) -> None:
        """A function or class of the user's, and the globals that its code names."""
        key = f"{thing.__module__}.{thing.__qualname__}"
        if key in pieces or not _users(thing):
            return
        members = [thing]
        if isinstance(thing, type):
            pieces[key] = ", ".join(base.__qualname__ for base in thing.__bases__)
            members = [_function(value) for value in vars(thing).values()]
            for name, value in sorted(vars(thing).items()):
                if isinstance(value, PLAIN) and not name.startswith("__"):
                    pieces[f"{key}.{name}"] = repr(value)
            for base in thing.__bases__:
                visit(base)
        for function in members:
            if isinstance(function, types.FunctionType):
                follow(function)

    def follow(function: types.FunctionType) -> None:
        try:
            text = inspect.getsource(function)
        except OSError:
            text = function.__code__.co_code.hex() + repr(function.__code__.co_consts)
        pieces[f"{function.__module__}.{function.__qualname__}"] = text
        for name in sorted(_globals(function.__code__)):
            value = function.__globals__.get(name)
            if isinstance(value, types.FunctionType | type):
                visit(value)
            elif isinstance(value, PLAIN) and " at 0x" not in (text := repr(value)):
                pieces[f"{function.__module__}.{name}"] = text

    visit(method)
    return "\n".join(f"# {key}\n{text}" for key, text in sorted(pieces.items()))


def _users(thing: Any) -> bool:
    """Whether a function or class was written by the user: in a notebook, a script, or a module that is not installed."""
    top = thing.__module__.split(".")[0]
    file = getattr(sys.modules.get(thing.__module__), "__file__", None) or ""
    return top == "__main__" or not (top in ("kdlab", *sys.stdlib_module_names) or "site-packages" in file)


def _function(member: Any) -> Any:
    """The function behind a property, class method or static method."""
    return getattr(member, "fget", None) or getattr(member, "__func__", member)


def _globals(code: types.CodeType) -> set[str]:
    """Global names that a function's code reads, inner functions and comprehensions included."""
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    read = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return read.union(*map(_globals, inner))


class RunFolder:
    """One run's folder. Use `with folder.locked():` around everything that writes."""

    def __init__(self, config: Config, identity: dict[str, Any], root: Path | None = None):
        self.config, self.identity = config, identity
        place = re.sub(r"[^A-Za-z0-9_.]+", "_", config.dataset.removeprefix("folder:")).strip("_")
        self.path = (root or runs_root()) / f"{place[-40:]}-{config.model}-{config.method}-{digest(identity)}"
        self.saved_at, self.save_seconds = time.monotonic(), 0.0

    def locked(self) -> FileLock:
        """Held by the process that trains this run; others wait and then find the result."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_name(f".{self.path.name}.lock"))

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
        self._write("config.json", json.dumps(self.identity, indent=1))

    def finish(self, method: Method, result: dict[str, Any]) -> dict[str, Any]:
        """Write the weights, then the result, then drop the checkpoints; returns the result."""
        from safetensors.torch import save_file

        for name, module in {"weights": method.model, "parts": torch.nn.ModuleDict(method.parts)}.items():
            if tensors := {key: tensor.contiguous().cpu() for key, tensor in module.state_dict().items()}:
                save_file(tensors, self.path / f"{name}.tmp")
                os.replace(self.path / f"{name}.tmp", self.path / f"{name}.safetensors")
        self._write("result.json", json.dumps(result, indent=1))
        for name in ("checkpoint.pt", "checkpoint.previous.pt"):
            (self.path / name).unlink(missing_ok=True)
        return result

    # What the loop asks of its checkpoints

    def load(self) -> dict | None:
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
        log = self.path / "log.jsonl"
        if log.exists():
            lines = log.read_text().splitlines()[: state["epoch"] if state else 0]
            self._write("log.jsonl", "".join(f"{line}\n" for line in lines))
        return state

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for a new one."""
        return time.monotonic() - self.saved_at >= max(CHECKPOINT_SECONDS, self.save_seconds / CHECKPOINT_SHARE)

    def save(self, state: dict) -> None:
        """Replace the checkpoint atomically; the one before it is kept beside it."""
        began = time.monotonic()
        path = self.path / "checkpoint.pt"
        torch.save(state, path.with_suffix(".tmp"))
        if path.exists():
            os.replace(path, self.path / "checkpoint.previous.pt")
        os.replace(path.with_suffix(".tmp"), path)
        self.saved_at = time.monotonic()
        self.save_seconds = self.saved_at - began

    def log(self, line: dict) -> None:
        """Append one epoch to log.jsonl."""
        with open(self.path / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")

    def _write(self, name: str, text: str) -> None:
        temporary = self.path / f"{name}.tmp"
        temporary.write_text(text)
        os.replace(temporary, self.path / name)

    def _check_owner(self) -> None:
        try:
            found = json.loads((self.path / "config.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        if odd := [name for name, value in self.identity.items() if found.get(name) != value]:
            name = odd[0]
            raise Error(
                f"{self.path} holds another run ({name} is {found.get(name)!r} there, {self.identity[name]!r} here): "
                "move or delete that folder"
            )
