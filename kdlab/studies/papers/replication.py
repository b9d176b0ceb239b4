"""A published experiment as a study: its cells, what was printed in them, and what was measured here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ...core.errors import Error
from ...engine.report import interval
from ...engine.result import Result
from ...experiment.config import Config
from ..study import Study
from . import shown
from .cells import METRIC, Cell
from .page import Page, frame, html
from .published import Table

NOWHERE = Table("", "")


@dataclass(frozen=True)
class Replication(Study):
    """A study of an experiment that was published: its table, cell by cell, at a `budget`.

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
        """As for every study; a row of which nothing can be run is answered with the reason."""
        try:
            return super().matching(text)
        except Error:
            whys = {name.casefold(): cell.why for cell in self.cells for name in (cell.row, cell.group) if cell.why}
            if why := whys.get(text.casefold()):
                raise Error(f"{text}: nothing to run, {why}") from None
            raise

    def measured(self) -> list[dict[str, Any]]:
        """What the evidence has for each cell, by name: mean of the last epoch, its 95 % interval, means of the epoch
        that is best on validation images and of the one that is best on test images, n, seconds of the last stage.

        A name is missing where nothing was measured. Where test scores are not logged by epoch, `last` is of the epoch
        that early stopping put back.
        """
        rows = self.rows()
        return [_measured(cell, rows[rows.system == cell.system]) for cell in self.cells]

    def table(
        self,
        metric: str | None = None,
        baseline: str | None = None,
        systems: Iterable[str] = (),
        live: Mapping[str, Sequence[Result]] | None = None,
    ) -> pd.DataFrame:
        """A row for each cell: what was "printed" and what was measured "here", in columns under two heads.

        With a metric, a baseline, systems or `live` it is the table of every study, of what was measured alone.
        """
        if metric or baseline or live is not None or (systems := list(systems)):
            return super().table(metric, baseline, systems, live)
        return frame(self._sheet())

    def page(self) -> Page:
        """Its table for a notebook: as printed, with whose each number is, and apart from it as measured here."""
        sheet = self._sheet()
        return Page(html(sheet), shown.grids(sheet))

    def told(self) -> str:
        """Its cells as lines to read: what was printed, what is in the evidence, and what would be run."""
        return shown.cells(self._sheet())

    def tabulated(self, metric: str | None = None, baseline: str | None = None) -> str:
        """Its table as printed, and as measured; with a metric or a baseline that of every study."""
        return super().tabulated(metric, baseline) if metric or baseline else shown.grids(self._sheet())

    def _sheet(self) -> shown.Sheet:
        return shown.Sheet(
            self.name,
            self.budget,
            self.source,
            self.scale,
            self.usual,
            self.cells,
            self.measured(),
            self.typed,
            len(self.questions),
            ", ".join(dict.fromkeys(config.dataset for config in self.systems.values())),
        )


def _measured(cell: Cell, rows: pd.DataFrame) -> dict[str, Any]:
    if not cell.system or not len(rows):
        return {}
    name = METRIC.get(cell.metric, "")
    columns = {which: f"track/{name}/{which}" for which in ("last", "best_val", "best_test")}
    if columns["last"] not in rows or rows[columns["last"]].isna().any():
        columns["last"] = cell.column
    means = {which: rows[column].mean() for which, column in columns.items() if column in rows}
    sign, at = (-1, 100) if cell.metric == "error" else (1, 0)
    told = {which: at + sign * mean for which, mean in means.items() if not math.isnan(mean)}
    if "last" in told:
        told["± 95 %"] = interval(rows[columns["last"]].dropna().tolist())[1]
    return {**told, "n": len(rows), "seconds": rows.seconds.mean()}


def differing(config: Config, usual: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a chain, stage by stage, that differ from `usual`, or from the defaults where that has no word."""
    default = {name: known.default for name, known in Config.model_fields.items()} | dict(usual)
    told = config.model_dump(mode="json", exclude={"teacher", "init"})
    fields = {name: value for name, value in told.items() if getattr(config, name) != default[name]}
    return fields | {role: differing(stage, usual) for role, stage in config.nested.items()}
