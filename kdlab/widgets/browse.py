"""A browser of your runs: filter them, compare their curves, copy a Config."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from pydantic import ValidationError

from ..core.errors import Error, sentence
from ..core.places import runs_root
from ..engine.reading import log_lines, read_run
from ..engine.report import column_of, table
from ..experiment.config import Config
from ..plots.explorers import is_number, plot_browsed
from .frame import Explorer, Slider, Words, explore, in_gallery

PREDICT = "Filter for one method, and look from seed to seed: how far apart do curves end that differ in nothing else?"
MOST = 40  # curves in a picture


@in_gallery("all runs", "08_explorers")
def browse(where: str = "", column: str = "loss", run: int = 0) -> Explorer:
    """Show the finished runs, newest first: their curves, and the Config of one.

    `where` filters them by conditions on the columns of `kdlab.table()`, such as "method=kd seed=0"; text fits where it
    begins.
    """
    frame = table()
    if not len(frame):
        raise Error(f"no finished run in {runs_root()}: run one, then look at it here")
    frame = frame[::-1].reset_index(drop=True)

    def draw(where: str, column: str, run: int) -> tuple[plt.Figure, str]:
        fitting = _fitting(frame, where)
        row = fitting.iloc[min(run, len(fitting) - 1)]
        curves, columns = {}, dict[str, None]()
        for name in dict.fromkeys([row.folder, *fitting.folder[:MOST]]):
            lines = log_lines(runs_root() / name)
            columns |= {key: None for line in lines for key in line if key != "epoch" and is_number(line[key])}
            if points := [(line["epoch"], line[column]) for line in lines if is_number(line.get(column))]:
                curves[name] = points
        if not curves:
            raise Error(f"no log of these runs has a column {column!r}: there are {', '.join(columns)}")
        note = f"{len(fitting)} of {len(frame)} runs fit; this one:\n\n{_described(row.folder)}"
        return plot_browsed(curves, row.folder, column), note

    return explore(
        draw,
        "kdlab.widgets.browse({})",
        PREDICT,
        where=Words(where, hint="method=kd seed=0"),
        column=Words(column),
        run=Slider(min(run, len(frame) - 1), 0, len(frame) - 1, label="run, newest first"),
    )


def _described(name: str) -> str:
    """Return a run's Config as code, or its stored fields where they make no Config."""
    try:
        stored = read_run(runs_root() / name)
    except (Error, OSError) as error:
        return f"its settings cannot be read: {error}"
    if stored is None:
        return "it is gone"
    try:
        return repr(Config.model_validate(stored.config))
    except ValidationError as error:
        why = sentence(error, "Config", list(Config.model_fields))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = str(error) or type(error).__name__
    lines = [f"{field}={value!r}" for field, value in _settings(stored.config)]
    by = f" by kdlab {stored.version}" if stored.version else ""
    return "\n".join([f"no Config of this package ({why}); stored{by}:", *lines])


def _settings(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield fields with their values, those of its stages with dots."""
    for name, value in config.items():
        if isinstance(value, dict) and "method" in value:
            yield from _settings(value, f"{prefix}{name}.")
        elif value not in (None, {}, []):
            yield f"{prefix}{name}", value


def _fitting(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the rows that meet every condition."""
    for condition in where.split():
        name, sign, value = condition.partition("=")
        if not sign:
            raise Error(f"{condition!r}: give conditions as column=value, such as method=kd")
        frame = frame[frame[column_of(frame, name)].map(lambda known: _fits(known, value))]  # noqa: B023  # used at once
    if not len(frame):
        raise Error(f"no run fits {where!r}")
    return frame


def _fits(known: object, value: str) -> bool:
    try:
        return float(str(known)) == float(value)
    except ValueError:
        return str(known).startswith(value)
