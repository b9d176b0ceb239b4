"""Pages of published experiments: for a notebook, for a terminal, and as data.

A page is written once, as paragraphs and tables, and set twice: in HTML and in lines. No column of it holds both what
was printed and what was measured here.
"""

import math
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from itertools import groupby, zip_longest
from string import ascii_lowercase
from typing import Any, NamedTuple

import pandas as pd

from .published import TABLES, UNITS, Cell, Table, published

COLUMNS = 120  # of a terminal
RECORD = 10_000  # of a line that stays whole, so that one finds a number with all that is said of it
FEW = 12  # cells that stand one in a line
BEST = {"best_val": "best epoch on validation", "best_test": "best epoch on test"}
NOTHING, GAP = "\u2013", "\u00a0"
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
Measured = Mapping[str, Any]  # of a cell, by name: see `Replication.measured`


class Sheet(NamedTuple):
    """What is shown of a replication; the names are those of its fields."""

    name: str
    budget: str
    source: Table
    scale: str
    usual: str
    cells: Sequence[Cell]
    measured: Sequence[Measured]
    typed: Mapping[str, str]
    questions: int
    data: str  # the data sets that it is run on


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
        """Return the mark of a note, to be set behind a number; nothing for no note."""
        turn, letter = divmod(len(self), 26)
        name = ascii_lowercase[turn - 1] * bool(turn) + ascii_lowercase[letter]
        return f"^{self.setdefault(text, name)}" if text else ""

    def paragraphs(self) -> list[str]:
        """Return all notes in a paragraph, if there are any."""
        return ["; ".join(f"^{letter} {text}" for text, letter in self.items())] if self else []


def frame(sheet: Sheet) -> pd.DataFrame:
    """Return a row a cell: columns "printed", and columns "here"."""
    there, here = "printed", f"here, {where(sheet)}"
    columns: dict[tuple[str, str], list[Any]] = {
        (there, "metric"): [cell.metric if is_printed(cell) else "" for cell in sheet.cells]
    }
    for name in ("value", "whose", "protocol", "note"):
        columns[there, name] = [getattr(cell, name) for cell in sheet.cells]
    for name in ("last", "± 95 %", *BEST):
        columns[here, name.replace("_", " ")] = [measured.get(name, math.nan) for measured in sheet.measured]
    columns[here, "n"] = [measured.get("n", 0) for measured in sheet.measured]
    names = [(cell.group, label(sheet, cell)) for cell in sheet.cells]
    return pd.DataFrame(columns, index=pd.MultiIndex.from_tuples(names, names=["group", "row"]))


def render(sheet: Sheet) -> Page:
    """Return the page of an experiment.

    In a notebook few cells stand in a line each and many in two grids; in a terminal all stand in two grids.
    """
    printed, measured = _printed(sheet), _measured(sheet)
    source, scale = sheet.source, f"<p><i>{escape(sheet.scale)}.</i></p>"
    title = f"<p><b>{escape(sheet.name)}</b>: {escape(f'{source.title} ({source.paper})')}"
    note = f"<br><i>{escape(source.note)}</i>" if source.note else ""
    few = len(sheet.cells) <= FEW
    body = [*_html(_lines(sheet)), scale] if few else [*_html(printed), scale, *_html(measured)]
    end = f"<p>{state(sheet)}; <code>{command(sheet)}</code> adds to it.</p>"
    lines = [*_heading(sheet), "", *_text(printed), *_text(measured)]
    lines += _wrapped(f"{state(sheet)}; {command(sheet)} adds to it")
    return Page("\n".join([f"{title}{note}</p>", *body, end]), "\n".join(lines))


def listing(sheet: Sheet) -> str:
    """Return all cells as lines, by group.

    Each with what was printed, what was measured, and the fields of its run.
    """
    protocols = {cell.protocol for cell in sheet.cells if cell.protocol}
    shared = protocols.pop() if len(protocols) == 1 else ""
    rows: list[list[str]] = []
    for group in dict.fromkeys(cell.group for cell in sheet.cells):
        rows += [[""], [group, "", "", "last", "best val", "best test", "n", "seconds"]]
        below = set[str]()
        for cell, measured in zip(sheet.cells, sheet.measured, strict=True):
            if cell.group != group:
                continue
            scores = [f"{measured[name]:.2f}" if name in measured else "-" for name in ("last", *BEST)]
            seconds = f"{measured['seconds']:,.0f}" if measured else "-"
            whose = whose_of(cell, cell.protocol)
            rows.append([f"  {label(sheet, cell)}", value_of(cell), whose, *scores, f"{measured.get('n', 0)}", seconds])
            fields = sheet.typed[cell.system] if cell.system else f"nothing to run: {cell.why}"
            about = [whose_of(cell._replace(whose="", n=None), shared), fields, f"note: {cell.note}" * bool(cell.note)]
            rows += [[f"      {text}"] for text in about if text and text not in below]
            below |= set(about)
    lines = [*_heading(sheet), *_wrapped(f"protocol of what is printed: {shared}" * bool(shared))]
    lines += [*_wrapped(_legend(sheet)), *_text([Grid([], [], rows, {0, 2}, RECORD)])]
    questions = f"{sheet.questions} questions: kdlab study answers {sheet.name} --budget {sheet.budget}"
    return "\n".join([*lines, *([questions] if sheet.questions else [])])


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
    return "\n".join([*head, "", *_text([Grid([], columns, body, range(len(columns)), RECORD)])]).rstrip()


