"""Published experiments as studies.

Of a table each row of published.csv is a cell; experiments without numbers list their cells here.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations, product
from typing import Any, NamedTuple

from ...experiment import recipes
from ...experiment.presets import presets_of
from ...methods import METHODS
from ...models import MODELS
from .published import METRIC, TABLES, Cell, printed
from .published import published as numbers
from .replication import Planned, Replication, Rows, Task, fields_of, replicate

TERMS = ("kd", "feature", "consistency", "pseudo")
ALPHAS, KL, FEATURE = (0.3, 0.5, 0.8), (0.1, 0.5, 1.0), (0.01, 0.1, 1.0)
ALONE = ("resnet18", "resnet101", "mobilenet_v2_cifar")  # of table III
SSKD_METHODS = ("supervised", "kd", "crd", "sskd")
SHARES, NOISES, RATIOS = (0.25, 0.5, 0.75), (0.1, 0.2, 0.3, 0.4, 0.5), (0.0, 0.25, 0.5, 0.75, 1.0)
SSKD_RIVALS = [("kd", "supervised"), ("crd", "kd"), ("sskd", "kd"), ("sskd", "crd")]
PAIR = ("wrn_16_2", "wrn_40_2")
GREY, COLOUR = ("digits", "mnist", "fashion-mnist"), ("stl10", "tiny-imagenet")


class Spec(NamedTuple):
    """How a table is run.

    `rivals` are rows to compare beside those with KD, `preset` and `teacher` the presets of methods and teachers.
    """

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
            "copied from Tf-KD": recipes.self_distillation.tfkd,
            "copied from PS-KD": recipes.self_distillation.PSKD,
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
    """Return the published table `name`, each method and network by its recipe."""
    plan = []
    for row in numbers(name).to_dict("records"):
        nets, fields = [net for net in (row["student"], row["teacher"]) if net], _fields(row, SPECS[name])
        about = ", ".join(filter(None, (row["method"], row["condition"])))
        cell = Cell(" of ".join(nets) or "networks that are not named", about, **printed(row))
        if row["method"] in ALIASES:
            taken = f"run as {ALIASES[row['method']]}, whose published values these seem to be"
            cell = cell._replace(note="; ".join(filter(None, (cell.note, taken))))
        if isinstance(fields, str):
            plan.append(Planned(cell._replace(why=fields)))
        else:
            # "kd, resnet20 of resnet56": by the experiment, so that one that stands in several cells is one system
            teacher = fields.get("teacher", {}).get("model")
            variant = ["joint"] if fields.get("preset") == "joint" else []
            system = [fields["method"], *variant, f"{fields['model']} of {teacher}" if teacher else fields["model"]]
            plan.append(Planned(cell._replace(system=", ".join(system)), fields, row["method"] == "teacher"))
    have = dict.fromkeys(cell.row for cell, fields, _ in plan if fields and not cell.row.startswith("teacher"))
    baseline = "kd" if "kd" in have else "supervised"
    rows = [("kd", "supervised")] if baseline == "kd" else []
    rows += [(row, baseline) for row in have if row not in ("supervised", "kd")]
    return replicate(name, plan, [*rows, *SPECS[name].rivals], Task(dataset, labels, budget))


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
        return {"method": key, **spec.baselines[row["provenance"]](model=student)}
    if preset not in presets_of(key):
        return f"kdlab has no recipe of it for {row['dataset']}"
    return fields_of(key, student, teacher, preset)


def scheduled(count: int, dataset: str | None = None, budget: str = "lab") -> Replication:
    """Run SS-KD with `count` labels of STL-10, as released and with sound choices."""
    name, method, (row,) = f"ss-kd/{count}", "scheduled_kd", numbers(f"ss-kd/{count}").to_dict("records")
    stopped = "early_stopping" if count == 5000 else f"early_stopping_{count}"
    few, pair = {"labels": count}, ("efficientnet_b0", "mobilenet_v2")
    runs = {
        f"{method}, as released": fields_of(method, *pair, preset="as_released", **few),
        method: fields_of(method, *pair, **few),
        f"{method}, early stopping": fields_of(method, *pair, preset=stopped),
        "labels only": fields_of(method, *pair, **few, hp={"start": 0.0, "end": 0.0}),
    }
    plan = [
        Planned(Cell(f"{count} labels", run, run, **(printed(row) if "released" in run else {})), fields)
        for run, fields in runs.items()
    ]
    first, plain, *others = runs
    return replicate(name, plan, [(plain, others[1]), (first, plain), (others[0], plain)], Task(dataset, None, budget))


def ordering(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """Compare teachers that were pre-trained by three methods, and their students."""
    plan = []
    for ssl in ("simclr", "moco", "byol"):
        first = {"preset": "short", "method": ssl}
        student = {"method": "litenet_ssd", "preset": "paper", "teacher": {"init": {"method": ssl}}}
        for role, fields in (("teacher", {"preset": "finetune", "init": first}), ("student", student)):
            plan.append(Planned(Cell(f"the {role}", ssl, f"{role}, {ssl}"), fields, role == "teacher"))
    rows = [("byol", "moco"), ("moco", "simclr"), ("byol", "simclr")]
    return replicate("litenet-ssd/ordering", plan, rows, Task(dataset, labels, budget), track=False)


def components(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """Compare the whole with the whole without each term, and with its first rungs."""
    off = {"whole": (), **{f"without {term}": (term,) for term in TERMS}, "ce + kd": TERMS[1:], "ce": TERMS}
    plan = [
        Planned(
            Cell("litenet_dsc of resnet18", row, row),
            {"method": "litenet_ssd", "preset": "paper", "weights": dict.fromkeys(terms, 0.0)},
        )
        for row, terms in off.items()
    ]
    rows = [("whole", row) for row in off if row != "whole"]
    return replicate("litenet-ssd/components", plan, rows, Task(dataset, labels, budget), track=False)


def figure_5(
    dataset: str | None = None, budget: str = "lab", model: str = "resnet20", teacher: str = "resnet56"
) -> Replication:
    """Show some of the images to the student, all of them to its teacher.

    Which pair of networks the figure has is not known.
    """
    task, groups = Task(dataset, None, budget), {}
    for data, share in product([None] if task.small or dataset else ["cifar100", "tiny-imagenet"], SHARES):
        group = f"{100 * share:.0f} % of the images{f' of {data}' if data else ''}"
        groups[group] = {"labels": share, **({"dataset": data} if data else {})}
    plan = _varied(groups, {"labels": None}, ("kd", "crd", "sskd", "lsskd"), model, teacher)
    return replicate("lsskd/figure-5", plan, [(m, "kd") for m in ("crd", "sskd", "lsskd")], task)


def _varied(
    groups: Mapping[str, Mapping[str, Any]],
    of_teacher: Mapping[str, Any],
    methods: Sequence[str],
    model: str,
    teacher: str,
) -> list[Planned]:
    """Return a cell for each method in each group of student fields."""
    return [
        Planned(
            Cell(group, method, f"{method}, {group}"),
            fields_of(method, model, teacher, of_teacher=of_teacher, **fields),
        )
        for group, fields in groups.items()
        for method in methods
    ]


def figure_6(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """Compare LSSKD's branches with branches that learn from labels alone."""
    plan, rows = [], []
    for model, branches in (("resnet18", 4), ("resnet32x4", 3)):
        for method in ("lsskd", "hsakd_teacher"):
            fields, system = fields_of(method, model), f"{method}, {model}"
            cells = [(f"branch {k}", f"test/branch/{k}") for k in range(1, branches + 1)]
            for name, metric in (*cells, ("classifier", "top-1")):
                plan.append(Planned(Cell(model, f"{method}, {name}", system, metric), fields))
                rows.append((f"lsskd, {name}", f"hsakd_teacher, {name}"))
    return replicate("lsskd/figure-6", plan, list(dict.fromkeys(rows)), Task(dataset, labels, budget))


