"""Chapter 06: LSSKD (2025), a network that teaches its own layers."""

from typing import Any

from ...experiment.config import Config
from ..ablation import one_size
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question

GRID = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128)


@study
def lsskd(dataset: str = "digits", labels: int = 50, budget: str = "lab", size: int | None = None) -> Study:
    """Is the network that LSSKD leaves behind better than a plain one?"""
    if budget == "paper":
        systems = _published(dataset, labels, size)
    else:
        systems = _small(dataset, labels, {"smoke": 3, "lab": 30}[budget], size)
    mixed = {"cutout": 2 if dataset == "digits" else 8, "cutmix": 0.5}
    systems |= {f"{name}, COC": systems[name].replace(**mixed) for name in ("plain", "LSSKD")}
    for name in ("plain", "LSSKD"):
        labelled = systems[name].labels
        few = max(10, labelled // 2) if isinstance(labelled, int) else 0.5
        systems[f"{name}, half the labels"] = systems[name].replace(labels=few)
    networks = list(systems)
    for condition in ("", ", half the labels"):
        systems[f"{PIXELS}{condition}"] = pixels(systems[f"plain{condition}"])
    tuned = ("plain", "plain, 4 times the steps", "branches only", "LSSKD", "HSAKD, taught")
    return Study(
        "lsskd",
        "Is the network that LSSKD leaves behind better than a plain one?",
        systems,
        [
            Question("Is LSSKD better than the plain network?", "LSSKD", "plain"),
            Question("Than the plain one with 4 times the steps?", "LSSKD", "plain, 4 times the steps"),
            Question("Do branches and turns alone help?", "branches only", "plain"),
            Question("Does LSSKD add to them?", "LSSKD", "branches only"),
            Question("With Cutout and CutMix?", "LSSKD, COC", "plain, COC"),
            Question("With half the labels?", "LSSKD, half the labels", "plain, half the labels"),
            Question("Is a teacher with branches better than LSSKD's own past?", "HSAKD, taught", "LSSKD"),
            *against_pixels(systems, networks),
        ],
        grid={name: {"lr": GRID} for name in tuned},
        curves={"plain": ["plain", "plain, 4 times the steps"]},
    )


def _small(dataset: str, labels: int, epochs: int, size: int | None) -> dict[str, Config]:
    """Return the systems for two cores: half of a ResNet-8."""
    common: dict[str, Any] = {
        "dataset": dataset,
        "labels": labels,
        "size": size or one_size(dataset),
        "model": "resnet8",
        "width": 0.5,
        "batch": 10,
        "evaluate_every": 5,
        "steps": min(20, max(1, labels // 10)),
        "epochs": epochs,
    }
    rates = chosen_rates("lsskd")
    branches = Config(**common, method="hsakd_teacher", lr=rates["branches only"])
    return {
        "plain": Config(**common, lr=rates["plain"]),
        "plain, 4 times the steps": Config(**{**common, "epochs": 4 * epochs}, lr=rates["plain, 4 times the steps"]),
        "branches only": branches,
        "LSSKD": Config(**common, method="lsskd", lr=rates["LSSKD"]),
        "HSAKD, taught": Config(**common, method="hsakd", teacher=branches, lr=rates["HSAKD, taught"]),
    }


def _published(dataset: str, labels: int, size: int | None) -> dict[str, Config]:
    """Return WRN-16-2 by the published recipes; on CIFAR with all labels."""
    task: dict[str, Any] = {
        "dataset": dataset,
        "labels": labels if dataset in ("digits", "mnist") else None,
        **({"size": size} if size else {}),
    }
    paper = {**task, "preset": "paper", "model": "wrn_16_2"}
    plain = Config(**paper)
    branches = Config(method="hsakd_teacher", **paper)
    return {
        "plain": plain,
        "plain, 4 times the steps": plain.replace(epochs=4 * plain.epochs),
        "branches only": branches,
        "LSSKD": Config(method="lsskd", **paper),
        "HSAKD, taught": Config(method="hsakd", **paper | {"preset": "joint"}, teacher=branches),
    }