def state(sheet: Sheet) -> str:
    """Return how much of it was measured, in words."""
    seeds = [measured["n"] for measured in sheet.measured if measured]
    if not seeds:
        return "nothing was measured so far"
    return "1 seed a cell was measured" if set(seeds) == {1} else f"{_range(seeds)} seeds a cell were measured"


def command(sheet: Sheet) -> str:
    """Return the command that measures more of it."""
    return f"kdlab study run {sheet.name} --budget {sheet.budget}"


def where(sheet: Sheet) -> str:
    """Return the data, and whether this is the published experiment."""
    return f"{sheet.data}, {'as published' if sheet.budget == 'paper' else 'scaled down'}"


def is_printed(cell: Cell) -> bool:
    """Return whether its number was published."""
    return not math.isnan(cell.value)


def label(sheet: Sheet, cell: Cell) -> str:
    """Return the row, with metric and unit where the table has another one."""
    other = is_printed(cell) and cell.metric != _metric(sheet)
    return ", ".join(filter(None, (cell.row, cell.metric, UNITS[cell.metric]))) if other else cell.row


def value_of(cell: Cell) -> str:
    """Return its number as printed, with the ± that was printed."""
    return "" if math.isnan(cell.value) else f"{cell.value:.2f}" + (f" ± {cell.spread:.2f}" if cell.spread > 0 else "")


def whose_of(cell: Cell, shared: str = "") -> str:
    """Return provenance, runs, and the protocol where it is not the `shared` one."""
    protocol = {"unstated": "protocol unstated", shared: ""}.get(cell.protocol, cell.protocol)
    return "; ".join(filter(None, (cell.whose, f"n = {cell.n}" if cell.n else "", protocol)))


def _heading(sheet: Sheet) -> list[str]:
    """Return lines that say what it is and at which scale."""
    source = sheet.source
    lines = [f"{sheet.name}: {source.title} ({source.paper})", f"note: {source.note}" * bool(source.note), sheet.scale]
    lines += [f"all runs, where nothing else is said: {sheet.usual}"] if sheet.usual else []
    return [part for line in lines for part in _wrapped(line)]


def _legend(sheet: Sheet) -> str:
    """Return what the columns of a listing are, and the lines below a cell."""
    columns = {cell.column for cell in sheet.cells}
    what = f" of {columns.pop()}" if len(columns) == 1 else ""
    printed = f"{_metric(sheet)} as printed, whose it is; " if any(map(is_printed, sheet.cells)) else ""
    run = "fields of the run and its stages" if sheet.usual else "what kdlab run takes"
    return (
        f"columns: {printed}measured here, means{what} over n seeds after the last epoch, after the epoch that is best "
        "on validation images, and after the one that is best on test images, as many papers report it; seconds of the "
        f"last stage; below each cell: protocols that are not shared, {run}"
    )


def _lines(sheet: Sheet) -> Blocks:
    """Return a line a cell: printed numbers on the left, measured on the right."""
    notes, several = Notes(), len({cell.group for cell in sheet.cells}) > 1
    numbers = any(map(is_printed, sheet.cells))
    rows = []
    for cell, measured in zip(sheet.cells, sheet.measured, strict=True):
        row = [label(sheet, cell), *([cell.group] if several else [])]
        if numbers:
            row += [value_of(cell) + notes.mark(cell.note), whose_of(cell, cell.protocol), cell.protocol, GAP]
        best = [f"{measured[name]:.1f}" if name in measured else NOTHING * bool(cell.system) for name in BEST]
        rows.append([*row, _mean(cell, measured, notes), *best, f"{measured.get('n', 0)}" if cell.system else ""])
    above, heads = [("", 1 + several)], [""] * (1 + several)
    words = set(range(len(heads)))
    if numbers:
        words |= {len(heads) + 1, len(heads) + 2}
        above += [(_there(sheet), 3), (GAP, 1)]
        heads += ["value", "whose", "protocol", GAP]
    grid = Grid([*above, (_here(sheet), 4)], [*heads, "last epoch, %", *BEST.values(), "n"], rows, words)
    return [grid, *notes.paragraphs()]


