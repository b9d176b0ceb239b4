"""Published tables as studies: a cell is a row of published.csv, and the recipe of its method for its networks."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...experiment import recipes as published
from ...experiment.presets import presets_of
from ...methods import METHODS
from ...models import MODELS
from .build import Asked, Rows, Task, fields_of, replicate
from .cells import METRIC, Cell, printed
from .published import published as numbers
from .replication import Replication


class Spec(NamedTuple):
    """How a table is run: the preset of its methods, that of its teachers, and rows that are compared beside KD."""

    rivals: Rows = ()
    preset: str = "paper"
    teacher: str = "paper"
    baselines: Mapping[str, Callable[..., Any]] = {}  # provenance of a baseline -> its recipe, where that is its own


SPECS = {
    "litenet-ssd/main": Spec(),
    "lsskd/table-1": Spec([("lsskd", "sskd")], preset="imagenet", teacher="imagenet_teacher"),
    "lsskd/table-2": Spec([("lsskd", "sskd"), ("lsskd", "semckd")]),
    "lsskd/table-3": Spec(
        [("lsskd", "pskd"), ("lsskd", "cskd")],
        baselines={
            "copied from Tf-KD": published.self_distillation.tfkd,
            "copied from PS-KD": published.self_distillation.pskd,
        },
    ),
    "lsskd/table-4": Spec(),
    "sskd/similar": Spec([("sskd", "crd")]),
    "sskd/cross": Spec([("sskd", "crd")]),
    "sskd/imagenet": Spec(preset="imagenet", teacher="imagenet_teacher"),
    "crd/similar": Spec(),
    "crd/cross": Spec(),
    "hsakd/table-1": Spec([("hsakd, frozen teacher", "sskd"), ("hsakd, joint teacher", "hsakd, frozen teacher")]),
    "hsakd/online": Spec(),
    "after-crd/cifar100": Spec(),
}
# Rows under other names: by their values Tf-KD's two forms, its regularisation and its self-training
ALIASES = {"tf-kd": "tfkd_reg", "row without a name": "tfkd_self"}


def table(name: str, dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """The published table `name`: its methods and its networks, each by its recipe."""
    asked = [_asked(row, SPECS[name]) for row in numbers(name).to_dict("records")]
    have = dict.fromkeys(cell.row for cell, fields, _ in asked if fields and not cell.row.startswith("teacher"))
    baseline = "kd" if "kd" in have else "supervised"
    rows = [("kd", "supervised")] if baseline == "kd" else []
    rows += [(row, baseline) for row in have if row not in ("supervised", "kd")]
    return replicate(name, asked, [*rows, *SPECS[name].rivals], Task(dataset, labels, budget))


def _asked(row: Mapping[Any, Any], spec: Spec) -> Asked:
    """A row of published.csv: its cell, and the fields of its run or why there are none."""
    nets, fields = [net for net in (row["student"], row["teacher"]) if net], _fields(row, spec)
    about = ", ".join(filter(None, (row["method"], row["condition"])))
    cell = Cell(" of ".join(nets) or "networks that are not named", about, **printed(row))
    if row["method"] in ALIASES:
        taken = f"run as {ALIASES[row['method']]}, whose published values these seem to be"
        cell = cell._replace(note="; ".join(filter(None, (cell.note, taken))))
    if isinstance(fields, str):
        return Asked(cell._replace(why=fields))
    return Asked(cell._replace(system=_name(fields)), fields, teaches=row["method"] == "teacher")


def _fields(row: Mapping[Any, Any], spec: Spec) -> dict[str, Any] | str:
    student, teacher, joint = row["student"], row["teacher"], row["condition"] == "joint teacher"
    key, preset = ALIASES.get(row["method"], row["method"]), "joint" if joint else spec.preset
    if row["metric"] not in METRIC:
        return "the difference of two cells" if row["metric"] == "gain" else "no accuracy"
    if not student:
        return "its network is not said"
    if key == "teacher":
        return fields_of("hsakd_teacher", teacher) if joint else fields_of("supervised", teacher, preset=spec.teacher)
    if key not in METHODS or student not in MODELS:
        return f"kdlab has no such {'network' if key in METHODS else 'method'}"
    if key == "supervised" and row["provenance"] in spec.baselines:
        return {"method": key, **spec.baselines[row["provenance"]](student)}
    if preset not in presets_of(key):
        return f"kdlab has no recipe of it for {row['dataset']}"
    return fields_of(key, student, teacher, preset)


def _name(fields: Mapping[str, Any]) -> str:
    """A system by its experiment, so that one that stands in several cells is one: "kd, resnet20 of resnet56"."""
    teacher = fields.get("teacher", {}).get("model")
    variant = [fields["preset"]] if fields.get("preset") == "joint" else []
    nets = f"{fields['model']} of {teacher}" if teacher else fields["model"]
    return ", ".join([fields["method"], *variant, nets])
