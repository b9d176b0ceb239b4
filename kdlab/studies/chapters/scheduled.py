"""SS-KD (2025): distillation whose weight grows while the student trains, with early stopping."""

from typing import Any

from ...core.errors import lookup
from ...experiment.config import Config
from ..controls import given
from ..study import Study
from ..verdicts import Question
from .pretraining import HEAD

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
LR = {"labels only": 3.2e-2, "alpha 0.9 throughout": 3.2e-2, "linear": 0.128, "cosine": 0.128, "step": 0.128}


def scheduled(dataset: str = "digits", labels: int = 100, budget: str = "lab", size: int | None = None) -> Study:
    """Does it help that distillation grows stronger while the student trains?"""
    scale = lookup("budget", budget, {"smoke": 0.2, "lab": 1, "paper": 1})
    paper = budget == "paper"
    teacher, linear, scratch, pretrained = (_published if paper else _small)(dataset, labels, scale, size)
    systems = {"teacher": teacher}
    for name, hp in CURVES.items():
        systems[name] = linear.replace(hp=hp, **({} if paper else {"lr": LR[name]}))
    half = (linear.labels or 5000) // 2
    few = teacher.replace(labels=half, **({} if paper else {"lr": 8e-3}))
    systems |= {
        "teacher, half the labels": few,
        "labels only, half the labels": systems["labels only"].replace(
            teacher=few, labels=half, **({} if paper else {"lr": 6.4e-2})
        ),
        "linear, half the labels": systems["linear"].replace(teacher=few, labels=half),
        "linear, chosen on test": systems["linear"].replace(select="test"),
        "linear, to the end": linear.replace(patience=None),
        "linear, in eval mode": linear.replace(
            hp={"as_released": True}, patience=None, **({} if paper else {"lr": 1.6e-2})
        ),
        "teacher, from scratch": scratch,
        "teacher, SimCLR first": pretrained,
        "linear, of the SimCLR teacher": linear.replace(teacher=pretrained, **({} if paper else {"lr": 3.2e-2})),
    }
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
        ],
        grid={name: {"lr": TEACHER_GRID if name.startswith("teacher") else GRID} for name in TUNED},
        shown=[name for name in systems if name not in ("teacher, half the labels", "linear, to the end")],
    )


def _small(dataset: str, labels: int, scale: float, size: int | None) -> tuple[Config, ...]:
    """Small ResNets for two cores: teacher, student, and a teacher without and with SimCLR that saw as many images."""
    common: dict[str, Any] = {
        "dataset": dataset,
        "labels": labels,
        "size": size or (8 if dataset == "digits" else 16),
        "steps": 5 if scale == 1 else 2,
        "batch": 32,
    }
    teacher = Config(**common, model="resnet20", width=1.0, epochs=round(25 * scale), lr=4e-3, evaluate_every=1000)
    linear = Config(
        **common,
        method="scheduled_kd",
        model="resnet8",
        width=0.25,
        teacher=teacher,
        epochs=round(30 * scale),
        patience=5,
        lr=0.128,
    )
    simclr = teacher.replace(
        method="simclr",
        hp=HEAD,
        epochs=round(10 * scale),
        steps=2 * common["steps"],
        batch=64,
        lr=8e-3,
        weight_decay=1e-3,
    )
    fine_tuned = teacher.replace(init=simclr, epochs=round(15 * scale), lr=8e-3, head_lr=10)
    return teacher, linear, teacher.replace(epochs=round(95 * scale), lr=1.6e-2), fine_tuned


def _published(dataset: str, labels: int, scale: float, size: int | None) -> tuple[Config, ...]:
    """The published pair, with images held out to stop on; on the digits, `labels`, without ImageNet's weights.

    The last two, a teacher from scratch and one after SimCLR on all images, are what the title promises and nobody
    published.
    """
    if dataset == "digits":
        task: dict[str, Any] = {"dataset": dataset, "labels": labels, "size": size or 32, "augment": "digits"}
        own = {"pretrained": False, "augment": "digits"}
    else:
        task, own = {"dataset": dataset, **given(size)}, {}
    linear = Config(method="scheduled_kd", preset="early_stopping", teacher=own, **task)
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
