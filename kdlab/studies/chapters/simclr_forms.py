"""The forms in which codes write SimCLR: norms in its head, and views that go alone or as one batch."""

from ..ablation import changed
from ..study import Study
from ..verdicts import Question
from .pretraining import GRID, pretraining

NORMS = {"no norm": "none", "hidden norm": "hidden", "all norms": "all"}
VIEWS = {"views alone": False, "views together": True}
LR = {
    "no norm, views alone": 6e-2,
    "no norm, views together": 1.5e-2,
    "hidden norm, views alone": 6e-2,
    "hidden norm, views together": 0.12,
    "all norms, views alone": 6e-2,
    "all norms, views together": 0.24,
}


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
        systems = {name: config.replace(lr=LR[name]) for name, config in systems.items()}
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
            Question(f"Are features better with {part}, by {title}?", *pair, f"test/{metric}")
            for metric, title in (("knn", "kNN"), ("probe", "a linear probe"))
            for part, pair in pairs.items()
        ],
        grid={name: {"lr": (*GRID, 0.24)} for name in systems},
    )
