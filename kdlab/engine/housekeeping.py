"""Housekeeping: the state of every run folder, what stands on what, and removal."""

import functools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from filelock import Timeout

from ..core.errors import Error, machine_errors
from ..core.schedules import SCHEDULES
from ..data import DATASETS
from ..data.augment import AUGMENTATIONS
from ..experiment.config import Config
from ..experiment.optimizers import OPTIMIZERS
from ..methods import METHODS
from ..models import MODELS
from .identity import VERSION, decisive, far_code, hash_of, loss_code
from .lock import RunLock
from .reading import ITSELF, Stored, cause, described, log_lines, lost_weights, read_run, stages
from .store import CHECKPOINTS, left

FOLDER = re.compile(r"[^.].*-.+-.+-[0-9a-f]{12}")  # the name of a run folder
HIDDEN = re.compile(r"\.(.+-[0-9a-f]{12})\.(lock|owner|removed)")  # what may be left beside one
VERIFY = re.compile(r"verify-([0-9a-f]{12})")  # a folder of runs for `kdlab study verify`, by the code that it checks
TABLES = {  # of the fields that name something a notebook may have added
    "method": METHODS,
    "model": MODELS,
    "dataset": DATASETS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "augment": AUGMENTATIONS,
}
DESCRIPTION = "config.json"
NOTHING = "before its first checkpoint"
FILES = {DESCRIPTION, ITSELF, "log.jsonl", "weights.safetensors", "parts.safetensors", *CHECKPOINTS}  # of a run folder
PASSING = re.compile(r"\..+\.tmp|events\.out\.tfevents\..+")  # half-written ones, and TensorBoard's
CODED = ("method", "model", "optimizer", "schedule", "augment", "patience", "monitor")  # what `loss_code` reads


@dataclass(frozen=True)
class Kept:
    """A run folder in any state: done, training, interrupted or damaged.

    `run` is what it says of the run, None where that cannot be read.
    """

    folder: Path
    state: str
    detail: str
    run: Stored | None

    @property
    def key(self) -> str:
        """The hash of its identity, empty where there is none."""
        return hash_of(self.run.identity) if self.run and self.run.identity else ""

    @property
    def stands_on(self) -> dict[str, str]:
        """The hashes of its stages, by dotted role: "teacher", "teacher.init"."""
        above = list(stages(self.run))[1:] if self.run else []
        return {prefix.rstrip("."): hash_of(identity) for prefix, _, identity in above if identity}

    @property
    def size(self) -> int:
        """The bytes of its files."""
        return bytes_of(self.folder)


def survey(root: Path) -> Iterator[Kept]:
    """Yield all run folders under `root` as they are now, newest last."""
    folders = dict[Path, float]()
    with suppress(FileNotFoundError):
        for entry in os.scandir(root):
            with suppress(OSError):  # it was removed a moment ago
                is_run = FOLDER.fullmatch(entry.name) or Path(entry, DESCRIPTION).exists()
                if entry.is_dir() and is_run and not entry.name.startswith("."):
                    folders[Path(entry)] = entry.stat().st_mtime
    yield from map(look, sorted(folders, key=folders.__getitem__))


def look(folder: Path) -> Kept:
    """Return the state of a run folder, and what it says of its run."""
    run, damage = None, ""
    try:
        run = read_run(folder) or described(folder)
        if run and run.result and (lost := lost_weights(folder)):
            damage = f"{lost} is gone"
    except (Error, OSError) as error:
        damage = cause(folder, error)
        with suppress(Error, OSError):
            run = described(folder)
    if RunLock(folder).owner():
        return Kept(folder, "training", _progress(folder, run), run)
    if damage or run is None:
        return Kept(folder, "damaged", damage or f"{DESCRIPTION} is missing", run)
    if run.result:
        return Kept(folder, "done", of_another_version(run), run)
    return Kept(folder, "interrupted", _progress(folder, run) if _begun(folder) else NOTHING, run)


def _begun(folder: Path) -> bool:
    """Return whether a folder holds anything that was trained."""
    return any((folder / name).exists() for name in (*CHECKPOINTS, ITSELF))


def _progress(folder: Path, run: Stored | None) -> str:
    return f"epoch {len(log_lines(folder))} of {run.config.get('epochs', '?')}" if run else ""


def bytes_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    with suppress(OSError):
        return sum(file.lstat().st_size for file in (path.rglob("*") if path.is_dir() else [path]))
    return 0


