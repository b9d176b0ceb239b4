"""LSSKD's experiments that were published without a table: figures 5 and 6, Cutout and CutMix, the hold-out."""

from .build import Asked, Task, fields_of, replicate
from .cells import Cell, printed
from .published import published as numbers
from .replication import Replication

SHARES = (0.25, 0.5, 0.75)
ALPHAS, KL, FEATURE = (0.3, 0.5, 0.8), (0.1, 0.5, 1.0), (0.01, 0.1, 1.0)
ALONE = ("resnet18", "resnet101", "mobilenet_v2_cifar")  # of table III


def figure_5(
    dataset: str | None = None, budget: str = "lab", model: str = "resnet20", teacher: str = "resnet56"
) -> Replication:
    """The student sees some of the images, its teacher all. Which pair the figure has is not known."""
    task, asked = Task(dataset, None, budget), []
    for data in (None,) if task.small or dataset else ("cifar100", "tiny-imagenet"):
        own = {"dataset": data} if data else {}
        for share in SHARES:
            group = f"{100 * share:.0f} % of the images{f' of {data}' if data else ''}"
            for method in ("kd", "crd", "sskd", "lsskd"):
                fields = fields_of(method, model, teacher, labels=share, theirs={"labels": None}, **own)
                asked.append(Asked(Cell(group, method, f"{method}, {group}"), fields))
    return replicate("lsskd/figure-5", asked, [(m, "kd") for m in ("crd", "sskd", "lsskd")], task)


def figure_6(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """What each branch reads, from the shallowest on, beside branches that learn from labels alone."""
    asked, rows = [], []
    for model, branches in (("resnet18", 4), ("resnet32x4", 3)):
        for method in ("lsskd", "hsakd_teacher"):
            fields, system = fields_of(method, model), f"{method}, {model}"
            cells = [(f"branch {k}", f"test/branch/{k}") for k in range(1, branches + 1)]
            for name, metric in (*cells, ("classifier", "top-1")):
                asked.append(Asked(Cell(model, f"{method}, {name}", system, metric), fields))
                rows.append((f"lsskd, {name}", f"hsakd_teacher, {name}"))
    return replicate("lsskd/figure-6", asked, list(dict.fromkeys(rows)), Task(dataset, labels, budget))


def coc(dataset: str | None = None, labels: int | float | None = None, budget: str = "lab") -> Replication:
    """LSSKD and plain networks with Cutout and CutMix and without, for the networks of table III."""
    asked = []
    for model in ALONE:
        for row, fields in {
            "supervised": fields_of("supervised", model),
            "supervised, COC": fields_of("supervised", model, cutout=8, cutmix=0.5),
            "lsskd": fields_of("lsskd", model),
            "lsskd, COC": fields_of("lsskd", model, preset="coc"),
        }.items():
            asked.append(Asked(Cell(model, row, f"{row}, {model}"), fields))
    for row in numbers("lsskd/coc").to_dict("records"):
        about = f"{row['method']}, {row['condition']}"
        cell = Cell("networks that are not named", about, why="the difference of two cells", **printed(row))
        asked.append(Asked(cell))
    rows = [("lsskd, COC", "lsskd"), ("supervised, COC", "supervised"), ("lsskd, COC", "supervised, COC")]
    return replicate("lsskd/coc", asked, rows, Task(dataset, labels, budget))


def hold_out(
    dataset: str | None = None, labels: int | float | None = None, budget: str = "lab", model: str = "wrn_16_2"
) -> Replication:
    """A grid of the past's weight and those of two terms, by images that are held out; `tune` chooses from it."""
    name, asked = "alpha = {:g}, kl = {:g}, feature = {:g}".format, []
    for alpha in ALPHAS:
        for kl in KL:
            for feature in FEATURE:
                fields = fields_of(
                    "lsskd", model, validation=0.1, hp={"alpha": alpha}, weights={"kl": kl, "feature": feature}
                )
                asked.append(
                    Asked(Cell(model, name(alpha, kl, feature), name(alpha, kl, feature), "val/accuracy"), fields)
                )
    usual = (0.8, 1.0, 0.1)
    others = [(a, *usual[1:]) for a in ALPHAS] + [(0.8, kl, 0.1) for kl in KL] + [(*usual[:2], f) for f in FEATURE]
    rows = [(name(*usual), name(*other)) for other in others if other != usual]
    grid = {
        name(*usual): {
            "hp": [{"alpha": alpha} for alpha in ALPHAS],
            "weights": [{"kl": kl, "feature": feature} for kl in KL for feature in FEATURE],
        }
    }
    return replicate("lsskd/hold-out", asked, rows, Task(dataset, labels, budget), track=False, grid=grid)
