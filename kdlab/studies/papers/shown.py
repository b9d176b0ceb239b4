"""Cells, what was printed in them and what was measured, as lines for a terminal of 120 columns."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from ...engine.report import tidy
from .cells import Cell
from .published import UNITS, Table

COLUMNS = 120
WHICH = {
    "last": "after the last epoch",
    "best_val": "after the epoch that is best on validation images",
    "best_test": "after the epoch that is best on test images, as many papers report it",
}
HEAD = ("last", "best val", "best test", "n", "seconds")


class Sheet(NamedTuple):
    """What is shown of a replication; the names are its own."""

    name: str
    budget: str
    source: Table
    scale: str
    usual: str
    cells: Sequence[Cell]
    measured: Sequence[Mapping[str, Any]]
    typed: Mapping[str, str]
    questions: int
    data: str  # the data sets that it is run on


def cells(study: Sheet) -> str:
    """All cells, group by group: what was printed, what was measured, and the fields of the run."""
    protocols = {cell.protocol for cell in study.cells if cell.protocol}
    shared = protocols.pop() if len(protocols) == 1 else ""
    table = [
        (f"  {label(study, cell)}", value_of(cell), whose_of(cell, shared), *_here(found))
        for cell, found in zip(study.cells, study.measured, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(("", "", "", *HEAD), *table, strict=True)]
    if below := sum(width + 2 for width in widths if width) - 2 > COLUMNS:  # no room for protocols beside the numbers
        table = [(line[0], line[1], cell.whose, *line[3:]) for line, cell in zip(table, study.cells, strict=True)]
        widths[2] = max(len(cell.whose) for cell in study.cells)
    longest = max(len(cell.group) for cell in study.cells) + 2
    widths[0] += max(0, longest - sum(width + 2 for width in widths[:3] if width))
    gap = sum(width + 2 for width in widths[:3] if width)
    head = "  ".join(f"{name:>{width}}" for name, width in zip(HEAD, widths[3:], strict=True))
    lines = [*_heading(study, shared), *_legend(study)]
    for group in dict.fromkeys(cell.group for cell in study.cells):
        lines += ["", f"{group:{gap}}{head}"]
        told = set[str]()
        for cell, line in zip(study.cells, table, strict=True):
            if cell.group != group:
                continue
            each = [
                t.rjust(w) if k == 1 or k > 2 else t.ljust(w) for k, (t, w) in enumerate(zip(line, widths, strict=True))
            ]
            lines.append("  ".join(text for text, width in zip(each, widths, strict=True) if width))
            more = [whose_of(cell._replace(whose=""), shared)] if below else []
            more += [study.typed[cell.system] if cell.system else f"nothing to run: {cell.why}"]
            more += [f"note: {cell.note}"] if cell.note else []
            lines += [part for text in more if text not in told for part in _wrapped(text, "      ")]
            told |= set(more if cell.system else ())
    asked = f"\n{study.questions} questions: kdlab study answers {study.name} --budget {study.budget}"
    return "\n".join([*lines, *([asked] if study.questions else [])])


def grids(study: Sheet) -> str:
    """Rows by groups: what was printed, and below it what was measured."""
    frames = {f"printed, {metric_of(study)}": [cell.value for cell in study.cells]}
    for which, title in WHICH.items():
        frames[f"here, {title}"] = [found.get(which, math.nan) for found in study.measured]
    lines, names = _heading(study, ""), [(label(study, cell), cell.group) for cell in study.cells]
    for title, values in frames.items():
        given = pd.Series(values, pd.MultiIndex.from_tuples(names)).dropna()
        if len(given):
            lines += ["", f"{title}:", *_grid(given)]
            lines += _sources(study) if title.startswith("printed") else []
    return "\n".join([*lines, "", *_wrapped(f"{state(study)}; {command(study)} adds to it", "")])


def state(study: Sheet) -> str:
    """How much of it was measured."""
    seeds = [found["n"] for found in study.measured if found]
    told = "1 seed a cell was" if set(seeds) == {1} else f"{seeds_of(seeds)} seeds a cell were"
    return f"{told} measured" if seeds else "nothing was measured so far"


def command(study: Sheet) -> str:
    """What measures more of it."""
    return f"kdlab study run {study.name} --budget {study.budget}"


def seeds_of(counts: Sequence[int]) -> str:
    """Numbers of seeds in a word: "3", "1 to 3"."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}" if low == high else f"{low} to {high}"


