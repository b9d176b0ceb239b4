"""SimCLR, MoCo v2 and BYOL on equal terms: what features without labels are worth."""

from typing import Any

from ...experiment.config import Config
from ..ablation import changed
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question
from .tour import HEAD

GRID = (7.5e-3, 1.5e-2, 3e-2, 6e-2, 0.12)
TITLES = {"simclr": "SimCLR", "moco": "MoCo v2", "byol": "BYOL"}
HP: dict[str, dict[str, Any]] = {"simclr": HEAD, "moco": {"queue": 512, "T": 0.2}, "byol": {}}
NORMS = {"no norm": "none", "hidden norm": "hidden", "all norms": "all"}
PROBES = {"test/knn": "kNN", "test/probe": "a linear probe"}
VIEWS = {"views alone": False, "views together": True}


@study
def pretraining(dataset: str = "digits", labels: int = 20, budget: str = "lab", size: int | None = None) -> Study:
    """What are features worth that were learned without a label?"""
    task: dict[str, Any] = {"dataset": dataset, "labels": labels, "size": size or (8 if dataset == "digits" else None)}
    small: dict[str, Any] = {
        "model": "vgg8",
        "width": 0.25,
        "batch": 64,
        "steps": 20,
        "optimizer": "sgd",
        "weight_decay": 1e-3,
        "epochs": {"smoke": 2, "lab": 20, "paper": 1000}[budget],
        "evaluate_every": 2,
    }
    if budget == "paper":
        task["labels"] = labels if dataset == "digits" else None  # published probes read all of them
        learned = {title: Config(method=key, preset="paper", **task) for key, title in TITLES.items()}
    else:
        rates = chosen_rates("pretraining")
        learned = {
            title: Config(method=key, lr=rates[title], hp=HP[key], **small, **task) for key, title in TITLES.items()
        }
    untrained = learned["SimCLR"].replace(epochs=0)
    systems = {PIXELS: pixels(untrained), "random network": untrained, **learned}
    pairs = [(title, "random network") for title in learned]
    pairs += [("SimCLR", "MoCo v2"), ("SimCLR", "BYOL"), ("MoCo v2", "BYOL")]
    return Study(
        "pretraining",
        "What are features worth that were learned without a label?",
        systems,
        [
            question
            for metric, title in PROBES.items()
            for question in (
                *(
                    Question(f"Is {a} better than {'a ' if 'random' in b else ''}{b}, by {title}?", a, b, metric)
                    for a, b in pairs
                ),
                *against_pixels(systems, learned, metric, title),
            )
        ],
        grid={title: {"lr": GRID} for title in learned},
    )


@study
def simclr_forms(dataset: str = "digits", labels: int = 20, budget: str = "lab") -> Study:
    """Which form of SimCLR gives the better features?

    Its head has batch norm behind none of its linear layers, behind the hidden one or behind all; the two views go
    through the network one after the other or as one batch, from which batch norm takes its statistics. All else but
    the learning rate, which was tuned for each form, is SimCLR's of the study of pre-training; at the papers' budget
    all have the rate of the preset.
    """
    learned = pretraining(dataset, labels, budget).systems["SimCLR"]
    systems = {
        f"{norm}, {views}": changed(learned, {"hp": {"norm": NORMS[norm], "joint_views": VIEWS[views]}})
        for norm in NORMS
        for views in VIEWS
    }
    if budget != "paper":
        rates = chosen_rates("simclr_forms")
        systems = {name: config.replace(lr=rates[name]) for name, config in systems.items()}
    forms = list(systems)
    systems[PIXELS] = pixels(learned)
    pairs = {
        "a norm behind the last layer": ("all norms, views alone", "hidden norm, views alone"),
        "a norm behind the last layer, views together": ("all norms, views together", "hidden norm, views together"),
        "a norm behind the hidden layer": ("hidden norm, views alone", "no norm, views alone"),
        "both views in one batch": ("hidden norm, views together", "hidden norm, views alone"),
    }
    return Study(
        "simclr_forms",
        "Which form of SimCLR gives the better features?",
        systems,
        [
            question
            for metric, title in PROBES.items()
            for question in (
                *(
                    Question(f"Are features better with {part}, by {title}?", *pair, metric)
                    for part, pair in pairs.items()
                ),
                *against_pixels(systems, forms, metric, title),
            )
        ],
        grid={name: {"lr": (*GRID, 0.24)} for name in forms},
    )
