"""Cells of a published experiment for a notebook: what was printed and, apart from it, what was measured here."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from string import ascii_lowercase
from typing import Any

import pandas as pd

from .cells import Cell
from .published import UNITS
from .shown import Sheet, command, is_printed, label, metric_of, seeds_of, state, value_of, whose_of

FEW = 12  # cells that stand one in a line
BEST = {"best_val": "best epoch on validation", "best_test": "best epoch on test"}
NOTHING, GAP = "&ndash;", "&nbsp;"
# Both, for pages that drop styles and pages whose styles come first
LEFT, RIGHT, CENTRE = (f'align="{side}" style="text-align: {side}"' for side in ("left", "right", "center"))
Found = Mapping[str, Any]


class Page:
    """Something to read: tables in a notebook, lines anywhere else."""

    def __init__(self, html: str, text: str) -> None:
        self.html, self.text = html, text

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


class Notes(dict[str, str]):
    """What stands below a table, by its letter."""

    def mark(self, text: str) -> str:
        """The letter of a note, as it is set behind a number; nothing for no note."""
        turn, letter = divmod(len(self), 26)
        name = ascii_lowercase[turn - 1] * bool(turn) + ascii_lowercase[letter]
        return f"<sup>{self.setdefault(text, name)}</sup>" if text else ""

    def told(self) -> str:
        """All notes in a paragraph."""
        notes = "; ".join(f"<sup>{letter}</sup> {escape(text)}" for text, letter in self.items())
        return f"<p>{notes}</p>" if notes else ""


def where(study: Sheet) -> str:
    """On which data its systems are run, and whether that is the published experiment."""
    return f"{study.data}, {'as published' if study.budget == 'paper' else 'scaled down'}"


def frame(study: Sheet) -> pd.DataFrame:
    """A row a cell; what was printed and what was measured stand in columns of two heads."""
    there, here = "printed", f"here, {where(study)}"
    about, told = ("whose", "protocol", "note"), ("last", "± 95 %", *BEST)
    columns = {
        (there, "metric"): [cell.metric if is_printed(cell) else "" for cell in study.cells],
        (there, "value"): [cell.value for cell in study.cells],
        **{(there, name): [getattr(cell, name) for cell in study.cells] for name in about},
        **{(here, name.replace("_", " ")): [found.get(name, math.nan) for found in study.measured] for name in told},
        (here, "n"): [found.get("n", 0) for found in study.measured],
    }
    names = [(cell.group, label(study, cell)) for cell in study.cells]
    return pd.DataFrame(columns, index=pd.MultiIndex.from_tuples(names, names=["group", "row"]))


def html(study: Sheet) -> str:
    """Few cells a line each, many as two grids, rows by groups."""
    source, few = study.source, len(study.cells) <= FEW
    title = f"<p><b>{escape(study.name)}</b>: {escape(f'{source.title} ({source.paper})')}"
    note = f"<br><i>{escape(source.note)}</i>" if source.note else ""
    scale, more = f"<p><i>{escape(study.scale)}.</i></p>", f"<code>{command(study)}</code> adds to it"
    body = [_lines(study), scale] if few else [_printed(study), scale, _measured(study)]
    return "\n".join([f"{title}{note}</p>", *body, f"<p>{state(study)}; {more}.</p>"])


def _lines(study: Sheet) -> str:
    """A line a cell: on the left what was printed, on the right what was measured."""
    notes, is_there, several = Notes(), any(map(is_printed, study.cells)), len({cell.group for cell in study.cells}) > 1
    body = []
    for cell, found in zip(study.cells, study.measured, strict=True):
        whose = escape(whose_of(cell._replace(protocol="")))
        own = [value_of(cell) + notes.mark(cell.note), whose, escape(cell.protocol), GAP]
        best = [f"{found[name]:.1f}" if name in found else NOTHING * bool(cell.system) for name in BEST]
        n = f"{found.get('n', 0)}" if cell.system else ""
        line = [_named(study, cell), *([escape(cell.group)] * several), *(own if is_there else [])]
        body.append([*line, _mean(cell, found, notes), *best, n])
    first = 1 + several
    above, below = ([(_there(study), 3), (GAP, 1)], ["value", "whose", "protocol", GAP]) if is_there else ([], [])
    below = [*[""] * first, *below, "last epoch, %", *BEST.values(), "n"]
    head = [[*[("", 1)] * first, *above, (_here(study), 4)], [(name, 1) for name in below]]
    return _table(head, body, {*range(first), *([first + 1, first + 2] if is_there else [])}) + notes.told()


def _printed(study: Sheet) -> str:
    """Rows by groups as printed; above rows of one source whose their numbers are, and which epoch counts."""
    rows, groups = _grid(study, filter(is_printed, study.cells))
    notes, body = Notes(), list[list[str]]()
    for whose, those in groupby(rows.items(), lambda row: _whose(row[1].values())):
        body.append([f"<i>{whose}</i>"])
        for name, cells in those:
            values = [value_of(cells[g]) + notes.mark(cells[g].note) if g in cells else "" for g in groups]
            body.append([name, *values])
    return _table([[("", 1), (_there(study), len(groups))], _heads(groups)], body, {0}) + notes.told()


def _measured(study: Sheet) -> str:
    """Rows by groups as measured, as far as they can be; on the right what other epochs than the last would add."""
    if not any(study.measured):
        return f"<p>{_here(study)}: n = 0 in every cell.</p>"
    rows, _ = _grid(study, study.cells)
    run = {name: cells for name, cells in rows.items() if any(cell.system for cell in cells.values())}
    groups = list(dict.fromkeys(g for cells in run.values() for g, cell in cells.items() if cell.system))
    of_cell = dict(zip(study.cells, study.measured, strict=True))
    notes, body = Notes(), []
    for name, cells in run.items():
        line = [_mean(cells[g], of_cell[cells[g]], notes) if g in cells else "" for g in groups]
        found = [of_cell[cell] for cell in cells.values() if cell.system]
        n = seeds_of([each.get("n", 0) for each in found]).replace(" ", GAP)
        body.append([name, *line, n, *(_more(found, which) for which in BEST)])
    title = f"{_here(study)}; last epoch in %, mean ± 95 % interval"
    best = [(name.replace("_", " "), 1) for name in BEST]
    head = [[("", 1), (title, len(groups)), ("", 1), ("more in the epoch", 2)], [*_heads(groups), ("n", 1), *best]]
    left: dict[str, list[str]] = {}
    for name in (name for name in rows if name not in run):
        left.setdefault(next(iter(rows[name].values())).why, []).append(name)
    told = "; ".join(f"{', '.join(names)} ({escape(why)})" for why, names in left.items())
    return _table(head, body, {0}) + notes.told() + (f"<p>not run: {told}</p>" if told else "")


def _grid(study: Sheet, cells: Iterable[Cell]) -> tuple[dict[str, dict[str, Cell]], list[str]]:
    """Cells by row and group, and the groups."""
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(_named(study, cell), {})[cell.group] = cell
    return rows, list(dict.fromkeys(group for each in rows.values() for group in each))


def _heads(groups: Sequence[str]) -> list[tuple[str, int]]:
    """A head for each group, the second network below the first."""
    names = [re.sub("_(?=[a-z])", "_<wbr>", escape(group)) for group in groups]  # long ones may be broken there
    return [("", 1), *((name.replace(" of ", f"<br>of{GAP}", 1), 1) for name in names)]


def _named(study: Sheet, cell: Cell) -> str:
    """The row, with its unit where that is not the table's."""
    return escape(label(study, cell))


