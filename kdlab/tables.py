"""Where figures and the numbers behind them go, and those that came with the package."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from .engine.store import runs_root
from .errors import Error

SHIPPED = Path(__file__).parents[1] / "figures"


def figures_root() -> Path:
    """Where figures go: $KDLAB_FIGURES, else `figures/` in the runs folder; the numbers behind them into `data/`.

    Those that are committed with the notebooks are only replaced by `kdlab notebooks execute`.
    """
    return Path(os.environ.get("KDLAB_FIGURES") or runs_root() / "figures")


@contextmanager
def shipped_only() -> Iterator[None]:
    """Inside, tables are those that came with the package, without one's own."""
    own = os.environ.get("KDLAB_FIGURES")
    os.environ["KDLAB_FIGURES"] = str(SHIPPED)
    try:
        yield
    finally:
        del os.environ["KDLAB_FIGURES"]
        if own is not None:
            os.environ["KDLAB_FIGURES"] = own


def places(name: str) -> list[Path]:
    """The files of table `name`: the one that came with the package and one's own, as far as they exist."""
    files = [root / "data" / f"{name}.csv" for root in dict.fromkeys((SHIPPED, figures_root()))]
    return [file for file in files if file.exists()]


def save_table(frame: pd.DataFrame, name: str) -> None:
    """Write the numbers behind a figure or a table as data/`name`.csv."""
    path = figures_root() / "data" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    frame.to_csv(temporary, lineterminator="\n", float_format="%.6g")
    os.replace(temporary, path)


def load_table(name: str) -> pd.DataFrame:
    """The numbers that `save_table` wrote as data/`name`.csv, else those that came with the package."""
    if not (files := places(name)):
        raise Error(f"no table {name!r} in {figures_root() / 'data'}; whatever measures it writes it there")
    return pd.read_csv(files[-1])
