"""SSKD's experiments on what its head is asked, how versions of an image differ, and its features on other images."""

from typing import Any

from .build import Asked, Task, fields_of, replicate
from .cells import Cell
from .replication import Replication
from .sskd import METHODS, PAIR, RIVALS

GREY, COLOUR = ("digits", "mnist", "fashion-mnist"), ("stl10", "tiny-imagenet")


def pretext(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """SSKD's task, three others, and none; weights and temperatures are those of its own throughout."""
    runs = {
        "none": fields_of("sskd", model, teacher, weights={"ss": 0.0}),
        "contrastive": fields_of("sskd", model, teacher),
        **{task: _other(model, teacher, task=task) for task in ("rotation", "jigsaw", "exemplar")},
    }
    asked = [Asked(Cell(f"{model} of {teacher}", row, row), fields) for row, fields in runs.items()]
    none, own, *others = runs
    rows = [*((task, none) for task in (own, *others)), *((own, task) for task in others)]
    return replicate("sskd/pretext", asked, rows, Task(dataset, labels, budget))


def transformations(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """The code's rotations, the paper's four transforms, and each of the other three alone; the task is SSKD's own.

    Images of one channel, such as the digits, have no colour: `color_drop` leaves them their crops, and `color_jitter`
    changes brightness and contrast.
    """
    alone = ("paper", "color_drop", "crop", "color_jitter")
    runs = {"rotation": fields_of("sskd", model, teacher)}
    runs |= {transform: _other(model, teacher, transform=transform) for transform in alone}
    asked = [Asked(Cell(f"{model} of {teacher}", row, row), fields) for row, fields in runs.items()]
    rows = [("rotation", transform) for transform in alone]
    return replicate("sskd/transformations", asked, rows, Task(dataset, labels, budget))


def _other(model: str, teacher: str, **hp: str) -> dict[str, Any]:
    """A student of a head with these settings."""
    return fields_of("sskd_pretext", model, teacher, theirs={"hp": hp})


def linear(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """Linear classifiers of frozen features, taught by all labels of other data sets; of grey ones where these are."""
    task = Task(dataset, labels, budget)
    data = task.scale.dataset if task.small else dataset
    elsewhere, asked = [name for name in (GREY[1:] if data in GREY else COLOUR) if name != data], []
    for name in elsewhere:
        for method in ("teacher", *METHODS):
            fields = fields_of("supervised", teacher) if method == "teacher" else fields_of(method, model, teacher)
            cell = Cell(f"{model} of {teacher}", f"{method}, on {name}", method, f"transfer/{name}")
            asked.append(Asked(cell, fields, method == "teacher"))
    rows = [(f"{one}, on {name}", f"{other}, on {name}") for name in elsewhere for one, other in RIVALS]
    return replicate("sskd/linear", asked, rows, task, transfers=elsewhere)