def _there(study: Sheet) -> str:
    unit = UNITS.get(metric_of(study), "")
    return f"<b>printed</b>: {escape(study.source.paper)}; {metric_of(study)}{f' in {unit}' if unit else ''}"


def _here(study: Sheet) -> str:
    return f"<b>measured here</b>: {escape(where(study))}"


def _whose(cells: Iterable[Cell]) -> str:
    """Whose the numbers of a row are and which epoch counts; by student where they differ."""
    told: dict[str, list[str]] = {}
    for cell in cells:
        told.setdefault(whose_of(cell), []).append(cell.group.partition(" of ")[0])
    return "<br>".join(escape(f"{', '.join(of)}: {whose}" if len(told) > 1 else whose) for whose, of in told.items())


def _mean(cell: Cell, found: Found, notes: Notes) -> str:
    if not cell.system:
        return f"not run{notes.mark(cell.why)}"
    width = found.get("± 95 %", math.nan)
    return (
        NOTHING
        if "last" not in found
        else f"{found['last']:.1f}" + ("" if math.isnan(width) else f"{GAP}±{GAP}{width:.1f}")
    )


def _more(found: Iterable[Found], which: str) -> str:
    """What another epoch than the last has more, on average over a row."""
    gained = [each[which] - each["last"] for each in found if {which, "last"} <= set(each)]
    return f"{sum(gained) / len(gained):+.1f}" if gained else NOTHING


def _table(head: Sequence[Sequence[tuple[str, int]]], body: Sequence[Sequence[str]], words: Collection[int]) -> str:
    """Lines below heads, each over some columns; a line of one is over all, columns of `words` begin on the left."""
    over = sum(span for _, span in head[0])
    lines = [[f'<th colspan="{span}" {CENTRE}>{text}</th>' for text, span in row] for row in head]
    for row in body:
        if len(row) == 1:
            lines.append([f'<td colspan="{over}" {LEFT}>{row[0]}</td>'])
            continue
        first = f"<th {LEFT}>{row[0]}</th>"
        lines.append([first, *(f"<td {LEFT if i in words else RIGHT}>{row[i]}</td>" for i in range(1, len(row)))])
    rows = [f"<tr>{''.join(line)}</tr>" for line in lines]
    return "\n".join(['<table border="1" class="dataframe">', *rows, "</table>"])
