"""Where things lie and what they may take: files, folders, environment variables.

All variables that kdlab reads are read here; `VARIABLES` lists them for `kdlab --help` and docs/configuration.md.
"""

import math
import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path

from .errors import Error

PACKAGE = Path(__file__).parents[1]
CGROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # of Linux
SHARE = 0.25  # of the machine's memory, which the images of one data set may take
MEGAPIXELS = 179  # of one image
MOST = 1024  # threads; more are a slip of the pen
# Environment variables, what they say, and what holds without them
VARIABLES = [
    ["`KDLAB_RUNS`", "where run folders lie", "`runs/` in the checkout; without one in the current folder"],
    ["`KDLAB_DATA`", "where data sets lie", "`data/` in the checkout; without one in the user's cache folder"],
    ["`KDLAB_CACHE`", "where decoded images are kept", "`decoded/` in the folder of data sets"],
    ["`KDLAB_FIGURES`", "where figures and your own evidence are written", "`figures/` in the runs folder"],
    ["`KDLAB_VENV`", "where `lab.py` makes its environment", "`.venv/` beside it"],
    [
        "`KDLAB_MEMORY`",
        "megabytes of memory for the images of a folder or of Tiny-ImageNet; larger sets are read from the disk",
        "a quarter of the memory",
    ],
    ["`KDLAB_MEGAPIXELS`", "millions of pixels that one image file may have", f"{MEGAPIXELS}"],
    ["`KDLAB_WORKERS`", "threads that decode photographs; 0: none but the one that trains", "one a processor"],
    ["`KDLAB_PROGRESS`", "0: no progress bars; 1: bars, also in a file", "bars in notebooks and on a terminal"],
    ["`KDLAB_WIDGETS`", "0: pictures in place of explorers, as on paper", "explorers where there is a kernel"],
]


def described() -> list[str]:
    """Return a phrase about each environment variable, for the command's help."""
    return [f"{name.strip('`')}: {what} (default: {default})".replace("`", "") for name, what, default in VARIABLES]


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set these environment variables inside the block, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


# What comes with the package


@cache
def checkout() -> Path | None:
    """Return the repository that the package is part of; None if it came as a wheel."""
    root = PACKAGE.parent
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return root if project.get("project", {}).get("name") == "kdlab" else None


def shipped() -> Path:
    """Return the folder of `notebooks/` and `figures/`: the checkout, or a wheel's."""
    return checkout() or PACKAGE / "shipped"


SHIPPED = shipped() / "figures"  # the committed figures, with the evidence in data/


def shipped_only() -> AbstractContextManager[None]:
    """Use only the tables that came with the package inside the block."""
    return environment(KDLAB_FIGURES=str(SHIPPED))


def _stamp(file: Path) -> tuple[int, int] | None:
    """Return when a file was changed last, and its size; None if it is gone."""
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


# The package's files when this process began to load them: a later edit changes none of its numbers
STAMPS = {file: _stamp(file) for file in PACKAGE.rglob("*.py")}


def edited(file: Path) -> bool:
    """Return whether a file of the package has changed since this process loaded it."""
    return file not in STAMPS or _stamp(file) != STAMPS[file]


# Folders


def folder_from(variable: str, default: Callable[[], Path]) -> Path:
    """Return the folder that an environment variable names, else `default()`."""
    text = os.environ.get(variable)
    if not text:
        return default()
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise Error(f"{variable}={text}: there is no such home folder, give another path") from None


def runs_root() -> Path:
    """Return where run folders lie: $KDLAB_RUNS, else `runs/` in the checkout.

    Without a checkout they lie in the current folder.
    """
    return folder_from("KDLAB_RUNS", lambda: (checkout() or Path.cwd()) / "runs")


def figures_root() -> Path:
    """Return where figures go: $KDLAB_FIGURES, else `figures/` in the runs folder.

    The numbers behind them go into its `data/`. Those that are committed with the notebooks are only replaced by
    `kdlab notebooks execute`.
    """
    return folder_from("KDLAB_FIGURES", lambda: runs_root() / "figures")


