"""Replications of published experiments, and their pages: HTML, lines and data.

A page is written once, as paragraphs and tables, and set twice: in HTML and in lines. No column of it holds both what
was printed and what was measured here.
"""

import math
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby, zip_longest
from string import ascii_lowercase
from typing import Any, NamedTuple

import pandas as pd

from ...core.errors import Error
from ...engine.report import interval
from ...engine.result import Result
from ..study import Study
from .published import METRIC, TABLES, UNITS, Cell, Table, published

COLUMNS = 120  # of a terminal
RECORD = 10_000  # of a line that stays whole, so that one finds a number with all that is said of it
FEW = 12  # cells that stand one in a line
BEST = {"best_val": "best epoch on validation", "best_test": "best epoch on test"}
NOTHING, GAP = "\u2013", "\u00a0"
OF = f"\nof{GAP}"  # the second network stands below the first
# Both, for pages that drop styles and pages whose styles come first
LEFT, RIGHT, CENTRE = (f'align="{side}" style="text-align: {side}"' for side in ("left", "right", "center"))
ABOUT = (
    "dataset",
    "teacher",
    "student",
    "method",
    "condition",
    "value",
    "metric",
    "n",
    "provenance",
    "protocol",
    "source",
)
NOWHERE = Table("", "")
Measured = Mapping[str, Any]  # of a cell, by name: see `Replication.measured`


class Grid(NamedTuple):
    """A table of texts: heads, titles above several of them, and rows.

    A row of one text stands across all columns; columns of `words` begin on the left. "^a" refers to note a.
    """

    above: Sequence[tuple[str, int]]
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Collection[int] = (0,)
    width: int = COLUMNS  # of its lines: columns that do not fit stand below the others


Blocks = Sequence[Grid | str]


