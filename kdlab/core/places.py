"""Where things lie: what comes with the package, what it writes, and the folders that environment variables name."""

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from .errors import Error

PACKAGE = Path(__file__).parents[1]


@cache
def checkout() -> Path | None:
    """The repository that the package is part of; None where it is installed without one, from a wheel."""
    root = PACKAGE.parent
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return root if project.get("project", {}).get("name") == "kdlab" else None


def shipped() -> Path:
    """The folder of `notebooks/` and `figures/`: the checkout, or where a wheel puts them."""
    return checkout() or PACKAGE / "shipped"


SHIPPED = shipped() / "figures"  # the committed figures, and the evidence under data/


def folder_from(variable: str, default: Callable[[], Path]) -> Path:
    """The folder that an environment variable names, `~` being the home folder; else `default()`."""
    text = os.environ.get(variable)
    if not text:
        return default()
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise Error(f"{variable}={text}: there is no such home folder, give another path") from None


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


def runs_root() -> Path:
    """Return where run folders lie: $KDLAB_RUNS, else `runs/` in the checkout or, without one, the current folder."""
    return folder_from("KDLAB_RUNS", lambda: (checkout() or Path.cwd()) / "runs")


def figures_root() -> Path:
    """Return where figures go, and the numbers behind them into `data/`: $KDLAB_FIGURES, else `figures/` in the runs.

    Those that are committed with the notebooks are only replaced by `kdlab notebooks execute`.
    """
    return folder_from("KDLAB_FIGURES", lambda: runs_root() / "figures")


def shipped_only() -> AbstractContextManager[None]:
    """Use only the tables that came with the package inside the block, without the user's own."""
    return environment(KDLAB_FIGURES=str(SHIPPED))


def downloads() -> Path:
    """Where data sets lie without a variable: `data/` in the checkout, else in the user's cache folder."""
    if root := checkout():
        return root / "data"
    from platformdirs import user_cache_path

    return user_cache_path("kdlab", appauthor=False) / "data"


def _stamp(file: Path) -> tuple[int, int] | None:
    """What changes with the content of a file: the time of its last change and its size; None where it is gone."""
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


STAMPS = {file: _stamp(file) for file in PACKAGE.rglob("*.py")}


def edited(file: Path) -> bool:
    """Whether a file of the package has changed since the process began to load the package."""
    return file not in STAMPS or _stamp(file) != STAMPS[file]


# Environment variables, what they say, and what holds without them
VARIABLES = [
    ["`KDLAB_RUNS`", "where run folders lie", "`runs/` in the checkout; without one in the current folder"],
    ["`KDLAB_DATA`", "where data sets lie", "`data/` in the checkout; without one in the user's cache folder"],
    ["`KDLAB_CACHE`", "where decoded images are kept", "`decoded/` in that"],
    ["`KDLAB_FIGURES`", "where figures and one's own evidence are written", "`figures/` in the runs folder"],
    ["`KDLAB_VENV`", "where `lab.py` makes its environment", "`.venv/` beside it"],
    [
        "`KDLAB_MEMORY`",
        "megabytes that decoded images of a folder, or of Tiny-ImageNet, may take; more streams",
        "a quarter of the memory",
    ],
    ["`KDLAB_MEGAPIXELS`", "millions of pixels that one image file may have", "179"],
    ["`KDLAB_WORKERS`", "threads that decode photographs; 0: none but the one that trains", "one a processor"],
    ["`KDLAB_PROGRESS`", "0: no progress bars; 1: bars, also in a file", "bars in notebooks and on a terminal"],
    ["`KDLAB_WIDGETS`", "0: pictures in place of explorers, as on paper", "explorers where there is a kernel"],
]


def described() -> list[str]:
    """The variables for the command's help, a phrase each."""
    return [f"{name.strip('`')}: {what} (default: {default})".replace("`", "") for name, what, default in VARIABLES]


def bars() -> bool | None:
    """What tqdm's `disable` is to be: None, off where it would write into a file, unless KDLAB_PROGRESS says it."""
    return {"0": True, "1": False}.get(os.environ.get("KDLAB_PROGRESS", ""))
