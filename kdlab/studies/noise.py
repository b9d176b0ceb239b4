"""Wrong labels: what they cost, and what a teacher is worth that saw right ones."""

from typing import Any

from ..config import Config
from ..errors import lookup
from .study import Study
from .verdicts import Question

GRID = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)


def noise(dataset: str = "digits", labels: float = 0.5, budget: str = "lab", size: int | None = None) -> Study:
    """What do wrong labels cost, and does a teacher that saw right ones make up for it?"""
    small: dict[str, Any] = {
        "model": "resnet8", "width": 1.0, "batch": 128, "steps": 10, "evaluate_every": 1000, "lr": 1e-3
    }  # fmt: skip
    recipe = lookup("budget", budget, {
        "smoke": {**small, "epochs": 1},
        "lab": {**small, "epochs": 15},
        "paper": {"preset": "paper", "model": "resnet18"},
    })  # fmt: skip
    own = {"dataset": dataset, "size": size or (8 if budget != "paper" and dataset == "digits" else None)}
    clean = Config(**own, labels=labels, **recipe)
    taught = Config(**own, labels=labels, **recipe, method="kd", teacher=clean)
    systems = {"no noise": clean}
    for eta in (0.2, 0.4, 0.6):
        systems[f"{eta:.0%} wrong"] = clean.replace(noise=eta)
    for eta in (0.2, 0.4):
        systems[f"{eta:.0%} of five classes wrong"] = clean.replace(noise=eta, noise_kind="asymmetric")
    for eta in (0.4, 0.6):
        systems[f"{eta:.0%} wrong, a clean teacher"] = taught.replace(noise=eta)
    return Study(
        "noise",
        "What do wrong labels cost, and does a teacher that saw right ones make up for it?",
        systems,
        [
            *(
                Question(f"Does it harm that {wrong.replace(' wrong', ' are wrong')}?", "no noise", wrong)
                for wrong in systems if wrong != "no noise" and "teacher" not in wrong
            ),
            Question("Does a clean teacher help at 40%?", "40% wrong, a clean teacher", "40% wrong"),
            Question("And at 60%?", "60% wrong, a clean teacher", "60% wrong"),
            Question("Is noise that points to one class worse?", "40% wrong", "40% of five classes wrong"),
        ],
        grid={"40% wrong": {"lr": GRID}, "40% wrong, a clean teacher": {"lr": GRID}},
    )  # fmt: skip
