"""Recipes of the methods that turn images: SSKD, HSAKD, LSSKD.

All are on the CIFAR-100 benchmark.
"""

from functools import partial
from typing import Any

from .benchmark import OPTIMIZER, classifier, rate, task
from .recipe import Preset, Recipe

SSKD, HSAKD = "SSKD, student.py and command.sh", "HSAKD, train_teacher_cifar.py and train_student_cifar.py"
LSSKD = "LSSKD, section IV"


def sskd_head(model: str = "wrn_40_2", dataset: str = "cifar100") -> Recipe:
    """SSKD's second phase: the head on a trained teacher `model`."""
    phase = Recipe(
        SSKD, method="sskd_head", epochs=60, lr=0.05, milestones=(30 / 60, 45 / 60), init=classifier(model, dataset)
    )
    return classifier(model, dataset) | phase


def sskd(model: str = "wrn_16_2", teacher: str = "wrn_40_2", dataset: str = "cifar100", **fields: Any) -> Recipe:
    """SSKD's third phase, the student, on the other two; `fields`: those of a variant."""
    return classifier(model, dataset) | Recipe(SSKD, teacher=sskd_head(teacher, dataset), **fields)


def sskd_pretext_head(model: str = "wrn_40_2", dataset: str = "cifar100") -> Recipe:
    """Train the head of another pretext task, as SSKD's own."""
    return sskd_head(model, dataset) | Recipe("reconstruction: as SSKD's own task", method="sskd_pretext_head")


def sskd_pretext(model: str = "wrn_16_2", teacher: str = "wrn_40_2", dataset: str = "cifar100") -> Recipe:
    """Train the student of that head."""
    phase = Recipe("reconstruction: as SSKD's own task", teacher=sskd_pretext_head(teacher, dataset))
    return classifier(model, dataset) | phase


def nesterov(model: str = "wrn_16_2", dataset: str = "cifar100", **fields: Any) -> Recipe:
    """Train HSAKD's networks: the benchmark's recipe with Nesterov's momentum.

    `fields` are those of a phase. Without any it is two networks that teach each other.
    """
    return classifier(model, dataset) | Recipe(HSAKD, nesterov=True, **fields)


# HSAKD's teacher with its branches, from scratch: that of the rows HSAKD*
joint_teacher = partial(nesterov, method="hsakd_teacher")


def frozen_teacher(model: str = "wrn_40_2", dataset: str = "cifar100") -> Recipe:
    """Train branches on a network that the benchmark's recipe trained.

    It is the teacher of the rows HSAKD.
    """
    return nesterov(
        model,
        dataset,
        method="hsakd_branches",
        epochs=100,
        lr=0.05,
        milestones=(0.3, 0.6, 0.9),
        init=classifier(model, dataset),
    )


def hsakd(
    model: str = "wrn_16_2", teacher: str = "wrn_40_2", dataset: str = "cifar100", phase: Preset = frozen_teacher
) -> Recipe:
    """Train the student of a frozen teacher, or of a `joint_teacher` (HSAKD*)."""
    return nesterov(model, dataset, teacher=phase(teacher, dataset))


def lsskd(model: str = "wrn_16_2", dataset: str = "cifar100", **mixing: float) -> Recipe:
    """LSSKD's student, which needs no teacher.

    `mixing` are the constants of Cutout and CutMix, which the text announces; no table has them.
    """
    text = Recipe(
        LSSKD,
        epochs=240,
        batch=64,
        optimizer="sgd",
        momentum=0.9,
        schedule="step",
        milestones=(150 / 240, 210 / 240),
        decay=0.1,
    )
    gaps = Recipe("reconstruction: as the benchmark", nesterov=False, weight_decay=5e-4, decay_all=True, warmup=0.0)
    constants = Recipe("reconstruction: the constants of Cutout and of CutMix on CIFAR-100", **mixing)
    return OPTIMIZER | task(model, dataset) | rate(model) | gaps | text | constants
