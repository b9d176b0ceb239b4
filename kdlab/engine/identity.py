"""What decides a result, and its hash: the config, the data, and the code that makes the loss."""

import functools
import json
import sys
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..augment import AUGMENTATIONS
from ..config import Config
from ..data import ImageSet, Recorded
from ..errors import Error
from ..methods import METHODS, Distill, Method
from ..metrics import METRICS, monitored
from ..models import MODELS
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES
from .trees import attribute_chains, code_text, digest, file_digest, global_names

VERSION = 2  # raise it when a default of Config's fields changes; a method's own defaults count with its code
PACKAGE = Path(__file__).parents[1]
PLAIN = (bool, int, float, complex, str, bytes, type(None))
# Code that makes the loss counts as part of a run. Of the two base classes only what computes does.
LOSS_ROOMS = ("kdlab.methods", "kdlab.losses", "kdlab.schedules")
BASES = dict.fromkeys((Method, Distill), ("ask_teacher", "ce", "epoch", "forward", "terms", "train", "uses"))
# Class data that no loss reads
DESCRIBES = {
    "paper", "learns_from", "presets", "needs_teacher", "needs_parts", "needs_init", "first_phase", "mixes", "instead",
}  # fmt: skip
# Code further away is recorded with a result, and told when it has changed
FAR_ROOMS = {
    "augment": ("augment",), "data": ("data", "decoding.py"), "models": ("models",),
    "loop": ("engine/train.py", "engine/course.py", "engine/assemble.py", "optimizers.py", "schedules.py", "seeds.py",
             "setup.py"),
}  # fmt: skip

Images = Mapping[tuple[str, int | None], ImageSet]  # (data set, size) -> images, for every stage of a chain


def identity(config: Config, images: Mapping[tuple[str, int | None], ImageSet | Recorded]) -> dict[str, Any]:
    """Everything that decides the result of a run and of what it stands on.

    Fields of the Config at their defaults are left out, so that a new field changes no hash; so is the device.
    """
    own = images[config.dataset, config.size]
    stages = {role: stage for role in ("teacher", "init") if (stage := getattr(config, role))}
    return {
        "version": VERSION,
        "config": decisive(config),
        "data": own.fingerprint(),
        "code": loss_code(config, own.style),
        **{role: identity(stage, images) for role, stage in stages.items()},
    }


def decisive(config: Config) -> dict[str, Any]:
    """The fields that differ from their defaults, as JSON; of weights and hyper-parameters those that differ."""
    method, known = METHODS[config.method], type(config).model_fields
    dump = config.model_dump(mode="json", exclude={"device", "teacher", "init"})
    changed = {name: value for name, value in dump.items() if getattr(config, name) != known[name].default}
    if "dataset" in changed:
        changed["dataset"] = place(config.dataset)
    defaults = {"weights": method.weights, "hp": {n: p.default for n, p in method.hyper().items()}}
    given = {"weights": config.weights, "hp": method.check_hyper(config.hp)}  # 2 is 2.0 where the type says so
    for name, own in defaults.items():
        changed[name] = {key: value for key, value in given[name].items() if value != own.get(key)}
    return {name: value for name, value in changed.items() if value != {}}


def place(dataset: str) -> str:
    """A data set's name; of one's own images the folder's name, however one gets there (they count beside it)."""
    kind, _, path = dataset.partition(":")
    return f"{kind}:{Path(path).resolve().name}" if kind in ("folder", "photographs") else dataset


def hash_of(identity: Mapping[str, Any]) -> str:
    """12 hexadecimal digits of an identity."""
    return digest(json.dumps(identity, sort_keys=True))


def loss_code(config: Config, style: str) -> dict[str, str | None]:
    """Digests of the code that decides a run: the loss, the augmentation, the metric that early stopping watches, and a
    network, optimiser or schedule that the user wrote.
    """
    method, family = METHODS[config.method], AUGMENTATIONS[config.augment or style]
    roles = [*method.views, *([method.shared] if method.shared else [])]
    others = {
        "model": source(MODELS[config.model]),
        "optimizer": source(OPTIMIZERS[config.optimizer]),
        "schedule": source(SCHEDULES[config.schedule]),
    }
    return {
        "method": digest(source(method, LOSS_ROOMS)),
        "augment": digest(source({role: family[role] for role in roles})),
        **{name: digest(text) for name, text in others.items() if text},
        **({"monitor": metric_code().get(monitored(config))} if config.patience is not None else {}),
    }


def far_code() -> dict[str, str]:
    """Digests of the rooms of the package that a run stands on, but that do not make its loss."""
    return {
        room: digest(" ".join(file_digest(f) for place in places for f in _files(PACKAGE / place)))
        for room, places in FAR_ROOMS.items()
    }


def _files(place: Path) -> list[Path]:
    return [place] if place.suffix else sorted(place.rglob("*.py"))


def changed_rooms(result: Mapping[str, Any]) -> list[str]:
    """The rooms whose code was another when a stored result was trained."""
    then, now = result.get("code", {}).get("far", {}), far_code()
    return [room for room in now if then.get(room) != now[room]]


def metric_code() -> dict[str, str]:
    """Digests of what the metrics compute, by name."""
    rooms = ("kdlab.metrics", "kdlab.losses")
    return {name: digest(source([metric.measure, metric.better], rooms)) for name, metric in METRICS.items()}


