"""Published experiments as studies, with printed and measured cells.

At a small budget an experiment is scaled down to minutes on two cores. What stays is what a method is: its loss terms
with the published weights and hyper-parameters, the chain of runs that it stands on, its share of labels and of wrong
labels. Nothing that comes out compares with a published number.
"""

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

WIDTH = 0.25
LR, LR_TUNED_ON = 0.02, 0.002  # from scratch, and on top of features that are there
TEACHER = 3  # times as many epochs: one that knows little has little to teach, and several students share it
FOR_SMALL = {  # networks whose first layers would leave nothing of 8 pixels
    "resnet18_imagenet": "resnet18",
    "resnet34_imagenet": "resnet34",
    "mobilenet_v2": "mobilenet_v2_cifar",
}
HP = {"crd": {"negatives": 64}, "moco": {"queue": 512}}
LABELS = 50  # so many published images with labels to one of these
TRAINING = (
    "optimizer",
    "optimizer_hp",
    "momentum",
    "nesterov",
    "weight_decay",
    "decay_all",
    "schedule",
    "milestones",
    "decay",
    "warmup",
)
DEFAULTS = {name: Config.model_fields[name].default for name in TRAINING}
# Of these networks, so many pixels leave a last map of one point, in which factor transfer has nothing to compare
POINTS = {8: ("vgg", "mobilenet", "shufflenet", "resnet50"), 16: ("mobilenet_v2_half",)}
SEEDS = range(3)
Fields = Mapping[str, Any]
Rows = Sequence[tuple[str, str]]  # a row and the row it is compared with
NOWHERE = Table("", "")


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
        return frame(self._sheet())

    def page(self) -> Page:
        """Return its table for a notebook: as printed, and as measured here."""
        return render(self._sheet())

    def told(self) -> str:
        """Return its cells as lines: printed, measured, and what would be run."""
        return listing(self._sheet())

    def tabulated(self, metric: str | None = None, baseline: str | None = None) -> str:
        """Return its table as lines; with a metric or a baseline that of every study."""
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
    values = {which: at + sign * mean for which, mean in means.items() if not math.isnan(mean)}
    if "last" in values:
        values["± 95 %"] = interval(rows[columns["last"]].dropna().tolist())[1]
    return {**values, "n": len(rows), "seconds": rows.seconds.mean()}


