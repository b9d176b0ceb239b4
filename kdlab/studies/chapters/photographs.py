"""What the tour asks of digits of 8 pixels, asked of real images: MNIST, and photographs."""

from collections.abc import Sequence
from typing import Any

from ...engine.identity import place
from ...experiment.config import Config
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question
from .tour import HEAD, PRETRAINED, STUDENT, TAUGHT, TEACHER, at

RANDOM, SIMCLR = "random network", "SimCLR"
FEW = 200  # labels of digits up to which the rates of 50 are taken


@study
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
    scale, rates = {"smoke": 0.1, "lab": 1, "paper": 10}[budget], chosen_rates("real_images")
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
        # Rates were tuned on MNIST with 50 and with 1,000 labels, and on the photographs with 1,000
        kind = "cifar10-jpeg" if data == photographs else "mnist"
        common = {**usual, "dataset": data, "augment": "colour_small" if small_photographs else None}
        small, large = {**common, "model": "litenet_dsc", "steps": 20}, {**common, "model": "resnet18", "steps": 10}
        # One for all numbers of labels: it reads none, and those of the last judge its features
        simclr = Config(
            **large,
            method="simclr",
            hp=HEAD,
            labels=numbers[-1],
            batch=128,
            lr=rates[f"{SIMCLR}, {kind}"],
            weight_decay=1e-3,
        )
        random, pretrained = f"{RANDOM}, {name}", f"{SIMCLR}, {name}"
        systems |= {random: simclr.replace(epochs=0), pretrained: simclr}
        asked.append(Question(f"Has SimCLR learned anything of {name}?", pretrained, random, "test/knn"))
        for n in numbers:
            student, teacher, tuned, taught = (
                at(f"{system}, {name}", n) for system in (STUDENT, TEACHER, PRETRAINED, TAUGHT)
            )
            near = 1000 if n > FEW or data == photographs else 50
            lr = {system: rates[at(f"{system}, {kind}", near)] for system in (STUDENT, TEACHER, PRETRAINED, TAUGHT)}
            by_ssl = Config(**large, labels=n, init=simclr, lr=lr[PRETRAINED], head_lr=10)
            systems |= {
                student: Config(**small, labels=n, lr=lr[STUDENT]),
                teacher: Config(**large, labels=n, lr=lr[TEACHER]),
                tuned: by_ssl,
                taught: Config(**small, labels=n, method="litenet_ssd", teacher=by_ssl, batch=12, lr=lr[TAUGHT]),
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