def data_root() -> Path:
    """Return where data sets lie: $KDLAB_DATA, else `data/` in the checkout.

    Without a checkout they lie in the user's cache folder.
    """
    from platformdirs import user_cache_path

    return folder_from("KDLAB_DATA", lambda: (checkout() or user_cache_path("kdlab", appauthor=False)) / "data")


def cache_root() -> Path:
    """Return where decoded images lie: $KDLAB_CACHE, else `decoded/` in the data root."""
    return folder_from("KDLAB_CACHE", lambda: data_root() / "decoded")


def located(path: str) -> Path:
    """Return the file or folder of own images at `path`, here or in the data root."""
    try:
        written = Path(path).expanduser()
        if written.exists():
            return written
        kept = data_root() / written
        return kept if kept.exists() else written
    except Error:  # of the data root
        raise
    except RuntimeError as error:  # "~name" of nobody, a link that leads to itself
        raise Error(f"{path}: {str(error).rstrip('.')}: write the whole path") from error
    except (OSError, ValueError) as error:  # a name that is too long, or that no system can have
        brief = f"{path[:60]}..." if len(path) > 60 else path
        why = getattr(error, "strerror", None) or error
        raise Error(f"{brief} is no path that can exist ({why}): write that of a folder or a file") from error


# Memory, processors, output


def memory_limit() -> int:
    """Return the bytes that the images of a data set may take in memory.

    $KDLAB_MEMORY megabytes, else a quarter of the memory. Larger data sets stream.
    """
    text = os.environ.get("KDLAB_MEMORY")
    if text is None:
        return round(SHARE * installed_memory())
    megabytes = _positive(text)
    if megabytes is None:
        raise Error(f"KDLAB_MEMORY={text}: give the megabytes that the images of a data set may take, such as 4000")
    return round(megabytes * 1e6)


def pixel_limit() -> int:
    """Return how many pixels one image may have: $KDLAB_MEGAPIXELS millions."""
    text = os.environ.get("KDLAB_MEGAPIXELS", str(MEGAPIXELS))
    millions = _positive(text)
    if millions is None:
        raise Error(f"KDLAB_MEGAPIXELS={text}: give the millions of pixels that one image may have, such as 400")
    return round(millions * 1e6)


def _positive(text: str) -> float | None:
    """Return a text as a number; None if it is none, or not positive and finite."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def installed_memory() -> int:
    """Return the bytes of memory in this machine, or that its container may take.

    16 GiB where the system does not say.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        memory = 16 << 30
    for limit in _group_limits():
        with suppress(OSError, ValueError):  # no such file, or "max"
            memory = min(memory, int(limit.read_text()))
    return memory


def _group_limits() -> Iterator[Path]:
    """Yield the files in which Linux limits the memory of this process.

    They are of its control groups, in version 2 or in version 1. The limit of a group holds for all groups below it. In
    a container the process's path may be that of the host, which is not there; what is mounted is then the container's
    own group.
    """
    kinds = {"": (CGROUPS, "memory.max"), "memory": (CGROUPS / "memory", "memory.limit_in_bytes")}
    for root, name in kinds.values():
        yield root / name
    with suppress(OSError, ValueError):
        for line in OWN_GROUP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for kind in set(controllers.split(",")) & set(kinds):
                root, name = kinds[kind]
                group = root / path.strip("/")
                yield from (each / name for each in (group, *group.parents) if each.is_relative_to(root))


def workers() -> int:
    """Return how many threads decode photographs.

    $KDLAB_WORKERS, else one a processor. 0: the thread that trains decodes them.
    """
    text = os.environ.get("KDLAB_WORKERS", str(processors()))
    if not text.isdecimal() or int(text) > MOST:
        raise Error(
            f"KDLAB_WORKERS={text}: give the number of threads that decode photographs, at most {MOST}; "
            "0: the one that trains does it"
        )
    return int(text)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bars() -> bool | None:
    """Return tqdm's `disable`: what KDLAB_PROGRESS says, else None.

    None shows bars in notebooks and on a terminal, and none in a file.
    """
    return {"0": True, "1": False}.get(os.environ.get("KDLAB_PROGRESS", ""))


def explorers_move() -> bool:
    """Return whether explorers can be moved: with KDLAB_WIDGETS=0 they are pictures."""
    return os.environ.get("KDLAB_WIDGETS") != "0"
