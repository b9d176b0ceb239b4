"""Where things lie: what comes with the package, what it writes, and the folders that environment variables name."""

import os
import tomllib
from collections.abc import Callable
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


def folder_from(variable: str, default: Callable[[], Path]) -> Path:
    """The folder that an environment variable names, `~` being the home folder; else `default()`."""
    text = os.environ.get(variable)
    if not text:
        return default()
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise Error(f"{variable}={text}: there is no such home folder, give another path") from None


def results(name: str) -> Path:
    """Where results go without a variable: `name` in the checkout, else in the current folder."""
    return (checkout() or Path.cwd()) / name


def downloads() -> Path:
    """Where data sets lie without a variable: `data/` in the checkout, else in the user's cache folder."""
    if root := checkout():
        return root / "data"
    from platformdirs import user_cache_path

    return user_cache_path("kdlab", appauthor=False) / "data"