def find(name: str, runs: Sequence[Kept], root: Path) -> Kept:
    """Return the run of a folder's name, a unique part of it, or a path."""
    by_name = {kept.folder.name: kept for kept in runs}
    path = Path(name)
    exact = path.name if path.name in by_name and (path.name == name or path.resolve().parent == root.resolve()) else ""
    fitting = [exact] if exact else [each for each in by_name if name in each]
    if len(fitting) == 1:
        return by_name[fitting[0]]
    if fitting:
        raise Error(
            f"{name!r} is part of the names of {len(fitting)} runs, such as {', '.join(fitting[:3])}: give more"
        )
    near = get_close_matches(path.name, by_name, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise Error(f"no run {name!r} in {root}: {hint}kdlab runs list shows all")


def dependants(chosen: Iterable[Kept], runs: Iterable[Kept]) -> list[Kept]:
    """Return the other runs that stand on the chosen ones, however far up."""
    chosen = list(chosen)
    keys = {kept.key for kept in chosen}
    return [kept for kept in runs if kept not in chosen and keys & set(kept.stands_on.values())]


def garbage(runs: Iterable[Kept], root: Path) -> Iterator[tuple[Path, str]]:
    """Yield what no Config of today needs, run folders and files in them, and why.

    Runs by other code or versions, which `run` would train anew; damaged ones, and those without a checkpoint; what a
    killed process left. Runs of a method, network or data set that is not known here are a notebook's, and no garbage.
    """
    codes = functools.cache(_codes)
    for kept in runs:
        if kept.state == "training" or not FOLDER.fullmatch(kept.folder.name):
            continue
        mended = kept.state == "damaged" and kept.detail.startswith(DESCRIPTION)  # by `run`, which writes it anew
        if not _begun(kept.folder) or (kept.state == "damaged" and not mended):
            yield kept.folder, kept.detail
        elif kept.run and (why := _outdated(kept.run, codes)):
            yield kept.folder, why
        else:
            for file in left(kept.folder):
                if kept.state == "done" or file.suffix == ".tmp":
                    yield file, "half-written"
    now = hash_of(far_code())
    for path in sorted(root.glob("verify-*")):
        old = (match := VERIFY.fullmatch(path.name)) and match[1] != now
        if old and all(kept.state != "training" for kept in survey(path)):
            yield path, "checks of rows, by other code"
    for path in sorted(root.glob(".*")):
        if (match := HIDDEN.fullmatch(path.name)) and not RunLock(root / match[1]).owner() and path.exists():
            yield path, "of a process that was killed"


def of_another_version(run: Stored) -> str:
    """Return by which version a run is whose identity is made otherwise today."""
    fits = run.identity is not None and run.identity.get("version") == VERSION
    return "" if fits else f"by version {run.version or 'unknown'}"


def _outdated(run: Stored, codes: Callable[..., list[dict[str, Any]]]) -> str:
    """Return why no Config of today is this run; nothing is said of its images."""
    if why := of_another_version(run):
        return why
    for _, stage, _ in stages(run):
        names = {field: str(stage[field]).partition(":")[0] for field in TABLES if stage.get(field) is not None}
        if any(name not in TABLES[field] for field, name in names.items()):
            return ""
    try:
        chain = list(Config(**run.config).chain())
        for config, (_, _, about) in zip(chain, stages(run), strict=True):
            if json.loads(json.dumps(decisive(config))) != about["config"]:
                return "by other settings than its identity"
            if about["code"] not in codes(*(getattr(config, name) for name in CODED)):
                return f"by other code of {config.method}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return f"by settings that are refused today: {error}"
    return ""


def _codes(*values: Any) -> list[dict[str, Any]]:
    """Return the code of a Config with these values of CODED, for images of any style."""
    config = Config.model_construct(**dict(zip(CODED, values, strict=True)))
    return [loss_code(config, style) for style in AUGMENTATIONS]


def strange(path: Path) -> list[Path]:
    """Return what kdlab has not written in a run folder, or in one of run folders."""
    files, folders = list[Path](), VERIFY.fullmatch(path.name) is not None
    for entry in path.iterdir() if path.is_dir() and not path.is_symlink() else ():
        if folders and (HIDDEN.fullmatch(entry.name) or (entry.is_dir() and FOLDER.fullmatch(entry.name))):
            files += strange(entry)
        elif folders or entry.is_dir() or not (entry.name in FILES or PASSING.fullmatch(entry.name)):
            files.append(entry)
    return sorted(files)


def free(path: Path) -> None:
    """Remove what `garbage` named.

    An `Error` where somebody trains in it now, or has put something of his own there.
    """
    if files := strange(path):
        raise Error(f"{path.name} holds {files[0].name}, which kdlab has not written: it stays")
    hidden = HIDDEN.fullmatch(path.name)
    if path.is_dir() and not hidden:
        remove(path)
        return
    with _held(path.with_name(hidden[1]) if hidden else path.parent):
        _delete(path)


def remove(folder: Path) -> None:
    """Remove a run folder, for others in one step; an `Error` while it is trained."""
    hidden = folder.with_name(f".{folder.name}.removed")
    with _held(folder), machine_errors(folder):
        _delete(hidden)
        os.replace(folder, hidden)
        _delete(hidden)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    try:
        with RunLock(folder).hold(wait=False):
            yield
    except Timeout:
        raise Error(f"{folder.name} is being trained by another process: it stays") from None


def _delete(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
