"""Every way of learning from a teacher, with the same care for each."""

from typing import Any

from ...experiment.catalogue import pipeline
from ...experiment.config import Config
from ..ablation import with_images
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question

GRID = (8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128)
# Left out: fsp, as this pair has other channels in every stage; litenet_ssd, which learns from unlabelled images too
# (study distillation); tfkd_self, KD from a teacher of the same kind; scheduled_kd, KD with a schedule
FAMILIES = {  # what is compared; a study is a fixed list, whatever methods a notebook adds
    "labels": ("labels only",),
    "answers": ("kd", "KD, 4 times the images", "dkd"),
    "feature maps": ("fitnet", "at", "nst", "ab", "ft", "vid", "semckd"),
    "relations of samples": ("rkd", "sp", "cc", "pkt", "crd"),
    "answers to turned images": ("sskd", "hsakd"),
}
RIVALS = [name for names in FAMILIES.values() for name in names if name != "KD, 4 times the images"]


@study
def rivals(dataset: str = "digits", labels: int = 200, budget: str = "lab") -> Study:
    """Is any way of learning from a teacher better than KD, each tuned alike?

    One pair, published weights, the same steps and the same grid of learning rates for all. What a method needs before
    its student (a first phase, a head, branches) is trained for half as many steps more. At "paper" ResNet-32x4 teaches
    ResNet-8x4 by each method's published recipe.
    """
    rates = chosen_rates("rivals")
    keys = {name: "supervised" if name == "labels only" else name for name in RIVALS}
    if budget == "paper":
        task = {"dataset": dataset, "labels": labels if dataset in ("digits", "mnist") else None, "model": "resnet8x4"}
        large = {"teacher": {"model": "resnet32x4"}}
        systems = {
            name: Config(method=key, preset="paper", **task, **(large if key != "supervised" else {}))
            for name, key in keys.items()
        }
    else:
        epochs = {"smoke": 2, "lab": 20}[budget]
        systems = {name: _student(key, dataset, labels, epochs, rates[name]) for name, key in keys.items()}
    kd, four = systems["kd"], "KD, 4 times the images"
    systems[four] = with_images(kd, 4, lr=rates[four])
    tuned = list(systems)
    systems[PIXELS] = pixels(kd)
    return Study(
        "rivals",
        "Is any way of learning from a teacher better than KD, with the same care for each?",
        systems,
        [
            Question("Is KD better than labels alone?", "kd", "labels only"),
            *(
                Question(f"Is {name} better than KD?", name, "kd")
                for name in RIVALS
                if name not in ("kd", "labels only")
            ),
            *(
                Question(f"Is {name} better than KD with as many images?", name, "KD, 4 times the images")
                for name in FAMILIES["answers to turned images"]
            ),
            *against_pixels(systems, tuned),
        ],
        grid={name: {"lr": GRID} for name in tuned},
    )


def _student(key: str, dataset: str, labels: int, epochs: int, lr: float) -> Config:
    """Return a method's student, with every run that it needs before it.

    A quarter of LiteNet-DSC is the student, a quarter of ResNet-18 its teacher.
    """
    common: dict[str, Any] = {
        "dataset": dataset,
        "size": 10 if dataset == "digits" else None,
        "labels": labels,
        "width": 0.25,
        "batch": 64,
        "steps": 10,
        "evaluate_every": 1000,
    }
    small = {**common, "model": "litenet_dsc", "epochs": epochs, "lr": lr}
    # Only the student's rate was tuned
    large = {**common, "model": "resnet18", "epochs": epochs * 3 // 2, "lr": 4e-3}
    config = pipeline(key, small, large)
    first = {"epochs": max(1, config.epochs // 2), "lr": 4e-3}
    stages = {"init": config.init.replace(**first)} if config.init else {}  # a first phase
    if config.teacher is not None and config.teacher.init is not None:
        stages["teacher"] = config.teacher.replace(**first)  # which gets a head or branches
    return config.replace(**stages)