def _printed(sheet: Sheet) -> Blocks:
    """Return rows by groups as printed.

    Above rows of one source stands whose their numbers are, and which epoch counts.
    """
    rows, groups = _rows(sheet, filter(is_printed, sheet.cells))
    if not rows:
        return ["no number was printed"]
    notes, body = Notes(), list[list[str]]()
    for whose, of_source in groupby(rows.items(), lambda row: _whose(row[1].values())):
        body.append([whose])
        for name, cells in of_source:
            body.append([name, *(value_of(cells[g]) + notes.mark(cells[g].note) if g in cells else "" for g in groups)])
    return [Grid([("", 1), (_there(sheet), len(groups))], ["", *_heads(groups)], body), *notes.paragraphs()]


def _measured(sheet: Sheet) -> Blocks:
    """Return rows by groups as measured, as far as they can be run.

    On the right stands what other epochs than the last would add.
    """
    if not any(sheet.measured):
        return [f"{_here(sheet)}: n = 0 in every cell."]
    rows, _ = _rows(sheet, sheet.cells)
    of_cell = dict(zip(sheet.cells, sheet.measured, strict=True))
    run = {name: cells for name, cells in rows.items() if any(cell.system for cell in cells.values())}
    groups = list(dict.fromkeys(g for cells in run.values() for g, cell in cells.items() if cell.system))
    notes, body = Notes(), []
    for name, cells in run.items():
        means = [_mean(cells[g], of_cell[cells[g]], notes) if g in cells else "" for g in groups]
        measured = [of_cell[cell] for cell in cells.values() if cell.system]
        seeds = _range([each.get("n", 0) for each in measured]).replace(" ", GAP)
        body.append([name, *means, seeds, *(_more(measured, which) for which in BEST)])
    title = f"{_here(sheet)}; last epoch in %, mean ± 95 % interval"
    above = [("", 1), (title, len(groups)), ("", 1), ("more in the epoch", 2)]
    heads = ["", *_heads(groups), "n", *(name.replace("_", "\n") for name in BEST)]
    left: dict[str, list[str]] = {}
    for name in (name for name in rows if name not in run):
        left.setdefault(next(iter(rows[name].values())).why, []).append(name)
    not_run = "; ".join(f"{', '.join(names)} ({why})" for why, names in left.items())
    return [Grid(above, heads, body), *notes.paragraphs(), *([f"not run: {not_run}"] if not_run else [])]


def _rows(sheet: Sheet, cells: Iterable[Cell]) -> tuple[dict[str, dict[str, Cell]], list[str]]:
    """Return cells by row and group, and the groups."""
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(label(sheet, cell), {})[cell.group] = cell
    return rows, list(dict.fromkeys(group for each in rows.values() for group in each))


def _heads(groups: Sequence[str]) -> list[str]:
    """Return a head for each group, the second network below the first."""
    return [group.replace(" of ", f"\nof{GAP}", 1) for group in groups]


def _metric(sheet: Sheet) -> str:
    """Return the metric of most of its numbers."""
    return next(filter(is_printed, sheet.cells), sheet.cells[0]).metric


def _there(sheet: Sheet) -> str:
    unit = UNITS.get(_metric(sheet), "")
    return f"printed: {sheet.source.paper}; {_metric(sheet)}{f' in {unit}' if unit else ''}"


def _here(sheet: Sheet) -> str:
    return f"measured here: {where(sheet)}"


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


def _more(measured: Iterable[Measured], which: str) -> str:
    """Return what another epoch has more than the last, on average over a row."""
    gains = [each[which] - each["last"] for each in measured if {which, "last"} <= set(each)]
    return f"{sum(gains) / len(gains):+.1f}" if gains else NOTHING


def _range(counts: Sequence[int]) -> str:
    """Return numbers of seeds in words: "3", "1 to 3"."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}" if low == high else f"{low} to {high}"


def _html(blocks: Blocks) -> list[str]:
    """Set paragraphs and tables for a notebook."""
    return [f"<p>{_marked(block)}</p>" if isinstance(block, str) else _table(block) for block in blocks]


def _table(grid: Grid) -> str:
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


def _text(blocks: Blocks) -> list[str]:
    """Set paragraphs and tables in lines, an empty one behind each."""
    lines = []
    for block in blocks:
        lines += [*(_wrapped(block) if isinstance(block, str) else _ruled(block)), ""]
    return lines


def _ruled(grid: Grid) -> list[str]:
    """Set a table in lines.

    Columns that do not fit stand below the others, again behind the first one.
    """
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