@dataclass(frozen=True)
class Page:
    """Something to read: tables in a notebook, lines anywhere else."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


class Notes(dict[str, str]):
    """What stands below a table, by its letter."""

    def mark(self, text: str) -> str:
        """Return the mark of a note, to be set behind a number; nothing for no note."""
        turn, letter = divmod(len(self), 26)
        name = ascii_lowercase[turn - 1] * bool(turn) + ascii_lowercase[letter]
        return f"^{self.setdefault(text, name)}" if text else ""

    def paragraphs(self) -> list[str]:
        """Return all notes in a paragraph, if there are any."""
        return ["; ".join(f"^{letter} {text}" for text, letter in self.items())] if self else []


@dataclass(frozen=True)
class Replication(Study):
    """A study that repeats a published experiment, cell by cell, at a `budget`.

    At "paper" it is the published experiment; at "lab" and "smoke" the same scaled down, of which nothing compares with
    the published numbers. `typed`: the fields of each system as one types them, but for `usual` ones, which nearly all
    have.
    """

    cells: Sequence[Cell] = ()
    source: Table = NOWHERE
    budget: str = "lab"
    usual: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)

    def matching(self, text: str) -> list[str]:
        """Return matching systems; say why where a row cannot be run."""
        try:
            return super().matching(text)
        except Error:
            whys = {name.casefold(): cell.why for cell in self.cells for name in (cell.row, cell.group) if cell.why}
            if why := whys.get(text.casefold()):
                raise Error(f"{text}: nothing to run, {why}") from None
            raise

    def measured(self) -> list[dict[str, Any]]:
        """Return what the evidence has for each cell, by name.

        "last", the mean of the last epoch; "± 95 %", its interval; "best_val" and "best_test", means of the epochs that
        are best on validation and on test images; "n"; "seconds" of the last run of a chain.

        A name is missing where nothing was measured. Where test scores are not logged by epoch, `last` is of the epoch
        that early stopping put back.
        """
        rows = self.rows()
        return [_measured(cell, rows[rows.system == cell.system]) for cell in self.cells]

    @property
    def where(self) -> str:
        """The data, and whether this is the published experiment."""
        data = ", ".join(dict.fromkeys(config.dataset for config in self.systems.values()))
        return f"{data}, {'as published' if self.budget == 'paper' else 'scaled down'}"

    def table(
        self,
        metric: str | None = None,
        baseline: str | None = None,
        systems: Iterable[str] = (),
        live: Mapping[str, Sequence[Result]] | None = None,
    ) -> pd.DataFrame:
        """Return a row a cell: columns "printed", and columns "here".

        With a metric, a baseline, systems or `live` it is the table of every study, of what was measured alone.
        """
        if metric or baseline or live is not None or (systems := list(systems)):
            return super().table(metric, baseline, systems, live)
        measured = pd.DataFrame(self.measured(), columns=["last", "± 95 %", *BEST, "n"]).fillna({"n": 0})
        measured = measured.astype({"n": int}).rename(columns=lambda name: name.replace("_", " "))
        printed = pd.DataFrame(self.cells)[["metric", "value", "whose", "protocol", "note"]]
        printed["metric"] = printed.metric.where(printed.value.notna(), "")
        frame = pd.concat({"printed": printed, f"here, {self.where}": measured}, axis=1)
        names = [(cell.group, _label(self, cell)) for cell in self.cells]
        return frame.set_axis(pd.MultiIndex.from_tuples(names, names=["group", "row"]))

    def page(self) -> Page:
        """Return its table for a notebook: as printed, and as measured here.

        In a notebook few cells stand in a line each and many in two grids; in a terminal all stand in two grids.
        """
        measured, source = self.measured(), self.source
        counts = [each["n"] for each in measured if each]
        state = f"{_range(counts)} seeds a cell were measured" if counts else "nothing was measured so far"
        if set(counts) == {1}:
            state = "1 seed a cell was measured"
        command = f"kdlab study run {self.name} --budget {self.budget}"
        above, below = _printed(self), _measured_here(self, measured)
        lines = [line for block in (*above, *below) for line in (*_ruled(block), "")]
        text = [*_heading(self), "", *lines, *_wrapped(f"{state}; {command} adds to it")]
        if len(self.cells) <= FEW:
            above, below = _lines(self, measured), []
        note = f"<br><i>{escape(source.note)}</i>" if source.note else ""
        html = [
            f"<p><b>{escape(self.name)}</b>: {escape(f'{source.title} ({source.paper})')}{note}</p>",
            *map(_html, above),
            f"<p><i>{escape(self.scale)}.</i></p>",
            *map(_html, below),
            f"<p>{state}; <code>{command}</code> adds to it.</p>",
        ]
        return Page("\n".join(html), "\n".join(text))

    def tabulated(self, metric: str | None = None, baseline: str | None = None) -> str:
        """Return its table as lines; with a metric or a baseline that of every study."""
        return super().tabulated(metric, baseline) if metric or baseline else repr(self.page())

    def text(self) -> str:
        """Return all cells as lines, by group.

        Each with what was printed, what was measured, and the fields of its run.
        """
        protocols = {cell.protocol for cell in self.cells if cell.protocol}
        shared = protocols.pop() if len(protocols) == 1 else ""
        rows, of_cells = list[list[str]](), self.measured()
        for group in dict.fromkeys(cell.group for cell in self.cells):
            rows += [[""], [group, "", "", "last", "best val", "best test", "n", "seconds"]]
            below = set[str]()
            for cell, measured in zip(self.cells, of_cells, strict=True):
                if cell.group != group:
                    continue
                scores = [f"{measured[name]:.2f}" if name in measured else "-" for name in ("last", *BEST)]
                scores += [f"{measured.get('n', 0)}", f"{measured['seconds']:,.0f}" if measured else "-"]
                rows.append([f"  {_label(self, cell)}", value_of(cell), whose_of(cell, cell.protocol), *scores])
                fields = self.typed[cell.system] if cell.system else f"nothing to run: {cell.why}"
                note = f"note: {cell.note}" * bool(cell.note)
                about = [whose_of(cell._replace(whose="", n=None), shared), fields, note]
                rows += [[f"      {text}"] for text in about if text and text not in below]
                below |= set(about)
        lines = [*_heading(self), *_wrapped(f"protocol of what is printed: {shared}" * bool(shared))]
        lines += [*_wrapped(_legend(self)), *_ruled(Grid([], [], rows, {0, 2}, RECORD)), ""]
        questions = f"{len(self.questions)} questions: kdlab study answers {self.name} --budget {self.budget}"
        return "\n".join([*lines, *([questions] if self.questions else [])])


def _measured(cell: Cell, rows: pd.DataFrame) -> dict[str, Any]:
    if not cell.system or not len(rows):
        return {}
    name = METRIC.get(cell.metric, "")
    columns = {which: f"track/{name}/{which}" for which in ("last", "best_val", "best_test")}
    if columns["last"] not in rows or rows[columns["last"]].isna().any():
        columns["last"] = cell.column
    means = {which: rows[column].mean() for which, column in columns.items() if column in rows}
    sign, at = (-1, 100) if cell.metric == "error" else (1, 0)
    values = {which: at + sign * mean for which, mean in means.items() if not math.isnan(mean)}
    if "last" in values:
        values["± 95 %"] = interval(rows[columns["last"]].dropna().tolist())[1]
    return {**values, "n": len(rows), "seconds": rows.seconds.mean()}


def reference(name: str) -> str:
    """Return a published table that no study repeats, as lines.

    Above them stands what all its numbers have in common.
    """
    rows, about = published(name), TABLES[name]
    texts = rows.assign(
        n=rows.n.astype("string").fillna(""),
        value=[f"{v:g}" + (f" ± {s:g}" if s > 0 else "") for v, s in zip(rows.value, rows.spread, strict=True)],
        metric=[", ".join(filter(None, (metric, UNITS[metric]))) for metric in rows.metric],
    )
    columns = [column for column in ABOUT if column in ("method", "value") or len(set(texts[column])) > 1]
    shared = [f"{c}: {texts[c].iloc[0]}" for c in (*ABOUT, "note") if len(set(texts[c])) == 1 and c not in columns]
    body: list[list[str]] = []
    for row in texts.to_dict("records"):
        body.append([row[column] for column in columns])
        if row["note"] and len(set(texts.note)) > 1:
            body.append([f"    note: {row['note']}"])
    lines = [f"{name}: {about.title} ({about.paper})", f"note: {about.note}" * bool(about.note)]
    lines += [
        "; ".join(text for text in shared if not text.endswith(": ")),
        "printed numbers alone: no study repeats this table",
    ]
    head = [part for line in lines for part in _wrapped(line)]
    return "\n".join([*head, "", *_ruled(Grid([], columns, body, range(len(columns)), RECORD))]).rstrip()


def is_printed(cell: Cell) -> bool:
    """Return whether its number was published."""
    return not math.isnan(cell.value)


def _label(study: Replication, cell: Cell) -> str:
    """Return the row, with metric and unit where the table has another one."""
    other = is_printed(cell) and cell.metric != _metric(study)
    return ", ".join(filter(None, (cell.row, cell.metric, UNITS[cell.metric]))) if other else cell.row


def value_of(cell: Cell) -> str:
    """Return its number as printed, with the ± that was printed."""
    return "" if math.isnan(cell.value) else f"{cell.value:.2f}" + (f" ± {cell.spread:.2f}" if cell.spread > 0 else "")


def whose_of(cell: Cell, shared: str = "") -> str:
    """Return provenance, runs, and the protocol where it is not the `shared` one."""
    protocol = {"unstated": "protocol unstated", shared: ""}.get(cell.protocol, cell.protocol)
    return "; ".join(filter(None, (cell.whose, f"n = {cell.n}" if cell.n else "", protocol)))


def _heading(study: Replication) -> list[str]:
    """Return lines that say what it is and at which scale."""
    source = study.source
    lines = [f"{study.name}: {source.title} ({source.paper})", f"note: {source.note}" * bool(source.note), study.scale]
    lines += [f"all runs, where nothing else is said: {study.usual}"] if study.usual else []
    return [part for line in lines for part in _wrapped(line)]


def _legend(study: Replication) -> str:
    """Return what the columns of a listing are, and the lines below a cell."""
    columns = {cell.column for cell in study.cells}
    what = f" of {columns.pop()}" if len(columns) == 1 else ""
    printed = f"{_metric(study)} as printed, whose it is; " if any(map(is_printed, study.cells)) else ""
    run = "fields of the run and its stages" if study.usual else "what kdlab run takes"
    return (
        f"columns: {printed}measured here, means{what} over n seeds after the last epoch, after the epoch that is best "
        "on validation images, and after the one that is best on test images, as many papers report it; seconds of the "
        f"last stage; below each cell: protocols that are not shared, {run}"
    )


def _lines(study: Replication, measured: Sequence[Measured]) -> Blocks:
    """Return a line a cell: printed numbers on the left, measured on the right."""
    notes, several = Notes(), len({cell.group for cell in study.cells}) > 1
    numbers = any(map(is_printed, study.cells))
    rows = []
    for cell, values in zip(study.cells, measured, strict=True):
        row = [_label(study, cell), *([cell.group] if several else [])]
        if numbers:
            row += [value_of(cell) + notes.mark(cell.note), whose_of(cell, cell.protocol), cell.protocol, GAP]
        best = [f"{values[name]:.1f}" if name in values else NOTHING * bool(cell.system) for name in BEST]
        rows.append([*row, _mean(cell, values, notes), *best, f"{values.get('n', 0)}" if cell.system else ""])
    above, heads = [("", 1 + several)], [""] * (1 + several)
    words = set(range(len(heads)))
    if numbers:
        words |= {len(heads) + 1, len(heads) + 2}
        above += [(_there(study), 3), (GAP, 1)]
        heads += ["value", "whose", "protocol", GAP]
    above += [(f"measured here: {study.where}", 4)]
    heads += ["last epoch, %", *BEST.values(), "n"]
    return [Grid(above, heads, rows, words), *notes.paragraphs()]


def _printed(study: Replication) -> Blocks:
    """Return rows by groups as printed.

    Above rows of one source stands whose their numbers are, and which epoch counts.
    """
    rows, groups = _rows(study, filter(is_printed, study.cells))
    if not rows:
        return ["no number was printed"]
    notes, body = Notes(), list[list[str]]()
    for whose, of_source in groupby(rows.items(), lambda row: _whose(row[1].values())):
        body.append([whose])
        for name, cells in of_source:
            body.append([name, *(value_of(cells[g]) + notes.mark(cells[g].note) if g in cells else "" for g in groups)])
    heads = ["", *(group.replace(" of ", OF, 1) for group in groups)]
    return [Grid([("", 1), (_there(study), len(groups))], heads, body), *notes.paragraphs()]


def _measured_here(study: Replication, measured: Sequence[Measured]) -> Blocks:
    """Return rows by groups as measured, as far as they can be run.

    On the right stands what other epochs than the last would add.
    """
    if not any(measured):
        return [f"measured here: {study.where}: n = 0 in every cell."]
    rows, _ = _rows(study, study.cells)
    of_cell = dict(zip(study.cells, measured, strict=True))
    run = {name: cells for name, cells in rows.items() if any(cell.system for cell in cells.values())}
    groups = list(dict.fromkeys(g for cells in run.values() for g, cell in cells.items() if cell.system))
    notes, body = Notes(), list[list[str]]()
    for name, cells in run.items():
        means = [_mean(cells[g], of_cell[cells[g]], notes) if g in cells else "" for g in groups]
        of_row = [of_cell[cell] for cell in cells.values() if cell.system]
        body.append([name, *means, _range([each.get("n", 0) for each in of_row]).replace(" ", GAP)])
        for which in BEST:
            gains = [each[which] - each["last"] for each in of_row if {which, "last"} <= set(each)]
            body[-1].append(f"{sum(gains) / len(gains):+.1f}" if gains else NOTHING)
    title = f"measured here: {study.where}; last epoch in %, mean ± 95 % interval"
    above = [("", 1), (title, len(groups)), ("", 1), ("more in the epoch", 2)]
    heads = ["", *(group.replace(" of ", OF, 1) for group in groups), "n", *(name.replace("_", "\n") for name in BEST)]
    left: dict[str, list[str]] = {}
    for name in (name for name in rows if name not in run):
        left.setdefault(next(iter(rows[name].values())).why, []).append(name)
    not_run = "; ".join(f"{', '.join(names)} ({why})" for why, names in left.items())
    return [Grid(above, heads, body), *notes.paragraphs(), *([f"not run: {not_run}"] if not_run else [])]


def _rows(study: Replication, cells: Iterable[Cell]) -> tuple[dict[str, dict[str, Cell]], list[str]]:
    """Return cells by row and group, and the groups."""
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(_label(study, cell), {})[cell.group] = cell
    return rows, list(dict.fromkeys(group for each in rows.values() for group in each))


def _metric(study: Replication) -> str:
    """Return the metric of most of its numbers."""
    return next(filter(is_printed, study.cells), study.cells[0]).metric


def _there(study: Replication) -> str:
    unit = UNITS.get(_metric(study), "")
    return f"printed: {study.source.paper}; {_metric(study)}{f' in {unit}' if unit else ''}"


def _whose(cells: Iterable[Cell]) -> str:
    """Return the sources of a row's numbers, by student where they differ."""
    students: dict[str, list[str]] = {}
    for cell in cells:
        students.setdefault(whose_of(cell), []).append(cell.group.partition(" of ")[0])
    if len(students) == 1:
        return next(iter(students))
    return "\n".join(f"{', '.join(names)}: {whose}" for whose, names in students.items())


