"""Identity of a run: a hash of its config, its data and the code of its loss."""

import functools
import inspect
import json
import site
import sys
import sysconfig
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.errors import Error
from ..core.places import PACKAGE, edited
from ..core.schedules import SCHEDULES
from ..data import LISTINGS, ImageSet, Recorded
from ..data.augment import AUGMENTATIONS
from ..experiment.config import Config
from ..experiment.optimizers import OPTIMIZERS
from ..methods import METHODS, Distill, Method
from ..metrics import METRICS, monitored
from ..metrics.probes import linear_layer, linear_probe
from ..models import MODELS
from .code import code_text, digest, file_digest, global_reads

VERSION = 3  # raise it when a default of Config's fields changes; a method's own defaults count with its code
PLAIN = (bool, int, float, complex, str, bytes, type(None))
# Code that makes the loss counts as part of a run. Of the two base classes only what computes does.
LOSS_ROOMS = ("kdlab.methods", "kdlab.losses", "kdlab.core.schedules", "kdlab.core.arithmetic")
METRIC_ROOMS = ("kdlab.metrics", "kdlab.losses")
BASES = dict.fromkeys((Method, Distill), ("ask_teacher", "ce", "epoch", "forward", "terms", "train", "uses"))
HEAD = (linear_probe, linear_layer)  # what fits a head in place of epochs
# Class data that no loss reads
DESCRIBES = {
    "paper",
    "learns_from",
    "needs_teacher",
    "from_features",
    "needs_parts",
    "needs_init",
    "first_phase",
    "mixes",
    "network",
    "instead",
    "fits_head",
}
# Code further away is recorded with a result, and a change of it is reported: all files of the package but those of
# NEAR, of which an identity has what a run uses, and those of APART, which can change no number of a run
NEAR = ("losses", "methods")
APART = (
    "__init__.py",
    "__main__.py",
    "cli",
    "core/__init__.py",
    "core/errors.py",
    "core/formats.py",
    "core/output.py",
    "core/places.py",
    "core/settings.py",
    "core/statistics.py",
    "engine/cluster.py",
    "engine/forkserver.py",
    "engine/housekeeping.py",
    "engine/report.py",
    "engine/sweep.py",
    "engine/tables.py",
    "engine/transfer.py",
    "engine/worker.py",
    "experiment/catalogue.py",
    "experiment/presets.py",
    "experiment/recipes",
    "metrics",  # what one metric computes is noticed apart, by `metric_code`
    "plots",
    "studies",
    "widgets",
)
FAR_ROOMS = {  # the others are the "loop"
    "config": ("experiment/config.py",),  # its defaults, which an identity leaves out
    "augment": ("data/augment.py", "data/changes.py", "data/ops.py"),
    "data": ("data",),
    "models": ("models",),
    "methods": ("methods/base.py",),
    "metrics": ("metrics/__init__.py", "metrics/base.py", "metrics/cost.py"),
}


