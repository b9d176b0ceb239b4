"""Published experiments as studies, with printed and measured cells.

At a small budget an experiment is scaled down to minutes on two cores. What stays is what a method is: its loss terms
with the published weights and hyper-parameters, the chain of runs that it stands on, its share of labels and of wrong
labels. Nothing that comes out compares with a published number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...core.errors import lookup
from ...core.settings import typed
from ...experiment.config import Config
from ...methods import METHODS
from ..verdicts import Question
from .page import Replication
from .published import ABSENT, TABLES, Cell

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
DEFAULTS = {
    name: Config.model_fields[name].default
    for name in (
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
}
# Of these networks, so many pixels leave a last map of one point, in which factor transfer has nothing to compare
POINTS = {8: ("vgg", "mobilenet", "shufflenet", "resnet50"), 16: ("mobilenet_v2_half",)}
SCALES = {"smoke": (2, 2, 16), "lab": (4, 10, 32)}  # epochs of a run, steps an epoch, images a batch
SEEDS = range(3)
Fields = Mapping[str, Any]
Rows = Sequence[tuple[str, str]]  # a row and the row it is compared with


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
    def data(self) -> str:
        """The data set of a small budget."""
        return self.dataset or "digits"


def differing(config: Config, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a chain, run by run, that differ from `usual`.

    Where `usual` does not name a field, they are compared with the defaults.
    """
    default = {name: known.default for name, known in Config.model_fields.items()} | dict(usual)
    values = config.model_dump(mode="json", exclude={"teacher", "init"})
    fields = {name: value for name, value in values.items() if getattr(config, name) != default[name]}
    stages = {role: differing(stage, usual) for role, stage in config.nested.items()}
    return fields | {role: changed for role, changed in stages.items() if changed}


def scaled(config: Config, task: Task, teaches: bool = False, share: float = 0.0) -> Config:
    """Return the experiment at a small budget, with all runs that it stands on.

    Of stages that go on from one another the longest in print has the epochs of the budget, three times as many where
    it `teaches`, the others their `share`. AdamW with a cosine at one learning rate serves all of them; a tenth of the
    images is held out where the paper holds out none, and no network is pretrained.
    """
    epochs, steps, batch = SCALES[task.budget]
    if not share:
        longest, stage = max(1, config.epochs), config.init
        while stage is not None:
            longest, stage = max(longest, stage.epochs), stage.init
        share = epochs * (TEACHER if teaches else 1) / longest
    stages: dict[str, Config] = {}
    if config.teacher:
        stages["teacher"] = scaled(config.teacher, task, teaches=True)
    if config.init:
        stages["init"] = scaled(config.init, task, share=share)
    # a teacher that is downloaded has no epochs
    few = max(2, round(share * config.epochs)) if config.epochs else epochs * TEACHER
    fewer = task.labels or max(10, config.labels // LABELS) if isinstance(config.labels, int) else config.labels
    tuned_on = config.init is not None and config.method == "supervised"
    small: dict[str, Any] = {
        "model": FOR_SMALL.get(config.model, config.model),
        "width": WIDTH,
        "pretrained": False,
        "dataset": task.data,
        "size": None if task.data == "digits" else 16,
        "augment": None,
        "labels": fewer,
        "validation": config.validation or 0.1,
        "epochs": few,
        "steps": steps,
        "batch": batch,
        "hp": {**config.hp, **HP.get(config.method, {})},
        "cutout": 2 if config.cutout else 0,
        "patience": config.patience and max(2, round(config.patience * few / max(1, config.epochs))),
        "lr": LR_TUNED_ON if tuned_on else LR,
    }
    return config.replace(**DEFAULTS, **small, **stages)


def too_small(config: Config, task: Task) -> str:
    """Return why an experiment has no scaled form; "" where it has."""
    size = 8 if task.data == "digits" else 16
    models = [config.model, *([config.teacher.model] if config.teacher else [])]
    points = [model for model in models if model.startswith(POINTS[size])]
    if config.method == "ft" and points:
        return f"at {size} pixels {points[0]} ends in one point: no factor to transfer"
    return ""


class Planned(NamedTuple):
    """A cell, and the Config fields of the run that fills it.

    None: nothing can be run. `teaches`: the run is a teacher.
    """

    cell: Cell
    fields: Fields | None = None
    teaches: bool = False


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
            if why := too_small(config, task):
                cells.append(cell._replace(system="", why=why))
                continue
            config = scaled(config, task, teaches)
        assert systems.setdefault(cell.system, config) == config, f"{name}: two experiments are named {cell.system}"
        words[cell.system] = " ".join(typed(fields))
        cells.append(cell)
    source = {**TABLES, **ABSENT}[name]
    usual = ""
    if task.small:
        scale, shared = _small_scale(task, systems.values())
        usual = " ".join(typed(shared))
        words = {name: " ".join(typed({"method": c.method, **differing(c, shared)})) for name, c in systems.items()}
    else:
        data = dict.fromkeys(config.dataset for config in systems.values())
        where = ", ".join(data) or "no data: nothing of it can be run"
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
    epochs, steps, batch = SCALES[task.budget]
    stages = [stage for config in systems for stage in config.chain()]
    particular = ("method", "model", "hp", "weights", "optimizer_hp", "teacher", "init")
    known = {name: field.default for name, field in Config.model_fields.items() if name not in particular}
    usual = {name: Counter(getattr(stage, name) for stage in stages).most_common(1)[0][0] for name in known}
    data = "the digits at 8 pixels" if task.data == "digits" else task.data
    text = (
        f"budget {task.budget}: scaled down, not the published experiment: {data}, networks at {WIDTH} of their width, "
        f"{epochs} epochs of {steps} steps of {batch} images, of teachers {TEACHER} times as many; "
        "nothing compares with what is printed"
    )
    return text, {name: value for name, value in usual.items() if value != known[name]}
