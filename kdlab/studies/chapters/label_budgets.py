"""Accuracy against the number of labels: what pre-training and a teacher are worth, the more labels there are."""

from collections.abc import Sequence

from ..study import Study
from ..verdicts import Question
from .tour import tour

STUDENT, TEACHER, PRETRAINED, TAUGHT = (
    "student, labels only",
    "teacher, labels only",
    "teacher, SimCLR + fine-tuning",
    "student of the SimCLR teacher",
)


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