def identity(
    config: Config,
    images: Mapping[tuple[str, int | None], ImageSet | Recorded],
    stages: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return what makes two runs the same, teacher run and initial run included.

    Config, images, and the code of `loss_code`. Other code of the package is reported when it has changed
    (`changed_rooms`); another version of torch or number of threads rounds differently. Neither makes another run.
    Fields of the Config at their defaults are left out, so that a new field changes no hash; so are the devices.
    `stages` holds the identities of its teacher run and initial run where they are known already.
    """
    image_set, start = (images[each.dataset, each.size] for each in (config, config.start))
    if stages is None:
        stages = {role: identity(stage, images) for role, stage in config.nested.items()}
    normalised: dict[str, Any] = {}  # by which numbers, where they are not its images'; unknown of recorded ones
    if (
        config.normalise
        and isinstance(image_set, ImageSet)
        and isinstance(start, ImageSet)
        and (start.mean, start.std) != (image_set.mean, image_set.std)
    ):
        normalised = {"normalised": (start.mean, start.std)}
    return {
        "version": VERSION,
        "config": decisive(config),
        "data": image_set.fingerprint(),
        "code": loss_code(config, image_set.style),
        **normalised,
        **stages,
    }


def decisive(config: Config) -> dict[str, Any]:
    """Return the fields, weights and hyper-parameters that differ from their defaults."""
    method, known = METHODS[config.method], type(config).model_fields
    dump = config.model_dump(mode="json", exclude={"device", "devices", "teacher", "init"})
    changed = {name: value for name, value in dump.items() if getattr(config, name) != known[name].default}
    if "dataset" in changed:
        changed["dataset"] = dataset_label(config.dataset)
    chosen = {"weights": config.weights, "hp": method.check_hyper(config.hp)}  # 2 is 2.0 where the type says so
    for name, usual in defaults(method).items():
        changed[name] = {key: value for key, value in chosen[name].items() if value != usual.get(key)}
    return {name: value for name, value in changed.items() if value != {}}


def defaults(method: type[Method]) -> dict[str, Mapping[str, Any]]:
    """Return a method's own weights and hyper-parameters."""
    return {"weights": method.weights, "hp": {name: each.default for name, each in method.hyper().items()}}


def dataset_label(dataset: str) -> str:
    """Return a data set's name; of your own images without the way to them.

    Their content counts beside it.
    """
    kind, _, path = dataset.partition(":")
    return f"{kind}:{Path(path).resolve().name}" if kind in LISTINGS else dataset


def hash_of(identity: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits of an identity."""
    return digest(json.dumps(identity, sort_keys=True))


def reseeded(identity: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return an identity with another seed.

    The same as `identity(config.seeded(seed))`, but neither code nor data are read again.
    """
    config = {name: value for name, value in identity["config"].items() if name != "seed"}
    stages = {role: reseeded(identity[role], seed) for role in ("teacher", "init") if role in identity}
    return {**identity, "config": {**config, **({"seed": seed} if seed else {})}, **stages}


def loss_code(config: Config, style: str) -> dict[str, str | None]:
    """Digest the code that makes another run when it is edited.

    That is the loss, the augmentation, the metric that early stopping watches, what fits a head, and a network,
    optimiser or schedule that the user wrote; of a run that trains nothing what rates it.
    """
    method, family = METHODS[config.method], AUGMENTATIONS[config.augment or style]
    roles = [*method.views, *([method.shared] if method.shared else [])]
    others = {
        "model": source(MODELS[config.model]),
        "optimizer": source(OPTIMIZERS[config.optimizer]),
        "schedule": source(SCHEDULES[config.schedule]),
    }
    return {
        "method": method_code(config.method),
        "augment": digest(source({role: family[role] for role in roles})),
        **{name: digest(text) for name, text in others.items() if text},
        **({"monitor": metric_code().get(monitored(config))} if config.patience is not None else {}),
        **({"accuracy": digest(source(METRICS["accuracy"].untrained, METRIC_ROOMS))} if method.network else {}),
        **({"head": digest(source(HEAD, ("kdlab.metrics.probes",)))} if method.fits_head else {}),
    }


def method_code(key: str) -> str:
    """Digest the code of a method and of the losses that it calls."""
    return digest(source(METHODS[key], LOSS_ROOMS))


def far_code() -> dict[str, str]:
    """Digest the rooms of the package that a run needs, but that do not make its loss."""
    return {room: digest(" ".join(map(file_digest, files))) for room, files in far_files().items()}


@functools.cache
def far_files() -> dict[str, list[Path]]:
    """Return the files of FAR_ROOMS, and all others but NEAR and APART as "loop".

    A file counts in the first room that has it.
    """
    counted: set[Path] = set()
    rooms = {}
    for room, paths in {**FAR_ROOMS, "apart": (*NEAR, *APART), "loop": (".",)}.items():
        files = {file for path in paths for file in _files(PACKAGE / path)}
        rooms[room] = sorted(files - counted)
        counted |= files
    del rooms["apart"]
    return rooms


def edited_files() -> list[str]:
    """Name the files that a run needs and that were edited since they were loaded."""
    rooms = [*far_files().values(), *(_files(PACKAGE / room) for room in sorted(NEAR))]
    return [file.relative_to(PACKAGE).as_posix() for files in rooms for file in files if edited(file)]


def _files(path: Path) -> list[Path]:
    """Return the Python files of a folder, or a file itself."""
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def changed_rooms(result: Mapping[str, Any], now: Mapping[str, str] | None = None) -> list[str]:
    """Return the rooms whose code has changed since a result was trained.

    `now` is `far_code()` where it is known already.
    """
    then, now = result.get("code", {}).get("far", {}), now or far_code()
    return [room for room in now if then.get(room) != now[room]]


def metric_code() -> dict[str, str]:
    """Digest what each metric computes, by name."""
    return {name: digest(source([metric.measure, metric.better], METRIC_ROOMS)) for name, metric in METRICS.items()}


def source(thing: Any, rooms: tuple[str, ...] = ()) -> str:
    """Return the code of `thing` and of what it calls, with the constants it reads.

    Code counts where the user wrote it or `rooms` hold it. Functions and classes count with their syntax trees and the
    values of their defaults, other objects with their class and their state. Where they are defined does not count: a
    file may be renamed or moved. Two pieces of one name are numbered, in the order in which they are read, and every
    use says which one it is of. What can be read in neither way is refused: a stored result could not be trusted.
    """
    pieces: dict[str, str] = {}
    visited: dict[int, Any] = {}  # kept so that no other object gets their ids
    labels: dict[int, str] = {}  # of functions and classes among them
    variables: dict[str, str] = {}  # of functions around others: as they are written in pieces -> as they are called

    def note(name: str, text: str) -> str:
        number, label = 1, name
        while label in pieces:  # two functions of one name: closures of one factory, say
            number += 1
            label = f"{name} ({number})"
        pieces[label] = text
        return label

    def add(name: str, value: Any) -> None:
        """Add a value that a piece of code reads."""
        if isinstance(value, (*PLAIN, np.generic)):
            note(name, repr(value))
            return
        if isinstance(value, types.ModuleType):
            return
        if id(value) not in visited:
            visited[id(value)] = value
            visit(name, value)
        if id(value) in labels:
            note(name, f"is {labels[id(value)]}")

    def visit(name: str, value: Any) -> None:
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
            text, variables_of = code_text(function)
            key = labels[id(function)] = note(function.__qualname__, text)
            add(f"{key} defaults", [function.__defaults__, function.__kwdefaults__])
            variables.update({f"{key} {n}": f"{key} {name}" for name, n in variables_of.items()})
            for read, value in _read_by(function):
                add(f"{key} {read}", value)
        add(name, getattr(function, "__wrapped__", None) or ())  # what a decorator wraps
        if isinstance(cases := getattr(function, "registry", None), Mapping):  # of functools.singledispatch
            add(name, {case.__qualname__: cases[case] for case in cases})

    def add_class(cls: type) -> None:
        if not is_near(cls, rooms):
            return
        key = labels[id(cls)] = note(cls.__qualname__, ", ".join(base.__qualname__ for base in cls.__bases__))
        for each in (*cls.__bases__, type(cls)):
            add(key, each)
        for name, value in sorted(vars(cls).items()):
            # of a property or a class or static method its functions count, else the member itself
            parts = ("func",) if isinstance(value, functools.cached_property) else ("fget", "fset", "__func__")
            inner = [getattr(value, part, None) for part in parts]
            for member in [each for each in inner if each is not None] or [value]:
                computes = isinstance(member, types.FunctionType)
                if name in BASES.get(cls, (name,)) if computes else name not in DESCRIBES and not name.startswith("__"):
                    add(f"{key}.{name}", member)

    def add_object(name: str, value: Any) -> None:
        add(name, type(value))
        text = repr(value)
        if hasattr(value, "__wrapped__") or hasattr(value, "__func__"):  # lru_cache, bound methods
            add(name, [getattr(value, part, None) for part in ("__wrapped__", "__func__", "__self__")])
        elif is_dataclass(value):
            state = {f.name: getattr(value, f.name) for f in fields(value)}
            add(name, {f.name: state[f.name] for f in fields(value) if state[f.name] != f.default})
        elif " at 0x" not in text and not isinstance(value, torch.nn.Module) and not is_near(type(value), rooms):
            note(name, text)
        elif (state := _state(value)) is not None:
            note(name, type(value).__qualname__)
            add(name, state)
        elif not callable(value):
            known = max((each for each in variables if name.startswith(each)), key=len, default="")
            read = variables.get(known, "") + name.removeprefix(known)
            raise Error(
                f"the code reads {read}, a {type(value).__name__}, of which no identity can be made: pass numbers"
            )

    add("", thing)
    return "\n".join(f"{name} {text}" for name, text in sorted(pieces.items()))


def is_near(thing: Any, rooms: tuple[str, ...] = ()) -> bool:
    """Return whether the user wrote a function or class, or `rooms` hold it.

    The user writes in notebooks, scripts and modules that are not installed.
    """
    # of a function its own module: wrappers carry the name of what they wrap
    module = str(thing.__globals__.get("__name__") if isinstance(thing, types.FunctionType) else thing.__module__)
    top = module.partition(".")[0]
    if top == "kdlab":
        return any(module == room or module.startswith(f"{room}.") for room in rooms)
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or top in ("__main__", "torch"):
        return top not in {*sys.stdlib_module_names, "torch"} or top == "__main__"
    return not _is_installed(file)


@functools.cache
def _is_installed(file: str) -> bool:
    """Return whether a module's file is of Python itself or was installed."""
    of_python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders = {*of_python, *site.getsitepackages(), site.getusersitepackages()}
    folders |= {entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    return any(Path(folder) in Path(file).parents for folder in folders)


def _state(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object, slots included; None where it can have none."""
    members = [(name, member) for cls in type(value).__mro__ for name, member in vars(cls).items()]
    slots = [name for name, member in members if inspect.ismemberdescriptor(member)]
    if not slots and not hasattr(value, "__dict__"):
        return None
    return {**{name: getattr(value, name, None) for name in slots}, **getattr(value, "__dict__", {})}


def _read_by(function: types.FunctionType) -> list[tuple[str, Any]]:
    """Return what a function reads from outside, by name.

    Globals, functions of modules, and variables of functions around it, which are numbered as in its text.
    """
    code, values = function.__code__, []
    for name, chains in sorted(global_reads(code).items()):
        if name not in function.__globals__:  # a builtin
            continue
        value = function.__globals__[name]
        for chain in sorted(chains):
            path, at, behind = name, value, list(chain)
            while isinstance(at, types.ModuleType) and behind:  # of `losses.kd` the function counts, not the module
                path, at = f"{path}.{behind[0]}", getattr(at, behind.pop(0), None)
            values.append((path, at))
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    for name, written in code_text(function)[1].items():
        with suppress(ValueError):  # not filled yet
            values.append((written, cells[name].cell_contents))
    return values
