"""What the tour asks of digits of 8 pixels, asked of real images: MNIST, and photographs."""

from collections.abc import Sequence
from typing import Any

from ...core.errors import lookup
from ...engine.identity import place
from ...experiment.config import Config
from ..study import Study
from ..verdicts import Question
from .label_budgets import PRETRAINED, STUDENT, TAUGHT, TEACHER, at
from .pretraining import HEAD

RANDOM, SIMCLR = "random network", "SimCLR"
# Learning rates, tuned on MNIST with 50 and with 1,000 labels and on the photographs with 1,000
FEW = 200  # labels up to which the rates of 50 are taken
FEW_LR = {STUDENT: 0.128, TEACHER: 0.004, PRETRAINED: 0.0005, TAUGHT: 0.064}
LR = {STUDENT: 0.032, TEACHER: 0.008, SIMCLR: 0.008, PRETRAINED: 0.004, TAUGHT: 0.032}
PHOTOGRAPHS_LR = {STUDENT: 0.032, TEACHER: 0.004, SIMCLR: 0.008, PRETRAINED: 0.004, TAUGHT: 0.032}


def real_images(
    dataset: str = "mnist",
    labels: Sequence[int] = (50, 1000),
    photographs: str | None = "folder:cifar10-jpeg",
    budget: str = "lab",
) -> Study:
    """Do pre-training and a teacher help on real images, too: handwritten digits with few labels, and photographs?

    The systems of the tour, with ResNet-18 as the larger network, on `dataset` with each number of `labels`, on
    `photographs` (None: without) with the last of them. The photographs that were measured are not CIFAR-10's own but
    copies of them as JPEG files, which lose detail: a folder cifar10-jpeg, under the data root or with its path. They
    are told of under that name, and beside them the genuine ones, photographs="cifar10", under theirs.

    At 16 pixels a teacher has 200 steps and a student 400; for each data set and number of labels a seed takes two to
    three minutes of one core. The lengths and batches were set after single runs: of seed 0 with a view of its test
    images, so that it is none of the seeds here, and of seed 100 by validation images. The learning rates are tuned
    (`kdlab study tune`), on MNIST for each number of labels; another data set has those of its kind, digits or
    photographs.
    """
    scale = lookup("budget", budget, {"smoke": 0.1, "lab": 1, "paper": 10})
    usual: dict[str, Any] = {
        "size": 32 if budget == "paper" else 16,
        "width": 1.0 if budget == "paper" else 0.25,
        "epochs": round(20 * scale),
        "evaluate_every": 1000,
    }
    budgets = {dataset: labels}
    if photographs:
        budgets.setdefault(photographs, labels[-1:])
    systems: dict[str, Config] = {}
    asked = []
    for data, numbers in budgets.items():
        name = place(data).removeprefix("folder:")
        small_photographs = data == photographs and budget != "paper"
        lr = PHOTOGRAPHS_LR if data == photographs else LR
        common = {**usual, "dataset": data, "augment": "colour_small" if small_photographs else None}
        small, large = {**common, "model": "litenet_dsc", "steps": 20}, {**common, "model": "resnet18", "steps": 10}
        # One for all numbers of labels: it reads none, and those of the last judge its features
        simclr = Config(
            **large,
            method="simclr",
            hp=HEAD,
            labels=numbers[-1],
            batch=128,
            lr=lr[SIMCLR],
            weight_decay=1e-3,
        )
        random, pretrained = f"{RANDOM}, {name}", f"{SIMCLR}, {name}"
        systems |= {random: simclr.replace(epochs=0), pretrained: simclr}
        asked.append(Question(f"Has SimCLR learned anything of {name}?", pretrained, random, "test/knn"))
        for n in numbers:
            student, teacher, tuned, taught = (
                at(f"{system}, {name}", n) for system in (STUDENT, TEACHER, PRETRAINED, TAUGHT)
            )
            rates = lr if n > FEW or data == photographs else FEW_LR
            by_ssl = Config(**large, labels=n, init=simclr, lr=rates[PRETRAINED], head_lr=10)
            systems |= {
                student: Config(**small, labels=n, lr=rates[STUDENT]),
                teacher: Config(**large, labels=n, lr=rates[TEACHER]),
                tuned: by_ssl,
                taught: Config(**small, labels=n, method="litenet_ssd", teacher=by_ssl, batch=12, lr=rates[TAUGHT]),
            }
            asked += [
                Question(f"Does pre-training help the teacher on {name} with {n} labels?", tuned, teacher),
                Question(f"Does the teacher help the student on {name} with {n} labels?", taught, student),
            ]
    return Study(
        "real_images",
        "Do pre-training and a teacher help on real images, too?",
        systems,
        asked,
        seeds=range(1, 6),
        grid={name: {"lr": (c.lr / 2, c.lr, 2 * c.lr)} for name, c in systems.items() if c.epochs},
        shown=[name for name, config in systems.items() if config.method != "simclr"],
    )
