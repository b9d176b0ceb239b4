"""SSKD's experiments beside its tables: few labels, wrong labels, its terms, its selection."""

from itertools import combinations

from .build import Asked, Task, fields_of, replicate
from .cells import Cell
from .replication import Replication

METHODS = ("supervised", "kd", "crd", "sskd")
SHARES, NOISES, RATIOS = (0.25, 0.5, 0.75), (0.1, 0.2, 0.3, 0.4, 0.5), (0.0, 0.25, 0.5, 0.75, 1.0)
RIVALS = [("kd", "supervised"), ("crd", "kd"), ("sskd", "kd"), ("sskd", "crd")]
PAIR = ("wrn_16_2", "wrn_40_2")


def few_shot(
    dataset: str | None = None, budget: str = "lab", model: str = "resnet20", teacher: str = "resnet56"
) -> Replication:
    """The student has some of the labels, its teacher all."""
    asked = []
    for share in SHARES:
        for method in METHODS:
            fields = fields_of(method, model, teacher, labels=share, theirs={"labels": None})
            group = f"{100 * share:.0f} % of the labels"
            asked.append(Asked(Cell(group, method, f"{method}, {group}"), fields))
    return replicate("sskd/few-shot", asked, RIVALS, Task(dataset, None, budget))


def noisy(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = "resnet20",
    teacher: str = "resnet56",
) -> Replication:
    """Some of the student's labels are wrong, none of its teacher's."""
    asked = []
    for noise in NOISES:
        for method in METHODS:
            fields = fields_of(method, model, teacher, noise=noise, theirs={"noise": 0.0})
            group = f"{100 * noise:.0f} % wrong labels"
            asked.append(Asked(Cell(group, method, f"{method}, {group}"), fields))
    return replicate("sskd/noisy", asked, RIVALS, Task(dataset, labels, budget))


def terms(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """All choices of its terms beside the labels; these alone are a network without a teacher."""
    names, asked, rows = ("kd", "tf", "ss"), [], []
    whole = " + ".join(("ce", *names))
    for count in range(4):
        for chosen in combinations(names, count):
            row, off = " + ".join(("ce", *chosen)), {name: 0.0 for name in names if name not in chosen}
            fields = fields_of("sskd", model, teacher, weights=off) if chosen else fields_of("supervised", model)
            asked.append(Asked(Cell(f"{model} of {teacher}", row, row), fields))
            rows += [(whole, row)] if row != whole else []
    return replicate("sskd/terms", asked, rows, Task(dataset, labels, budget))


def selective(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """How much of what the teacher gets wrong counts, for each of the two terms that choose."""
    asked, rows, usual = [], [], {"ratio_tf": 1.0, "ratio_ss": 0.75}
    for name, own in usual.items():
        for ratio in RATIOS:
            hp = {**usual, name: ratio}
            system = ", ".join(f"{key} = {value:g}" for key, value in hp.items())
            asked.append(Asked(Cell(name, f"{name} = {ratio:g}", system), fields_of("sskd", model, teacher, hp=hp)))
            rows += [(f"{name} = {own:g}", f"{name} = {ratio:g}")] if ratio != own else []
    return replicate("sskd/selective", asked, rows, Task(dataset, labels, budget))
