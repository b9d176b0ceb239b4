"""A published experiment as a study: its cells, what was printed in them, and what was measured here."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pandas as pd

from ...core.errors import Error, lookup
from ...core.settings import typed
from ...engine.report import interval
from ...engine.result import Result
from ...experiment.config import Config
from ...methods import METHODS
from ..study import Study
from ..verdicts import Question
from .page import Page, Sheet, frame, listing, render
from .published import ABSENT, METRIC, TABLES, Cell, Table
from .scaled import SCALES, TEACHER, WIDTH, Scale, scaled, too_small

SEEDS = range(3)
Fields = Mapping[str, Any]
Rows = Sequence[tuple[str, str]]  # a row and the row it is compared with
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
        return render(self._sheet())

    def told(self) -> str:
        """Its cells as lines to read: what was printed, what is in the evidence, and what would be run."""
        return listing(self._sheet())

    def tabulated(self, metric: str | None = None, baseline: str | None = None) -> str:
        """Its table as printed, and as measured; with a metric or a baseline that of every study."""
        return super().tabulated(metric, baseline) if metric or baseline else repr(self.page())

    def _sheet(self) -> Sheet:
        return Sheet(
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


class Asked(NamedTuple):
    """A cell, the Config fields of the run that fills it (None: nothing can be run), and whether that run teaches."""

    cell: Cell
    fields: Fields | None = None
    teaches: bool = False


class Task(NamedTuple):
    """What one chooses of a study: data and labels, where they are not its own, and a budget.

    None: the paper's, at small budgets the digits and as many labels as suit them.
    """

    dataset: str | None = None
    labels: int | float | None = None
    budget: str = "lab"

    @property
    def small(self) -> bool:
        """Whether the experiment is scaled down."""
        return lookup("budget", self.budget, {**dict.fromkeys(SCALES, True), "paper": False})

    @property
    def scale(self) -> Scale:
        """What it is scaled down to."""
        return replace(SCALES[self.budget], dataset=self.dataset or "digits", labels=self.labels)


def fields_of(
    method: str,
    student: str,
    teacher: str | None = None,
    preset: str = "paper",
    theirs: Fields | None = None,
    **own: Any,
) -> dict[str, Any]:
    """The Config fields of a published run; `teacher` and `theirs`, more fields of it, reach methods that have one."""
    taught = teacher and METHODS[METHODS[method].first_phase or method].needs_teacher
    stage = {"teacher": {"model": teacher, **(theirs or {})}} if taught else {}
    return {"method": method, "preset": preset, "model": student, **stage, **own}


def replicate(
    name: str, asked: Iterable[Asked], rows: Rows, task: Task, track: bool = True, **more: Any
) -> Replication:
    """The study of these cells, which asks which of two `rows` is better.

    `track`: test accuracy is logged epoch by epoch, for papers that report the best of it. `more`: fields of `Study`.
    """
    chosen = {"labels": task.labels, "dataset": None if task.small else task.dataset, "track_test": track or None}
    cells, systems, said = [], dict[str, Config](), {}
    for cell, given, teaches in asked:
        if given is None:
            cells.append(cell._replace(system=""))
            continue
        fields = {**given, **{n: value for n, value in chosen.items() if value is not None and n not in given}}
        config = Config(**fields)
        if task.small:
            if why := too_small(config, task.scale):
                cells.append(cell._replace(system="", why=why))
                continue
            config = scaled(config, task.scale, teaches)
        assert systems.setdefault(cell.system, config) == config, f"{name}: two experiments are named {cell.system}"
        said[cell.system] = typed(fields)
        cells.append(cell)
    source = {**TABLES, **ABSENT}[name]
    scale, usual = _published_scale(systems.values()), ""
    if task.small:
        scale, most = _small_scale(task, systems.values())
        usual = typed(most)
        said = {name: typed({"method": c.method, **differing(c, most)}) for name, c in systems.items()}
    printed = {c.system: c.value for c in cells if c.system and c.metric == "top-1" and c.value == c.value}
    return Replication(
        name,
        f"{source.title}: does what {source.paper.partition(',')[0]} found hold?",
        systems,
        compared(cells, rows),
        SEEDS,
        published={} if task.small else printed,
        cells=cells,
        source=source,
        budget=task.budget,
        scale=scale,
        usual=usual,
        typed=said,
        **more,
    )


def compared(cells: Sequence[Cell], rows: Rows) -> list[Question]:
    """Is a row better than another, on average over the groups that have both, and in each of them?"""
    systems = {(cell.group, cell.row): cell.system for cell in cells if cell.system}
    metrics = {cell.row: cell.column for cell in reversed(cells)}
    groups, asked = list(dict.fromkeys(cell.group for cell in cells)), []
    for row, other in rows:
        metric = metrics.get(row, "test/accuracy")
        both = {g: (systems[g, row], systems[g, other]) for g in groups if {(g, row), (g, other)} <= set(systems)}
        pairs = list(dict.fromkeys(both.values()))
        text = f"Is {row} better than {other}"
        if len(pairs) > 1:
            asked.append(Question(f"{text}, on average over {len(pairs)}?", *pairs[0], metric, also=pairs[1:]))
        asked += [
            Question(f"{text}{f', {group}' if len(pairs) > 1 else ''}?", *pair, metric) for group, pair in both.items()
        ]
    return asked


def _published_scale(systems: Iterable[Config]) -> str:
    data = ", ".join(dict.fromkeys(config.dataset for config in systems))
    on = data or "no data: nothing of it can be run"
    return f"budget paper: the published experiment, on {on}; what the paper does not print is a reconstruction"


def _small_scale(task: Task, systems: Iterable[Config]) -> tuple[str, Fields]:
    """What a small budget means, and fields that most runs and their stages have in common, where no default is."""
    scale, stages = task.scale, [stage for config in systems for stage in config.chain()]
    own = ("method", "model", "hp", "weights", "optimizer_hp", "teacher", "init")
    known = {name: field.default for name, field in Config.model_fields.items() if name not in own}
    usual = {name: Counter(getattr(stage, name) for stage in stages).most_common(1)[0][0] for name in known}
    data = "the digits at 8 pixels" if scale.dataset == "digits" else scale.dataset
    text = (
        f"budget {task.budget}: scaled down, not the published experiment: {data}, networks at {WIDTH} of their width, "
        f"{scale.epochs} epochs of {scale.steps} steps of {scale.batch} images, of teachers {TEACHER} times as many; "
        "nothing compares with what is printed"
    )
    return text, {name: value for name, value in usual.items() if value != known[name]}
