"""Chapter 00: twenty labels, a teacher that saw all images, a tiny student.

Then the same with more labels, and on real images.
"""

from collections.abc import Sequence
from typing import Any

from ...engine.identity import dataset_label
from ...experiment.config import Config
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question

GRID = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)  # of learning rates; fine-tuning begins at a quarter of it
HEAD = {"norm": "hidden"}  # SimCLR's default when the studies were tuned; on digits `simclr_forms` finds no better
STUDENT, TEACHER = "student, labels only", "teacher, labels only"
PRETRAINED, TAUGHT = "teacher, SimCLR + fine-tuning", "student of the SimCLR teacher"
RANDOM, SIMCLR = "random network", "SimCLR"
FEW = 200  # labels of digits up to which the rates of 50 are taken


@study
def tour(dataset: str = "digits", labels: int = 20, budget: str = "lab", size: int | None = None) -> Study:
    """Can a tiny student of a self-supervised teacher read digits from twenty labels?"""
    scale, rates = {"smoke": 0.1, "lab": 1, "paper": 10}[budget], chosen_rates("tour")
    paper = budget == "paper"
    common = {
        "dataset": dataset,
        "labels": labels,
        "size": size or (32 if paper else 8),
        "width": 1.0 if paper else 0.25,
    }
    small = {**common, "model": "litenet_dsc", "steps": 10, "epochs": round(30 * scale)}
    large = {**common, "model": "vgg8", "steps": 20, "evaluate_every": 1000}
    simclr = Config(
        **large, method="simclr", hp=HEAD, epochs=round(20 * scale), batch=128, lr=rates["SimCLR"], weight_decay=1e-3
    )
    by_labels = Config(**large, epochs=round(45 * scale), batch=128, lr=rates[TEACHER])
    by_ssl = Config(**large, init=simclr, epochs=round(10 * scale), batch=64, lr=rates[PRETRAINED], head_lr=10)
    student = Config(**small, method="litenet_ssd", teacher=by_ssl, batch=16, lr=rates[TAUGHT])
    of_labels = "student of the labels-only teacher"
    systems = {
        STUDENT: Config(**small, batch=128, lr=rates[STUDENT]),
        TEACHER: by_labels,
        "random network": simclr.replace(epochs=0),
        "SimCLR": simclr,
        PRETRAINED: by_ssl,
        TAUGHT: student,
        of_labels: student.replace(teacher=by_labels, lr=rates[of_labels]),
        PIXELS: pixels(student),
    }
    return Study(
        "tour",
        "How well can a network of 35,000 parameters read digits, from twenty labels and a thousand images?",
        systems,
        [
            Question("Has SimCLR learned anything?", "SimCLR", "random network", "test/knn"),
            Question("Does pre-training help the teacher?", PRETRAINED, TEACHER),
            Question("Does a teacher help the student?", TAUGHT, STUDENT),
            Question("Does a teacher without pre-training help it?", of_labels, STUDENT),
            Question("Does the student need a self-supervised teacher?", TAUGHT, of_labels),
            *against_pixels(systems, ["SimCLR"], "test/knn", "kNN"),
            *against_pixels(systems, [STUDENT, TEACHER, PRETRAINED, TAUGHT, of_labels]),
        ],
        grid={
            name: {"lr": [lr / 4 for lr in GRID] if config.init else GRID}
            for name, config in systems.items()
            if config.epochs
        },
        shown=[name for role in ("student", "teacher", PIXELS) for name in systems if name.startswith(role)],
    )


@study
def label_budgets(dataset: str = "digits", labels: Sequence[int] = (10, 20, 50, 200), budget: str = "lab") -> Study:
    """How much are pre-training and a teacher worth, the more labels there are?

    The systems of the tour at several label budgets, with the learning rates that were chosen at its own; they share
    its pre-training, which reads no label.
    """
    tours, pretrained = {n: tour(dataset, n, budget).systems for n in labels}, tour(dataset, budget=budget).systems
    systems = {}
    for n in labels:
        systems |= {at(name, n): tours[n][name] for name in (STUDENT, TEACHER)}
        systems[at(PRETRAINED, n)] = tours[n][PRETRAINED].replace(init=pretrained["SimCLR"])
        systems[at(TAUGHT, n)] = tours[n][TAUGHT].replace(teacher=systems[at(PRETRAINED, n)])
        systems[at(PIXELS, n)] = pixels(systems[at(STUDENT, n)])
    questions = []
    for n in labels:
        questions += [
            Question(f"Does pre-training help the teacher at {n} labels?", at(PRETRAINED, n), at(TEACHER, n)),
            Question(f"Does the teacher help the student at {n} labels?", at(TAUGHT, n), at(STUDENT, n)),
            *against_pixels(systems, [at(name, n) for name in (STUDENT, PRETRAINED, TAUGHT)]),
        ]
    return Study(
        "label_budgets",
        "How much are pre-training and a teacher worth, the more labels there are?",
        systems,
        questions,
    )


def at(system: str, labels: int) -> str:
    """Return the name of a system of the tour at a number of labels."""
    return f"{system}, {labels} labels"


@study
def real_images(
    dataset: str = "mnist",
    labels: Sequence[int] = (50, 1000),
    photographs: str | None = "folder:cifar10-jpeg",
    budget: str = "lab",
) -> Study:
    """Do pre-training and a teacher help on handwritten digits and photographs, too?

    The systems of the tour, with ResNet-18 as the larger network, on `dataset` with each number of `labels`, on
    `photographs` (None: without) with the last of them. The photographs that were measured are not CIFAR-10's own but
    copies of them as JPEG files, which lose detail: a folder cifar10-jpeg, under the data root or with its path. Rows
    carry that name; the genuine ones, photographs="cifar10", carry theirs and stand beside them.

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
    questions = []
    for data, numbers in budgets.items():
        name = dataset_label(data).removeprefix("folder:")
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
        questions.append(Question(f"Has SimCLR learned anything of {name}?", pretrained, random, "test/knn"))
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
                at(f"{PIXELS}, {name}", n): pixels(by_ssl),
            }
            questions += [
                Question(f"Does pre-training help the teacher on {name} with {n} labels?", tuned, teacher),
                Question(f"Does the teacher help the student on {name} with {n} labels?", taught, student),
                *against_pixels(systems, [student, tuned, taught]),
            ]
        questions += against_pixels(systems, [pretrained], "test/knn", "kNN")
    return Study(
        "real_images",
        "Do pre-training and a teacher help on real images, too?",
        systems,
        questions,
        seeds=range(1, 6),
        grid={name: {"lr": (c.lr / 2, c.lr, 2 * c.lr)} for name, c in systems.items() if c.epochs},
        shown=[name for name, config in systems.items() if config.method != "simclr"],
    )
