"""From what was published, cell by cell, to a study at a budget."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ...core.errors import lookup
from ...core.settings import typed
from ...experiment.config import Config
from ...methods import METHODS
from ..verdicts import Question
from .cells import Cell
from .published import ABSENT, TABLES
from .replication import Replication, differing
from .scaled import SCALES, TEACHER, WIDTH, Scale, scaled, too_small

SEEDS = range(3)
Fields = Mapping[str, Any]
Rows = Sequence[tuple[str, str]]  # a row and the row it is compared with


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
