"""Chapter 04: SS-KD (2025), distillation whose weight grows during training."""

from typing import Any

from ...experiment.config import Config
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question
from .tour import HEAD

GRID = (8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128)
TEACHER_GRID = (2e-3, 4e-3, 8e-3, 1.6e-2)
TUNED = (
    "teacher",
    "teacher, half the labels",
    "teacher, from scratch",
    "teacher, SimCLR first",
    "labels only",
    "alpha 0.9 throughout",
    "linear",
    "cosine",
    "step",
    "labels only, half the labels",
    "linear, half the labels",
    "linear, in eval mode",
    "linear, of the SimCLR teacher",
)
CURVES: dict[str, dict[str, Any]] = {
    "labels only": {"start": 0.0, "end": 0.0},
    "alpha 0.9 throughout": {"start": 0.9, "end": 0.9, "warmup": 0.0, "ramp": 21 / 30},
    "linear": {},
    "cosine": {"curve": "cosine"},
    "step": {"curve": "step"},
}


@study
def scheduled(dataset: str = "digits", labels: int = 100, budget: str = "lab", size: int | None = None) -> Study:
    """Does it help that distillation grows stronger while the student trains?"""
    if budget == "paper":
        teacher, linear, scratch, pretrained = _published(dataset, labels, size)
        rates = {}
    else:
        teacher, linear, scratch, pretrained = _small(dataset, labels, {"smoke": 0.2, "lab": 1}[budget], size)
        rates = chosen_rates("scheduled")
    half = (linear.labels or 5000) // 2
    few = teacher.replace(labels=half, lr=rates.get("teacher, half the labels", teacher.lr))
    alone = linear.replace(hp=CURVES["labels only"], teacher=few, labels=half)
    systems = {
        "teacher": teacher,
        **{name: linear.replace(hp=hp) for name, hp in CURVES.items()},
        "teacher, half the labels": few,
        "labels only, half the labels": alone,
        "linear, half the labels": linear.replace(teacher=few, labels=half),
        "linear, chosen on test": linear.replace(select="test"),
        "linear, to the end": linear.replace(patience=None),
        "linear, in eval mode": linear.replace(hp={"as_released": True}, patience=None),
        "teacher, from scratch": scratch,
        "teacher, SimCLR first": pretrained,
        "linear, of the SimCLR teacher": linear.replace(teacher=pretrained),
    }
    systems = {name: config.replace(lr=rates.get(name, config.lr)) for name, config in systems.items()}
    systems |= {PIXELS: pixels(linear), f"{PIXELS}, half the labels": pixels(alone)}
    return Study(
        "scheduled",
        "Does it help that distillation grows stronger while the student trains?",
        systems,
        [
            Question("Does distillation help?", "linear", "labels only"),
            Question("Does the schedule help?", "linear", "alpha 0.9 throughout"),
            Question("Cosine instead of linear?", "cosine", "linear"),
            Question("Step instead of linear?", "step", "linear"),
            Question(
                "Does distillation help with half the labels?",
                "linear, half the labels",
                "labels only, half the labels",
            ),
            Question("Do twice the labels help?", "labels only", "labels only, half the labels"),
            Question("With a teacher, too?", "linear", "linear, half the labels"),
            Question("What does choosing on the test set add?", "linear, chosen on test", "linear"),
            Question("Does training in eval mode harm?", "linear, to the end", "linear, in eval mode"),
            Question("Does pre-training help the teacher?", "teacher, SimCLR first", "teacher, from scratch"),
            Question("Does it help its student?", "linear, of the SimCLR teacher", "linear"),
            *against_pixels(systems, [*CURVES, "labels only, half the labels", "linear, half the labels"]),
            *against_pixels(systems, ["teacher", "teacher, from scratch", "teacher, SimCLR first"]),
            *against_pixels(systems, ["linear, of the SimCLR teacher"]),
        ],
        grid={name: {"lr": TEACHER_GRID if name.startswith("teacher") else GRID} for name in TUNED},
        shown=[name for name in systems if name not in ("teacher, half the labels", "linear, to the end")],
    )


def _small(dataset: str, labels: int, scale: float, size: int | None) -> tuple[Config, ...]:
    """Return teacher, student, and two more teachers, as small ResNets for two cores.

    The two saw equally many images, the first without SimCLR and the second with it.
    """
    common: dict[str, Any] = {
        "dataset": dataset,
        "labels": labels,
        "size": size or (8 if dataset == "digits" else 16),
        "steps": 5 if scale == 1 else 2,
        "batch": 32,
    }
    rates = chosen_rates("scheduled")
    large = {**common, "model": "resnet20", "width": 1.0, "evaluate_every": 1000}
    teacher = Config(**large, epochs=round(25 * scale), lr=rates["teacher"])
    linear = Config(
        **common,
        method="scheduled_kd",
        model="resnet8",
        width=0.25,
        teacher=teacher,
        epochs=round(30 * scale),
        patience=5,
        lr=rates["linear"],
    )
    simclr = teacher.replace(
        method="simclr",
        hp=HEAD,
        epochs=round(10 * scale),
        steps=2 * common["steps"],
        batch=64,
        lr=8e-3,  # as was tuned for the pre-training of the study `distillation`
        weight_decay=1e-3,
    )
    fine_tuned = teacher.replace(init=simclr, epochs=round(15 * scale), lr=rates["teacher, SimCLR first"], head_lr=10)
    scratch = teacher.replace(epochs=round(95 * scale), lr=rates["teacher, from scratch"])
    return teacher, linear, scratch, fine_tuned


def _published(dataset: str, labels: int, size: int | None) -> tuple[Config, ...]:
    """Return the published pair, with images held out for early stopping.

    On the digits it has `labels` labels and no weights of ImageNet.

    The last two, a teacher from scratch and one after SimCLR on all images, are what the title promises and nobody
    published.
    """
    if dataset == "digits":
        task: dict[str, Any] = {"dataset": dataset, "labels": labels, "size": size or 32, "augment": "digits"}
        of_teacher = {"pretrained": False, "augment": "digits"}
    else:
        task, of_teacher = {"dataset": dataset, **({"size": size} if size else {})}, {}
    linear = Config(method="scheduled_kd", preset="early_stopping", teacher=of_teacher, **task)
    assert linear.teacher is not None
    teacher = linear.teacher
    data = f"{dataset}:train+unlabeled" if dataset == "stl10" else dataset
    simclr = Config(
        method="simclr",
        preset="short",
        model=teacher.model,
        dataset=data,
        size=teacher.size,
        validation=teacher.validation,
    )
    scratch = teacher.replace(pretrained=False)
    return teacher, linear, scratch, scratch.replace(init=simclr)
