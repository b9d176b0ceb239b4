"""A browser of one's own runs: filter them, lay their curves over one another, copy a Config."""

import json

import matplotlib.pyplot as plt
import pandas as pd

from ..config import Config
from ..engine.store import log_lines, runs_root
from ..errors import Error
from ..plots.explorers_runs import plot_browsed
from ..report import table
from .controls import Slider, Words
from .frame import Explorer, explore

PREDICT = "Filter for one method, and look from seed to seed: how far apart do curves end that differ in nothing else?"
MOST = 40  # curves in a picture


def browse(where: str = "", column: str = "loss", run: int = 0) -> Explorer:
    """The finished runs of the runs folder, newest first: those that `where` fits, their curves, one run's Config.

    `where` holds conditions on the columns of `kdlab.table()`, such as "method=kd seed=0"; text fits where it begins.
    """
    frame = table()
    if not len(frame):
        raise Error(f"no finished run in {runs_root()}: run one, then look at it here")
    frame = frame[::-1].reset_index(drop=True)

    def draw(where: str, column: str, run: int) -> tuple[plt.Figure, str]:
        found = _fitting(frame, where)
        row = found.iloc[min(run, len(found) - 1)]
        shown = dict.fromkeys([row.folder, *found.folder[:MOST]])
        curves = {name: points for name in shown if (points := _curve(name, column))}
        if not curves:
            raise Error(f"no log of these runs has a column {column!r}: there are {', '.join(_columns(list(shown)))}")
        config = Config.model_validate(json.loads((runs_root() / row.folder / "config.json").read_text())["config"])
        told = f"{len(found)} of {len(frame)} runs fit; this one:\n\n{config!r}"
        return plot_browsed(curves, row.folder, column), told

    return explore(
        draw, "kdlab.widgets.browse({})", PREDICT, where=Words(where, hint="method=kd seed=0"), column=Words(column),
        run=Slider(min(run, len(frame) - 1), 0, len(frame) - 1, label="run, newest first"),
    )  # fmt: skip


def _fitting(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """The rows that meet every condition."""
    for condition in where.split():
        name, sign, value = condition.partition("=")
        if not sign or name not in frame:
            raise Error(f"{condition!r}: give conditions as column=value, with columns {', '.join(map(str, frame))}")
        frame = frame[frame[name].map(lambda known: _fits(known, value))]  # noqa: B023  # used at once
    if not len(frame):
        raise Error(f"no run fits {where!r}")
    return frame


def _fits(known: object, value: str) -> bool:
    try:
        return float(str(known)) == float(value)
    except ValueError:
        return str(known).startswith(value)


def _columns(folders: list[str]) -> list[str]:
    lines = [line for folder in folders for line in log_lines(runs_root() / folder)]
    return list(dict.fromkeys(name for line in lines for name in line if name != "epoch"))


def _curve(folder: str, column: str) -> list[tuple[float, float]]:
    return [(line["epoch"], line[column]) for line in log_lines(runs_root() / folder) if column in line]