def _sources(study: Sheet) -> list[str]:
    """Whose the printed numbers are and which epoch counts, with the rows of each where they differ."""
    found: dict[str, list[str]] = {}
    for cell in filter(is_printed, study.cells):
        found.setdefault(whose_of(cell), []).append(label(study, cell))
    told = {whose: f": {', '.join(dict.fromkeys(rows))}" if len(found) > 1 else "" for whose, rows in found.items()}
    return [part for whose, rows in told.items() for part in _wrapped(f"{whose}{rows}", "")]


def _grid(given: "pd.Series[float]") -> list[str]:
    """A table of two indices, as many columns beside each other as fit."""
    wide = tidy(given.unstack(sort=False), digits=2)  # noqa: PD010  # pairs are unique
    column = [f"{name}".split(" of ") for name in wide]
    head = [[name[0] for name in column], [f"of {name[1]}" if len(name) > 1 else "" for name in column]]
    first = max(len(str(row)) for row in wide.index)
    widths = [max(7, *(len(part[k]) for part in head)) for k in range(len(column))]
    lines, start = [], 0
    while start < len(column):
        stop = start + 1
        while stop < len(column) and first + sum(w + 2 for w in widths[start : stop + 1]) <= COLUMNS:
            stop += 1
        rows = [("", part[start:stop]) for part in head if any(part)]
        rows += [(str(row), wide.iloc[k, start:stop].tolist()) for k, row in enumerate(wide.index)]
        for name, values in rows:
            told = "".join(f"  {v:>{w}}" for v, w in zip(values, widths[start:stop], strict=True))
            lines.append(f"{name:{first}}{told}".rstrip())
        start = stop
        lines += [""] if start < len(column) else []
    return lines


def _heading(study: Sheet, protocol: str) -> list[str]:
    source = study.source
    lines = [f"{study.name}: {source.title} ({source.paper})", *([f"note: {source.note}"] if source.note else [])]
    lines += [study.scale, *([f"all runs, where nothing else is said: {study.usual}"] if study.usual else [])]
    lines += [f"protocol of what is printed: {protocol}"] if protocol else []
    return [part for line in lines for part in _wrapped(line, "")]


def _legend(study: Sheet) -> list[str]:
    """What the columns and the lines below a cell are."""
    columns = {cell.column for cell in study.cells}
    run = "fields of the run and its stages" if study.usual else "what kdlab run takes"
    printed = f"{metric_of(study)} as printed, whose it is, its protocol; " if any(map(is_printed, study.cells)) else ""
    what = f" of {columns.pop()}" if len(columns) == 1 else ""
    return _wrapped(
        f"columns: {printed}measured here, means{what} over n seeds, {'; '.join(WHICH.values())}; seconds of the last "
        f"stage; below each cell: {run}",
        "",
    )


def _wrapped(text: str, indent: str) -> list[str]:
    """Within the columns; names that are longer stay whole, so that they can be copied."""
    more = indent if indent else "  "
    return textwrap.wrap(
        text, COLUMNS, initial_indent=indent, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )


def is_printed(cell: Cell) -> bool:
    """Whether its number was published."""
    return not math.isnan(cell.value)


def metric_of(study: Sheet) -> str:
    """What most of its numbers are."""
    return next(filter(is_printed, study.cells), study.cells[0]).metric


def label(study: Sheet, cell: Cell) -> str:
    """The row, with metric and unit of a printed number where they are others than the first one's."""
    other = is_printed(cell) and cell.metric != metric_of(study)
    return ", ".join(filter(None, (cell.row, cell.metric, UNITS[cell.metric]))) if other else cell.row


def value_of(cell: Cell) -> str:
    """Its number as printed, with the ± that was printed."""
    return "" if math.isnan(cell.value) else f"{cell.value:.2f}" + (f" ± {cell.spread:.2f}" if cell.spread > 0 else "")


def whose_of(cell: Cell, shared: str = "") -> str:
    """Whose a printed number is, of how many runs, and its protocol where that is not the `shared` one."""
    protocol = {"unstated": "protocol unstated", shared: ""}.get(cell.protocol, cell.protocol)
    return "; ".join(filter(None, (cell.whose, f"n = {cell.n}" if cell.n else "", protocol)))


def _here(found: Mapping[str, Any]) -> list[str]:
    """What was measured, in the order of HEAD."""
    scores = [f"{found[which]:.2f}" if which in found else "-" for which in WHICH]
    return [*scores, f"{found.get('n', 0)}", f"{found['seconds']:,.0f}" if found else "-"]
