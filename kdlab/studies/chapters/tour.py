"""Chapter 00: twenty labels, a teacher that saw all images, a tiny student; then the same with more labels."""

from collections.abc import Sequence

from ...experiment.config import Config
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question

GRID = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)  # of learning rates; fine-tuning begins at a quarter of it
HEAD = {"norm": "hidden"}  # SimCLR's default when the studies were tuned; on digits `simclr_forms` finds no better
STUDENT, TEACHER = "student, labels only", "teacher, labels only"
PRETRAINED, TAUGHT = "teacher, SimCLR + fine-tuning", "student of the SimCLR teacher"


@study
def tour(dataset: str = "digits", labels: int = 20, budget: str = "lab", size: int | None = None) -> Study:
    """Can a tiny student of a self-supervised teacher read digits from twenty labels?"""
    scale, rates = {"smoke": 0.1, "lab": 1, "paper": 10}[budget], chosen_rates("tour")
    paper = budget == "paper"
    common = {
        "dataset": dataset,
        "labels": labels,
        "size": size or (32 if paper else 8),
        "width": 1.0 if paper else 0.25,
    }
    small = {**common, "model": "litenet_dsc", "steps": 10, "epochs": round(30 * scale)}
    large = {**common, "model": "vgg8", "steps": 20, "evaluate_every": 1000}
    simclr = Config(
        **large, method="simclr", hp=HEAD, epochs=round(20 * scale), batch=128, lr=rates["SimCLR"], weight_decay=1e-3
    )
    by_labels = Config(**large, epochs=round(45 * scale), batch=128, lr=rates[TEACHER])
    by_ssl = Config(**large, init=simclr, epochs=round(10 * scale), batch=64, lr=rates[PRETRAINED], head_lr=10)
    student = Config(**small, method="litenet_ssd", teacher=by_ssl, batch=16, lr=rates[TAUGHT])
    of_labels = "student of the labels-only teacher"
    systems = {
        STUDENT: Config(**small, batch=128, lr=rates[STUDENT]),
        TEACHER: by_labels,
        "random network": simclr.replace(epochs=0),
        "SimCLR": simclr,
        PRETRAINED: by_ssl,
        TAUGHT: student,
        of_labels: student.replace(teacher=by_labels, lr=rates[of_labels]),
    }
    return Study(
        "tour",
        "How well can a network of 35,000 parameters read digits, from twenty labels and a thousand images?",
        systems,
        [
            Question("Has SimCLR learned anything?", "SimCLR", "random network", "test/knn"),
            Question("Does pre-training help the teacher?", PRETRAINED, TEACHER),
            Question("Does a teacher help the student?", TAUGHT, STUDENT),
            Question("Does a teacher without pre-training help it?", of_labels, STUDENT),
            Question("Does the student need a self-supervised teacher?", TAUGHT, of_labels),
        ],
        grid={
            name: {"lr": [lr / 4 for lr in GRID] if config.init else GRID}
            for name, config in systems.items()
            if config.epochs
        },
        shown=[name for role in ("student", "teacher") for name in systems if name.startswith(role)],
    )


@study
def label_budgets(dataset: str = "digits", labels: Sequence[int] = (10, 20, 50, 200), budget: str = "lab") -> Study:
    """How much are pre-training and a teacher worth, the more labels there are?

    The systems of the tour at several label budgets, with the learning rates that were chosen at its own; they share
    its pre-training, which reads no label.
    """
    tours, pretrained = {n: tour(dataset, n, budget).systems for n in labels}, tour(dataset, budget=budget).systems
    systems = {}
    for n in labels:
        systems |= {at(name, n): tours[n][name] for name in (STUDENT, TEACHER)}
        systems[at(PRETRAINED, n)] = tours[n][PRETRAINED].replace(init=pretrained["SimCLR"])
        systems[at(TAUGHT, n)] = tours[n][TAUGHT].replace(teacher=systems[at(PRETRAINED, n)])
    asked = []
    for n in labels:
        asked += [
            Question(f"Does pre-training help the teacher at {n} labels?", at(PRETRAINED, n), at(TEACHER, n)),
            Question(f"Does the teacher help the student at {n} labels?", at(TAUGHT, n), at(STUDENT, n)),
        ]
    return Study(
        "label_budgets",
        "How much are pre-training and a teacher worth, the more labels there are?",
        systems,
        asked,
    )


def at(system: str, labels: int) -> str:
    """The name of a system of the tour at a number of labels."""
    return f"{system}, {labels} labels"