def differing(config: Config, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a chain, run by run, that differ from `usual`.

    Where `usual` does not name a field, they are compared with the defaults.
    """
    default = {name: known.default for name, known in Config.model_fields.items()} | dict(usual)
    values = config.model_dump(mode="json", exclude={"teacher", "init"})
    fields = {name: value for name, value in values.items() if getattr(config, name) != default[name]}
    return fields | {role: differing(stage, usual) for role, stage in config.nested.items()}


@dataclass(frozen=True)
class Scale:
    """A small budget: epochs of a run, steps an epoch, images a batch.

    Then the data, and the number of labels where it is not the experiment's own.
    """

    epochs: int
    steps: int
    batch: int
    dataset: str = "digits"
    labels: int | float | None = None


SCALES = {"smoke": Scale(2, 2, 16), "lab": Scale(4, 10, 32)}


def scaled(config: Config, scale: Scale, teaches: bool = False) -> Config:
    """Return the experiment at `scale`, with all runs that it stands on.

    Of stages that go on from one another the longest in print has the epochs of `scale`, three times as many where it
    `teaches`, the others their share. AdamW with a cosine at one learning rate serves all of them; a tenth of the
    images is held out where the paper holds out none, and no network is pretrained.
    """
    line, stage = [config.epochs], config.init
    while stage is not None:
        line, stage = [*line, stage.epochs], stage.init
    return _stage(config, scale, scale.epochs * (TEACHER if teaches else 1) / max(1, *line))


def _stage(config: Config, scale: Scale, share: float) -> Config:
    stages: dict[str, Config] = {}
    if config.teacher:
        stages["teacher"] = scaled(config.teacher, scale, teaches=True)
    if config.init:
        stages["init"] = _stage(config.init, scale, share)
    # a teacher that is downloaded has no epochs
    epochs = max(2, round(share * config.epochs)) if config.epochs else scale.epochs * TEACHER
    fewer = scale.labels or max(10, config.labels // LABELS) if isinstance(config.labels, int) else config.labels
    tuned_on = config.init is not None and config.method == "supervised"
    small: dict[str, Any] = {
        "model": FOR_SMALL.get(config.model, config.model),
        "width": WIDTH,
        "pretrained": False,
        "dataset": scale.dataset,
        "size": size_of(scale),
        "augment": None,
        "labels": fewer,
        "validation": config.validation or 0.1,
        "epochs": epochs,
        "steps": scale.steps,
        "batch": scale.batch,
        "hp": {**config.hp, **HP.get(config.method, {})},
        "cutout": 2 if config.cutout else 0,
        "patience": config.patience and max(2, round(config.patience * epochs / max(1, config.epochs))),
        "lr": LR_TUNED_ON if tuned_on else LR,
    }
    return config.replace(**DEFAULTS, **small, **stages)


def too_small(config: Config, scale: Scale) -> str:
    """Return why an experiment has no scaled form; "" where it has."""
    size = size_of(scale) or 8
    models = [config.model, *([config.teacher.model] if config.teacher else [])]
    points = [model for model in models if model.startswith(POINTS[size])]
    if config.method == "ft" and points:
        return f"at {size} pixels {points[0]} ends in one point: no factor to transfer"
    return ""


def size_of(scale: Scale) -> int | None:
    """Return pixels per side; None: the digits' own, which are 8."""
    return None if scale.dataset == "digits" else 16


class Planned(NamedTuple):
    """A cell, and the Config fields of the run that fills it.

    None: nothing can be run. `teaches`: the run is a teacher.
    """

    cell: Cell
    fields: Fields | None = None
    teaches: bool = False


class Task(NamedTuple):
    """What you choose of a study: data, labels and a budget.

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
    of_teacher: Fields | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return the Config fields of a published run.

    `teacher` and `of_teacher`, more fields of it, reach methods that have one.
    """
    taught = teacher and METHODS[METHODS[method].first_phase or method].needs_teacher
    stage = {"teacher": {"model": teacher, **(of_teacher or {})}} if taught else {}
    return {"method": method, "preset": preset, "model": student, **stage, **fields}


def replicate(
    name: str, plan: Iterable[Planned], rows: Rows, task: Task, track: bool = True, **more: Any
) -> Replication:
    """Return the study of these cells, which asks which of two `rows` is better.

    `track`: test accuracy is logged epoch by epoch, for papers that report the best of it. `more`: fields of `Study`.
    """
    chosen = {"labels": task.labels, "dataset": None if task.small else task.dataset, "track_test": track or None}
    cells, systems, words = [], dict[str, Config](), {}
    for cell, planned, teaches in plan:
        if planned is None:
            cells.append(cell._replace(system=""))
            continue
        fields = {**planned, **{n: value for n, value in chosen.items() if value is not None and n not in planned}}
        config = Config(**fields)
        if task.small:
            if why := too_small(config, task.scale):
                cells.append(cell._replace(system="", why=why))
                continue
            config = scaled(config, task.scale, teaches)
        assert systems.setdefault(cell.system, config) == config, f"{name}: two experiments are named {cell.system}"
        words[cell.system] = typed(fields)
        cells.append(cell)
    source = {**TABLES, **ABSENT}[name]
    usual = ""
    if task.small:
        scale, shared = _small_scale(task, systems.values())
        usual = typed(shared)
        words = {name: typed({"method": c.method, **differing(c, shared)}) for name, c in systems.items()}
    else:
        data = ", ".join(dict.fromkeys(config.dataset for config in systems.values()))
        where = data or "no data: nothing of it can be run"
        scale = f"budget paper: the published experiment, on {where}; what the paper does not print is a reconstruction"
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
        typed=words,
        **more,
    )


def compared(cells: Sequence[Cell], rows: Rows) -> list[Question]:
    """Return questions: is a row better than another?

    On average over the groups that have both, and in each of them.
    """
    systems = {(cell.group, cell.row): cell.system for cell in cells if cell.system}
    metrics = {cell.row: cell.column for cell in reversed(cells)}
    groups, questions = list(dict.fromkeys(cell.group for cell in cells)), []
    for row, other in rows:
        metric = metrics.get(row, "test/accuracy")
        both = {g: (systems[g, row], systems[g, other]) for g in groups if {(g, row), (g, other)} <= set(systems)}
        pairs = list(dict.fromkeys(both.values()))
        text = f"Is {row} better than {other}"
        if len(pairs) > 1:
            questions.append(Question(f"{text}, on average over {len(pairs)}?", *pairs[0], metric, also=pairs[1:]))
        questions += [
            Question(f"{text}{f', {group}' if len(pairs) > 1 else ''}?", *pair, metric) for group, pair in both.items()
        ]
    return questions


def _small_scale(task: Task, systems: Iterable[Config]) -> tuple[str, Fields]:
    """Return what a small budget means, and the fields that most runs share.

    Fields at their default are left out.
    """
    scale, stages = task.scale, [stage for config in systems for stage in config.chain()]
    particular = ("method", "model", "hp", "weights", "optimizer_hp", "teacher", "init")
    known = {name: field.default for name, field in Config.model_fields.items() if name not in particular}
    usual = {name: Counter(getattr(stage, name) for stage in stages).most_common(1)[0][0] for name in known}
    data = "the digits at 8 pixels" if scale.dataset == "digits" else scale.dataset
    text = (
        f"budget {task.budget}: scaled down, not the published experiment: {data}, networks at {WIDTH} of their width, "
        f"{scale.epochs} epochs of {scale.steps} steps of {scale.batch} images, of teachers {TEACHER} times as many; "
        "nothing compares with what is printed"
    )
    return text, {name: value for name, value in usual.items() if value != known[name]}