def source(thing: Any, rooms: tuple[str, ...] = ()) -> str:
    """The code of `thing`, of what it calls and the constants it reads, where the user wrote it or `rooms` hold it.

    Functions and classes count with their syntax trees and the values of their defaults, other objects with their class
    and their state. What can be read in neither way is refused: a stored result could not be trusted.
    """
    pieces: dict[str, str] = {}
    seen: dict[int, Any] = {}  # things that were visited, kept so that their ids stay theirs

    def note(name: str, text: str) -> None:
        while name in pieces:  # two functions of one name: closures of one factory, say
            name += "'"
        pieces[name] = text

    def add(name: str, value: Any) -> None:
        """A value that a piece of code reads."""
        if isinstance(value, (*PLAIN, np.generic)):
            note(name, repr(value))
            return
        if id(value) in seen or isinstance(value, types.ModuleType):
            return
        seen[id(value)] = value
        if isinstance(value, torch.Tensor | np.ndarray):
            array = np.ascontiguousarray(torch.as_tensor(value).detach().cpu().float().numpy())
            note(name, f"{value.dtype} {array.shape} {digest(array.tobytes().hex())}")
        elif isinstance(value, functools.partial):
            add(name, [value.func, value.args, value.keywords])
        elif isinstance(value, Mapping):
            for key in value:
                add(f"{name}[{key!r}]", value[key])
        elif isinstance(value, list | tuple):
            for i, each in enumerate(value):
                add(f"{name}[{i}]", each)
        elif isinstance(value, set | frozenset):
            add(name, sorted(value, key=repr))
        elif isinstance(value, types.FunctionType):
            add_function(name, value)
        elif isinstance(value, type):
            add_class(value)
        else:
            add_object(name, value)

    def add_function(name: str, function: types.FunctionType) -> None:
        if is_near(function, rooms):
            key = f"{function.__module__}.{function.__qualname__}"
            note(key, code_text(function))
            add(f"{key} defaults", [function.__defaults__, function.__kwdefaults__])
            for read, value in _read_by(function):
                add(f"{key} {read}", value)
        add(name, getattr(function, "__wrapped__", None) or ())  # what a decorator wraps

    def add_class(cls: type) -> None:
        if not is_near(cls, rooms):
            return
        key = f"{cls.__module__}.{cls.__qualname__}"
        note(key, ", ".join(base.__qualname__ for base in cls.__bases__))
        for base in cls.__bases__:
            add(key, base)
        for name, value in sorted(vars(cls).items()):
            for member in _behind(value):
                computes = isinstance(member, types.FunctionType)
                if name in BASES.get(cls, (name,)) if computes else name not in DESCRIBES and not name.startswith("__"):
                    add(f"{key}.{name}", member)

    def add_object(name: str, value: Any) -> None:
        add(name, type(value))
        if hasattr(value, "__wrapped__") or hasattr(value, "__func__"):  # lru_cache, bound methods
            add(name, [getattr(value, part, None) for part in ("__wrapped__", "__func__", "__self__")])
        elif is_dataclass(value):
            told = {f.name: getattr(value, f.name) for f in fields(value)}
            add(name, {f.name: told[f.name] for f in fields(value) if told[f.name] != f.default})
        elif " at 0x" not in (text := repr(value)) and not isinstance(value, torch.nn.Module):
            note(name, text)
        elif hasattr(value, "__dict__"):
            note(name, type(value).__qualname__)
            add(name, vars(value))
        elif not callable(value):
            raise Error(
                f"the code reads {name}, a {type(value).__name__}, of which no identity can be made: pass numbers"
            )

    add("", thing)
    return "\n".join(f"{name} {text}" for name, text in sorted(pieces.items()))


def is_near(thing: Any, rooms: tuple[str, ...] = ()) -> bool:
    """Whether the user wrote a function or class (a notebook, a script, a module not installed), or `rooms` hold it."""
    # of a function its own module: wrappers carry the name of what they wrap
    module = str(thing.__globals__.get("__name__") if isinstance(thing, types.FunctionType) else thing.__module__)
    top = module.partition(".")[0]
    if top == "kdlab":
        return any(module == room or module.startswith(f"{room}.") for room in rooms)
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    installed = "site-packages" in file or "dist-packages" in file
    return top == "__main__" or not (top in {*sys.stdlib_module_names, "torch"} or installed)


def _behind(member: Any) -> list[Any]:
    """The functions behind a property, class method or static method; any other member itself."""
    if isinstance(member, functools.cached_property):
        return [member.func]
    inner = [getattr(member, part, None) for part in ("fget", "fset", "__func__")]
    return [each for each in inner if each is not None] or [member]


def _read_by(function: types.FunctionType) -> list[tuple[str, Any]]:
    """What a function reads from around it, by name: globals, functions of modules, variables of outer functions."""
    code, found = function.__code__, []
    for name in sorted(global_names(code) & set(function.__globals__)):
        value = function.__globals__[name]
        for chain in sorted(attribute_chains(code, name)):
            path, at, behind = name, value, list(chain)
            while isinstance(at, types.ModuleType) and behind:  # of `losses.kd` the function counts, not the module
                path, at = f"{path}.{behind[0]}", getattr(at, behind.pop(0), None)
            found.append((path, at))
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:  # not filled yet
            continue
    return found