def _mean(cell: Cell, measured: Measured, notes: Notes) -> str:
    if not cell.system:
        return f"not run{notes.mark(cell.why)}"
    if "last" not in measured:
        return NOTHING
    width = measured["± 95 %"]
    return f"{measured['last']:.1f}" + ("" if math.isnan(width) else f"{GAP}±{GAP}{width:.1f}")


def _range(counts: Sequence[int]) -> str:
    """Return numbers of seeds in words: "3", "1 to 3"."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}" if low == high else f"{low} to {high}"


def _html(grid: Grid | str) -> str:
    """Set a paragraph or a table for a notebook."""
    if isinstance(grid, str):
        return f"<p>{_marked(grid)}</p>"
    above = "".join(f'<th colspan="{span}" {CENTRE}>{_marked(text)}</th>' for text, span in grid.above)
    # Long names of networks may be broken behind their underscores
    heads = "".join(f"<th {CENTRE}>{re.sub('_(?=[a-z])', '_<wbr>', _marked(head))}</th>" for head in grid.heads)
    lines = [above, heads]
    for row in grid.rows:
        first, *others = map(_marked, row)
        if not others:
            lines.append(f'<td colspan="{len(grid.heads)}" {LEFT}><i>{first}</i></td>')
            continue
        cells = [f"<td {LEFT if i in grid.words else RIGHT}>{text}</td>" for i, text in enumerate(others, start=1)]
        lines.append("".join([f"<th {LEFT}>{first}</th>", *cells]))
    rows = [f"<tr>{line}</tr>" for line in lines]
    return "\n".join(['<table border="1" class="dataframe">', *rows, "</table>"])


def _marked(text: str) -> str:
    """Return a text in HTML, with line breaks and marks of notes."""
    return re.sub(r"\^([a-z]+)", r"<sup>\1</sup>", escape(text)).replace("\n", "<br>")


def _ruled(grid: Grid | str) -> list[str]:
    """Set a paragraph or a table in lines.

    Columns that do not fit stand below the others, again behind the first one.
    """
    if isinstance(grid, str):
        return _wrapped(grid)
    rows = [row for row in (grid.heads, *grid.rows) if len(row) > 1]
    widths = [max(len(line) for text in column for line in text.split("\n")) for column in zip(*rows, strict=True)]
    lines = _wrapped("; ".join(text for text, _ in grid.above if text.strip()))
    start = 1
    while start < len(widths):
        stop = start + 1
        while stop < len(widths) and widths[0] + sum(2 + width for width in widths[start : stop + 1]) <= grid.width:
            stop += 1
        columns = (0, *range(start, stop))
        for row in (grid.heads, *grid.rows):
            if len(row) == 1:
                lines += [part for line in row[0].split("\n") for part in _wrapped(line)] or [""]
                continue
            for parts in zip_longest(*(row[k].split("\n") for k in columns if row), fillvalue=""):
                each = zip(columns, parts, strict=True)
                cells = [part.ljust(widths[k]) if k in grid.words else part.rjust(widths[k]) for k, part in each]
                lines.append("  ".join(cells).rstrip())
        start = stop
        lines += [""] if start < len(widths) else []
    return lines


def _wrapped(text: str) -> list[str]:
    """Return the lines of a text, later ones indented.

    Names that are longer stay whole, so that you can copy them.
    """
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text,
        COLUMNS,
        subsequent_indent=indent or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