def coc(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """Train LSSKD and plain networks of table III with Cutout and CutMix, and without."""
    plan = []
    for model in ALONE:
        for row, fields in {
            "supervised": fields_of("supervised", model),
            "supervised, COC": fields_of("supervised", model, cutout=8, cutmix=0.5),
            "lsskd": fields_of("lsskd", model),
            "lsskd, COC": fields_of("lsskd", model, preset="coc"),
        }.items():
            plan.append(Planned(Cell(model, row, f"{row}, {model}"), fields))
    for row in numbers("lsskd/coc").to_dict("records"):
        about = f"{row['method']}, {row['condition']}"
        plan.append(
            Planned(Cell("networks that are not named", about, why="the difference of two cells", **printed(row)))
        )
    rows = [("lsskd, COC", "lsskd"), ("supervised, COC", "supervised"), ("lsskd, COC", "supervised, COC")]
    return replicate("lsskd/coc", plan, rows, Task(dataset, labels, budget))


def hold_out(
    dataset: str | None = None, labels: int | float | None = None, budget: str = "lab", model: str = "wrn_16_2"
) -> Replication:
    """Choose LSSKD's alpha and the weights of two terms by held-out images.

    `tune` chooses from the grid.
    """
    name, plan = "alpha = {:g}, kl = {:g}, feature = {:g}".format, []
    for alpha, kl, feature in product(ALPHAS, KL, FEATURE):
        system, weights = name(alpha, kl, feature), {"kl": kl, "feature": feature}
        fields = fields_of("lsskd", model, validation=0.1, hp={"alpha": alpha}, weights=weights)
        plan.append(Planned(Cell(model, system, system, "val/accuracy"), fields))
    usual = (0.8, 1.0, 0.1)
    others = [(a, *usual[1:]) for a in ALPHAS] + [(0.8, kl, 0.1) for kl in KL] + [(*usual[:2], f) for f in FEATURE]
    rows = [(name(*usual), name(*other)) for other in others if other != usual]
    grid = {
        name(*usual): {
            "hp": [{"alpha": alpha} for alpha in ALPHAS],
            "weights": [{"kl": kl, "feature": feature} for kl in KL for feature in FEATURE],
        }
    }
    return replicate("lsskd/hold-out", plan, rows, Task(dataset, labels, budget), track=False, grid=grid)


def few_shot(
    dataset: str | None = None, budget: str = "lab", model: str = "resnet20", teacher: str = "resnet56"
) -> Replication:
    """Give some of the labels to the student, all of them to its teacher."""
    groups = {f"{100 * share:.0f} % of the labels": {"labels": share} for share in SHARES}
    plan = _varied(groups, {"labels": None}, SSKD_METHODS, model, teacher)
    return replicate("sskd/few-shot", plan, SSKD_RIVALS, Task(dataset, None, budget))


def noisy(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = "resnet20",
    teacher: str = "resnet56",
) -> Replication:
    """Make some of the student's labels wrong, none of its teacher's."""
    groups = {f"{100 * noise:.0f} % wrong labels": {"noise": noise} for noise in NOISES}
    plan = _varied(groups, {"noise": 0.0}, SSKD_METHODS, model, teacher)
    return replicate("sskd/noisy", plan, SSKD_RIVALS, Task(dataset, labels, budget))


def terms(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """Combine SSKD's terms in all ways beside the labels.

    The labels alone are a network without a teacher.
    """
    names, plan, rows = ("kd", "tf", "ss"), [], []
    whole = " + ".join(("ce", *names))
    for count in range(4):
        for chosen in combinations(names, count):
            row, off = " + ".join(("ce", *chosen)), {name: 0.0 for name in names if name not in chosen}
            fields = fields_of("sskd", model, teacher, weights=off) if chosen else fields_of("supervised", model)
            plan.append(Planned(Cell(f"{model} of {teacher}", row, row), fields))
            rows += [(whole, row)] if row != whole else []
    return replicate("sskd/terms", plan, rows, Task(dataset, labels, budget))


def selective(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """Vary how many of the teacher's mistakes count.

    Two terms choose among them.
    """
    plan, rows, usual = [], [], {"ratio_tf": 1.0, "ratio_ss": 0.75}
    for name, published_ratio in usual.items():
        for ratio in RATIOS:
            hp = {**usual, name: ratio}
            system = ", ".join(f"{key} = {value:g}" for key, value in hp.items())
            plan.append(Planned(Cell(name, f"{name} = {ratio:g}", system), fields_of("sskd", model, teacher, hp=hp)))
            rows += [(f"{name} = {published_ratio:g}", f"{name} = {ratio:g}")] if ratio != published_ratio else []
    return replicate("sskd/selective", plan, rows, Task(dataset, labels, budget))


def pretext(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """Compare SSKD's pretext task with three others and with none.

    All have the weights and temperatures of SSKD's own.
    """
    runs = {
        "none": fields_of("sskd", model, teacher, weights={"ss": 0.0}),
        "contrastive": fields_of("sskd", model, teacher),
    }
    for task in ("rotation", "jigsaw", "exemplar"):
        runs[task] = fields_of("sskd_pretext", model, teacher, of_teacher={"hp": {"task": task}})
    plan = [Planned(Cell(f"{model} of {teacher}", row, row), fields) for row, fields in runs.items()]
    none, published_task, *others = runs
    rows = [*((task, none) for task in (published_task, *others)), *((published_task, task) for task in others)]
    return replicate("sskd/pretext", plan, rows, Task(dataset, labels, budget))


def transformations(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """Compare the code's rotations with the paper's four transforms.

    Each of the other three stands alone, too; the task is SSKD's own.

    Images of one channel, such as the digits, have no colour: `color_drop` leaves them their crops, and `color_jitter`
    changes brightness and contrast.
    """
    alone = ("paper", "color_drop", "crop", "color_jitter")
    runs = {"rotation": fields_of("sskd", model, teacher)}
    for transform in alone:
        runs[transform] = fields_of("sskd_pretext", model, teacher, of_teacher={"hp": {"transform": transform}})
    plan = [Planned(Cell(f"{model} of {teacher}", row, row), fields) for row, fields in runs.items()]
    rows = [("rotation", transform) for transform in alone]
    return replicate("sskd/transformations", plan, rows, Task(dataset, labels, budget))


def linear(
    dataset: str | None = None,
    labels: int | float | None = None,
    budget: str = "lab",
    model: str = PAIR[0],
    teacher: str = PAIR[1],
) -> Replication:
    """Train linear classifiers of frozen features on other data sets, with all labels.

    Grey images are judged on grey ones.
    """
    task = Task(dataset, labels, budget)
    data = task.data if task.small else dataset
    elsewhere, plan = [name for name in (GREY[1:] if data in GREY else COLOUR) if name != data], []
    for name in elsewhere:
        for method in ("teacher", *SSKD_METHODS):
            fields = fields_of("supervised", teacher) if method == "teacher" else fields_of(method, model, teacher)
            cell = Cell(f"{model} of {teacher}", f"{method}, on {name}", method, f"transfer/{name}")
            plan.append(Planned(cell, fields, method == "teacher"))
    rows = [(f"{one}, on {name}", f"{other}, on {name}") for name in elsewhere for one, other in SSKD_RIVALS]
    return replicate("sskd/linear", plan, rows, task, transfers=elsewhere)


_OTHERS: dict[str, Callable[..., Replication]] = {
    "litenet-ssd/ordering": ordering,
    "litenet-ssd/components": components,
    "ss-kd/2500": partial(scheduled, 2500),
    "ss-kd/5000": partial(scheduled, 5000),
    "lsskd/figure-5": figure_5,
    "lsskd/figure-6": figure_6,
    "lsskd/coc": coc,
    "lsskd/hold-out": hold_out,
    "sskd/few-shot": few_shot,
    "sskd/noisy": noisy,
    "sskd/terms": terms,
    "sskd/selective": selective,
    "sskd/pretext": pretext,
    "sskd/transformations": transformations,
    "sskd/linear": linear,
}
_EVERY: dict[str, Callable[..., Replication]] = {**{name: partial(table, name) for name in SPECS}, **_OTHERS}
_PAPERS = ("litenet-ssd", "ss-kd", "lsskd", "sskd", "crd", "hsakd", "after-crd")
PUBLISHED = {name: _EVERY[name] for paper in _PAPERS for name in _EVERY if name.partition("/")[0] == paper}

PRINTED = {name: about for name, about in TABLES.items() if name not in PUBLISHED}  # which no study repeats
