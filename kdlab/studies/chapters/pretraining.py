"""SimCLR, MoCo v2 and BYOL on equal terms: what features without labels are worth."""

from typing import Any

from ...core.errors import lookup
from ...experiment.config import Config
from ..study import Study
from ..verdicts import Question

GRID = (7.5e-3, 1.5e-2, 3e-2, 6e-2, 0.12)
TITLES = {"simclr": "SimCLR", "moco": "MoCo v2", "byol": "BYOL"}
HEAD = {"norm": "hidden"}  # SimCLR's default when the studies were tuned; on digits `simclr_forms` finds no better
LR = {"simclr": 6e-2, "moco": 7.5e-3, "byol": 6e-2}
HP: dict[str, dict[str, Any]] = {"simclr": HEAD, "moco": {"queue": 512, "T": 0.2}, "byol": {}}


def pretraining(dataset: str = "digits", labels: int = 20, budget: str = "lab", size: int | None = None) -> Study:
    """What are features worth that were learned without a label?"""
    epochs = lookup("budget", budget, {"smoke": 2, "lab": 20, "paper": 1000})
    task: dict[str, Any] = {"dataset": dataset, "labels": labels, "size": size or (8 if dataset == "digits" else None)}
    small: dict[str, Any] = {
        "model": "vgg8",
        "width": 0.25,
        "batch": 64,
        "steps": 20,
        "optimizer": "sgd",
        "weight_decay": 1e-3,
        "epochs": epochs,
        "evaluate_every": 2,
    }
    if budget == "paper":
        task["labels"] = labels if dataset == "digits" else None  # published probes read all of them
        learned = {title: Config(method=key, preset="paper", **task) for key, title in TITLES.items()}
    else:
        learned = {title: Config(method=key, lr=LR[key], hp=HP[key], **small, **task) for key, title in TITLES.items()}
    untrained = learned["SimCLR"].replace(epochs=0)
    pairs = [(title, "random network") for title in learned]
    pairs += [("SimCLR", "MoCo v2"), ("SimCLR", "BYOL"), ("MoCo v2", "BYOL")]
    return Study(
        "pretraining",
        "What are features worth that were learned without a label?",
        {"random network": untrained, **learned},
        [
            Question(f"Is {a} better than {'a ' if 'random' in b else ''}{b}, by {title}?", a, b, f"test/{metric}")
            for metric, title in (("knn", "kNN"), ("probe", "a linear probe"))
            for a, b in pairs
        ],
        grid={title: {"lr": GRID} for title in learned},
    )
