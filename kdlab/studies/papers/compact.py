"""Of the papers on compact students: SS-KD's two numbers, and what LiteNet-SSD says without any."""

from .build import Asked, Task, fields_of, replicate
from .cells import Cell, printed
from .published import published as numbers
from .replication import Replication

TERMS = ("kd", "feature", "consistency", "pseudo")


def scheduled(count: int, dataset: str | None = None, budget: str = "lab") -> Replication:
    """SS-KD with `count` labels of STL-10: the released script, which has the number, and what is sounder."""
    name, method, (row,) = f"ss-kd/{count}", "scheduled_kd", numbers(f"ss-kd/{count}").to_dict("records")
    stopped = "early_stopping" if count == 5000 else f"early_stopping_{count}"
    few, pair = {"labels": count}, ("efficientnet_b0", "mobilenet_v2")
    runs = {
        f"{method}, as released": fields_of(method, *pair, preset="as_released", **few),
        method: fields_of(method, *pair, **few),
        f"{method}, early stopping": fields_of(method, *pair, preset=stopped),
        "labels only": fields_of(method, *pair, **few, hp={"start": 0.0, "end": 0.0}),
    }
    asked = [
        Asked(Cell(f"{count} labels", run, run, **(printed(row) if "released" in run else {})), fields)
        for run, fields in runs.items()
    ]
    first, plain, *others = runs
    return replicate(name, asked, [(plain, others[1]), (first, plain), (others[0], plain)], Task(dataset, None, budget))


def ordering(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """Teachers that were pre-trained by three methods, and their students."""
    asked = []
    for ssl in ("simclr", "moco", "byol"):
        first = {"preset": "short", "method": ssl}
        student = {"method": "litenet_ssd", "preset": "paper", "teacher": {"init": {"method": ssl}}}
        for role, fields in (("teacher", {"preset": "finetune", "init": first}), ("student", student)):
            asked.append(Asked(Cell(f"the {role}", ssl, f"{role}, {ssl}"), fields, role == "teacher"))
    rows = [("byol", "moco"), ("moco", "simclr"), ("byol", "simclr")]
    return replicate("litenet-ssd/ordering", asked, rows, Task(dataset, labels, budget), track=False)


def components(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """The whole, the whole without each term, and its first rungs."""
    off = {"whole": (), **{f"without {term}": (term,) for term in TERMS}, "ce + kd": TERMS[1:], "ce": TERMS}
    asked = [
        Asked(
            Cell("litenet_dsc of resnet18", row, row),
            {"method": "litenet_ssd", "preset": "paper", "weights": dict.fromkeys(terms, 0.0)},
        )
        for row, terms in off.items()
    ]
    rows = [("whole", row) for row in off if row != "whole"]
    return replicate("litenet-ssd/components", asked, rows, Task(dataset, labels, budget), track=False)
