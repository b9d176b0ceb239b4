"""Where figures and the numbers behind them go, and those that came with the package."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd

from .engine.store import environment, runs_root
from .errors import Error

SHIPPED = Path(__file__).parents[1] / "figures"


def figures_root() -> Path:
    """Where figures go: $KDLAB_FIGURES, else `figures/` in the runs folder; the numbers behind them into `data/`.

    Those that are committed with the notebooks are only replaced by `kdlab notebooks execute`.
    """
    return Path(os.environ.get("KDLAB_FIGURES") or runs_root() / "figures")


def shipped_only() -> AbstractContextManager[None]:
    """Inside, tables are those that came with the package, without one's own."""
    return environment(KDLAB_FIGURES=str(SHIPPED))


def file_of(name: str, root: Path | None = None) -> Path:
    """Where the table `name` lies under `root`, else in one's own place: "lsskd/table-2" in lsskd_table-2.csv."""
    return (root or figures_root()) / "data" / f"{name.replace('/', '_')}.csv"


def places(name: str) -> list[Path]:
    """The files of table `name`: the one that came with the package and one's own, as far as they exist."""
    files = [file_of(name, root) for root in dict.fromkeys((SHIPPED, figures_root()))]
    return [file for file in files if file.exists()]


def save_table(frame: pd.DataFrame, name: str) -> None:
    """Write the numbers behind a figure or a table as data/`name`.csv."""
    path = file_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    frame.to_csv(temporary, lineterminator="\n", float_format="%.6g")
    os.replace(temporary, path)


def load_table(name: str) -> pd.DataFrame:
    """The numbers that `save_table` wrote as data/`name`.csv, else those that came with the package."""
    if not (files := places(name)):
        raise Error(f"no table {name!r} in {figures_root() / 'data'}; whatever measures it writes it there")
    return pd.read_csv(files[-1])
