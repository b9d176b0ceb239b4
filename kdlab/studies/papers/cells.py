"""Cells of published tables: where a number stands, what was printed there, and which system measures it."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

# Published metric -> metric of results, in percent and the larger the better but for errors
METRIC = {"top-1": "accuracy", "top-5": "top5", "error": "accuracy"}


class Cell(NamedTuple):
    """A number of a published experiment; `value` is NaN where the experiment was published without it."""

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
    """What a row of published.csv says of its number, as fields of a Cell."""
    own = {name: row[name] for name in ("metric", "value", "spread", "protocol", "note")}
    return {**own, "whose": row["provenance"], "n": None if pd.isna(row["n"]) else int(row["n"])}
