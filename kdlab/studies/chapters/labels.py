"""Wrong labels: what they cost, and what a teacher is worth that saw right ones."""

from typing import Any

from ...experiment.config import Config
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question

GRID = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)


@study
def noise(dataset: str = "digits", labels: float = 0.5, budget: str = "lab", size: int | None = None) -> Study:
    """What do wrong labels cost, and does a teacher that saw right ones help?"""
    small: dict[str, Any] = {
        "model": "resnet8",
        "width": 1.0,
        "batch": 128,
        "steps": 10,
        "evaluate_every": 1000,
    }
    recipe = {
        "smoke": {**small, "epochs": 1},
        "lab": {**small, "epochs": 15},
        "paper": {"preset": "paper", "model": "resnet18"},
    }[budget]
    task = {"dataset": dataset, "size": size or (8 if budget != "paper" and dataset == "digits" else None)}
    clean = Config(**task, labels=labels, **recipe)
    taught = clean.replace(method="kd", teacher=clean)
    systems = {"no noise": clean}
    for eta in (0.2, 0.4, 0.6):
        systems[f"{eta:.0%} wrong"] = clean.replace(noise=eta)
    for eta in (0.2, 0.4):
        systems[f"{eta:.0%} asymmetric"] = clean.replace(noise=eta, noise_kind="asymmetric")
    for eta in (0.4, 0.6):
        systems[f"{eta:.0%} wrong, a clean teacher"] = taught.replace(noise=eta)
    if budget != "paper":
        rates = chosen_rates("noise")
        systems = {name: config.replace(lr=rates[name]) for name, config in systems.items()}
        systems |= {n: c.replace(teacher=systems["no noise"]) for n, c in systems.items() if c.teacher}
    tuned, taught_by_labels = list(systems), [name for name, config in systems.items() if not config.teacher]
    systems |= {PIXELS if n == "no noise" else f"{n}, {PIXELS}": pixels(systems[n]) for n in taught_by_labels}
    return Study(
        "noise",
        "What do wrong labels cost, and does a teacher that saw right ones make up for it?",
        systems,
        [
            *(
                Question(f"Does it harm that {name.replace(' wrong', ' are wrong')}?", "no noise", name)
                for name in ("20% wrong", "40% wrong", "60% wrong")
            ),
            # Of the digits five have a similar one: 40 % of their labels are 20 % of all
            Question(
                "Is noise that points to one class worse than as much that points anywhere?",
                "20% wrong",
                "40% asymmetric",
            ),
            Question("Does a clean teacher help at 40%?", "40% wrong, a clean teacher", "40% wrong"),
            Question("And at 60%?", "60% wrong, a clean teacher", "60% wrong"),
            Question("Does it then still harm that 40% are wrong?", "no noise", "40% wrong, a clean teacher"),
            *against_pixels(systems, tuned),
        ],
        grid={name: {"lr": GRID} for name in tuned},
    )
