"""Chapter 05: SSKD (Xu et al. 2020), whose teacher also knows rotated images."""

from typing import Any

from ...experiment.config import Config
from ..ablation import one_size, with_images
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question

GRID = (8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128, 0.256)
TUNED = ("teacher", "labels only", "KD", "KD, 4 times the images", "SSKD")


@study
def sskd(dataset: str = "digits", labels: int = 100, budget: str = "lab", size: int | None = None) -> Study:
    """Does a student gain from what its teacher knows about turned images?"""
    four = "KD, 4 times the images"
    if budget == "paper":
        systems = _published(dataset, labels, size)
        systems[four] = with_images(systems["KD"], 4)
    else:
        systems = _small(dataset, labels, {"smoke": 2, "lab": 16}[budget], size)
        systems[four] = with_images(systems["KD"], 4, lr=chosen_rates("sskd")[four])
    systems |= {"SSKD without ss": systems["SSKD"].replace(weights={"ss": 0})}
    for name in ("labels only", "KD", "SSKD"):
        whole = systems[name]
        systems[f"{name}, 40 % wrong labels"] = whole.replace(noise=0.4)
        few = max(10, whole.labels // 4) if isinstance(whole.labels, int) else 0.25
        systems[f"{name}, a quarter of the labels"] = whole.replace(labels=few)
    students = [name for name in systems if name not in ("teacher", "head", "SSKD without ss")]
    for condition in ("", ", 40 % wrong labels", ", a quarter of the labels"):
        systems[f"{PIXELS}{condition}"] = pixels(systems[f"KD{condition}"])
    return Study(
        "sskd",
        "Does a student gain from what its teacher knows about turned images?",
        systems,
        [
            Question("Does SSKD help the student?", "SSKD", "labels only"),
            Question("Does it help more than KD?", "SSKD", "KD"),
            Question("More than KD with as many images?", "SSKD", four),
            Question("Does the similarity matrix help?", "SSKD", "SSKD without ss"),
            Question(
                "With 40 % wrong labels, does a clean teacher help?",
                "KD, 40 % wrong labels",
                "labels only, 40 % wrong labels",
            ),
            Question("Does SSKD help more than KD there?", "SSKD, 40 % wrong labels", "KD, 40 % wrong labels"),
            Question(
                "With a quarter of the labels (the teacher has all), does KD help?",
                "KD, a quarter of the labels",
                "labels only, a quarter of the labels",
            ),
            Question(
                "Does SSKD help more than KD there, too?",
                "SSKD, a quarter of the labels",
                "KD, a quarter of the labels",
            ),
            *against_pixels(systems, ["teacher", *students]),
        ],
        grid={name: {"lr": GRID} for name in TUNED},
        shown=[name for name in systems if name != "head"],
    )


def _small(dataset: str, labels: int, epochs: int, size: int | None) -> dict[str, Config]:
    """Return the systems for two cores."""
    common: dict[str, Any] = {
        "dataset": dataset,
        "labels": labels,
        "size": size or one_size(dataset),
        "epochs": epochs,
        "steps": 10,
        "evaluate_every": 1000,
        "model": "resnet8",
    }
    large, small = {**common, "width": 1.0}, {**common, "width": 0.25, "batch": 16}
    rates = chosen_rates("sskd")
    teacher = Config(**large, batch=64, lr=rates["teacher"])
    head = Config(**large, method="sskd_head", init=teacher, batch=32, lr=0.016)  # no metric says how good a head is
    return {
        "teacher": teacher,
        "head": head,
        "labels only": Config(**small, lr=rates["labels only"]),
        "KD": Config(**small, method="kd", teacher=teacher, lr=rates["KD"]),
        "SSKD": Config(**small, method="sskd", teacher=head, lr=rates["SSKD"]),
    }


def _published(dataset: str, labels: int, size: int | None) -> dict[str, Config]:
    """Return ResNet-8x4 and its teacher ResNet-32x4 by the published recipe."""
    task: dict[str, Any] = {
        "dataset": dataset,
        "labels": labels if dataset in ("digits", "mnist") else None,
        **({"size": size} if size else {}),
    }
    large = {**task, "preset": "paper", "model": "resnet32x4"}
    small = {**task, "preset": "paper", "model": "resnet8x4"}
    teacher, head = Config(**large), Config(method="sskd_head", **large)
    return {
        "teacher": teacher,
        "head": head,
        "labels only": Config(**small),
        "KD": Config(method="kd", teacher=teacher, **small),
        "SSKD": Config(method="sskd", teacher=head, **small),
    }
