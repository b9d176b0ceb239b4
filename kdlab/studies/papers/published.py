"""Published numbers of papers and of the README files of their code.

One number a row, with what is known of how it came about.
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ...core.errors import Error, known


class Table(NamedTuple):
    """A published table: what it holds and where it stands.

    The note is what you should know before you compare with it.
    """

    title: str
    paper: str
    note: str = ""


def _tables(numbers: str) -> dict[str, Table]:
    """Read the tables of tables.csv that have numbers ("yes") or have none ("no")."""
    rows = pd.read_csv(Path(__file__).with_name("tables.csv"), dtype="str", keep_default_na=False).to_dict("records")
    return {row["name"]: Table(row["title"], row["paper"], row["note"]) for row in rows if row["numbers"] == numbers}


TABLES = _tables("yes")
ABSENT = _tables("no")  # what the four papers speak of, and no row has; the note says what is known
UNITS = {
    "top-1": "%",
    "top-5": "%",
    "error": "%",
    "ece": "%",
    "knn": "%",
    "probe": "%",
    "probe top-5": "%",
    "gain": "points",
    "nll": "nats",
    "aurc": "",
    "parameters": "millions",
    "latency": "ms",
    "speed-up": "times",
}

# How the note begins of a stated difference or average that its paper's own tables do not give
DOES_NOT_FOLLOW = "does not follow: "


def published(table: str | None = None) -> pd.DataFrame:
    """Return the published numbers of one `table`, or of all, a row each.

    Columns: table; dataset; teacher, student: the pair, as the table's column has it, in the keys of MODELS where kdlab
    has the network, empty where there is none or none is named; method: a key of METHODS, or "teacher" for the
    teacher's own accuracy, or the paper's name; condition; metric, in UNITS; value; spread: the ± as printed; n: runs,
    where stated; provenance: own, copied from, re-run by, unknown; protocol: which epoch counts, as far as known;
    source; note.
    """
    if table in ABSENT:
        raise Error(f"no numbers in {table}: {ABSENT[table].note}")
    rows = _rows()
    return rows.copy() if table is None else rows[rows.table == known("published table", table, TABLES)].copy()


@cache
def _rows() -> pd.DataFrame:
    """Read all rows; empty cells are "" in texts and NA in numbers."""
    rows = pd.read_csv(Path(__file__).with_name("published.csv"), dtype="str", keep_default_na=False)
    value, spread, n = (rows[name].where(rows[name] != "").astype("float64") for name in ("value", "spread", "n"))
    return rows.assign(value=value, spread=spread, n=n.astype("Int64"))


# Published metric -> metric of results, in percent and the larger the better but for errors
METRIC = {"top-1": "accuracy", "top-5": "top5", "error": "accuracy"}


class Cell(NamedTuple):
    """A number of a published experiment.

    `value` is NaN where the experiment was published without it.
    """

    group: str  # what it stands under: a pair of networks, a share of the labels
    row: str
    system: str = ""  # of the study, "" where nothing can be run
    metric: str = "top-1"  # key of METRIC, or a column of results
    value: float = math.nan
    spread: float = math.nan
    n: int | None = None
    whose: str = ""  # own, copied from X, re-run by X, unknown
    protocol: str = ""  # which epoch counts, as far as known
    note: str = ""
    why: str = ""  # why nothing can be run

    @property
    def column(self) -> str:
        """The column of results that it is about."""
        return f"test/{METRIC[self.metric]}" if self.metric in METRIC else self.metric


def printed(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the fields of a Cell that a row of published.csv fills."""
    values = {name: row[name] for name in ("metric", "value", "spread", "protocol", "note")}
    return {**values, "whose": row["provenance"], "n": None if pd.isna(row["n"]) else int(row["n"])}
