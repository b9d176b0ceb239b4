"""Training recipes that methods were published with: Config fields, for the methods' presets."""

from typing import Any

Recipe = dict[str, Any]

# The CIFAR benchmark: Tian et al. 2020 (CRD; their code is RepDistiller) and those who compare with them, who train
# MobileNetV2 and the ShuffleNets at lr 0.01
CIFAR_BENCHMARK: Recipe = {
    "epochs": 240, "batch": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
    "schedule": "step", "milestones": (150 / 240, 180 / 240, 210 / 240), "decay": 0.1, "warmup": 0.0,
}  # fmt: skip


def pair(student: str, teacher: str) -> Recipe:
    """The benchmark on CIFAR-100, all 50,000 images, and the teacher's training by the same recipe."""
    common = {**CIFAR_BENCHMARK, "dataset": "cifar100", "validation": 0.0, "width": 1.0}
    return {**common, "model": student, "teacher": {**common, "model": teacher}}


BENCHMARK_PAIR: Recipe = pair("wrn_16_2", "wrn_40_2")


def first_phase(student: str = "wrn_16_2", teacher: str = "wrn_40_2") -> Recipe:
    """First phase of a benchmark method of two: 30 epochs at a constant learning rate."""
    return {**pair(student, teacher), "epochs": 30, "schedule": "constant"}


def second_phase(first: str, student: str = "wrn_16_2", teacher: str = "wrn_40_2") -> Recipe:
    """Second phase: labels only, from the weights that the method `first` reached in the first."""
    init = {**first_phase(student, teacher), "method": first}
    return {**pair(student, teacher), "init": init, "teacher": None}


# HSAKD's: the benchmark with Nesterov momentum
HSAKD: Recipe = {**CIFAR_BENCHMARK, "nesterov": True, "dataset": "cifar100", "validation": 0.0}

# LSSKD's: without it; the text names two milestones, not the benchmark's three
LSSKD: Recipe = {**HSAKD, "nesterov": False, "model": "wrn_16_2", "milestones": (150 / 240, 210 / 240)}

# lightly's CIFAR-10 benchmark of self-supervised methods: lr 0.06 per 128 images. Its BYOL loss is a quarter of ours
LIGHTLY: Recipe = {
    "epochs": 200, "batch": 512, "optimizer": "sgd", "lr": 0.24, "momentum": 0.9, "weight_decay": 5e-4,
    "schedule": "cosine", "warmup": 0.0,
}  # fmt: skip
LIGHTLY_BYOL: Recipe = {**LIGHTLY, "weights": {"byol": 0.25}, "hp": {"hidden": 1024, "dim": 256}}

# What solo-learn's CIFAR recipes share; 10 of the 1,000 epochs warm up
SOLO_LEARN: Recipe = {
    "epochs": 1000, "batch": 256, "optimizer": "lars", "momentum": 0.9, "weight_decay": 1e-4, "decay_all": False,
    "schedule": "cosine", "warmup": 0.01,
}  # fmt: skip

# LiteNet-SSD, *reconstruction*: the student, and the teacher's fine-tuning, whose new classifier learns ten times
# faster and whose best epoch is kept (patience that never ends)
LITENET: Recipe = {
    "model": "litenet_dsc", "epochs": 200, "batch": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9,
    "nesterov": True, "weight_decay": 5e-4, "schedule": "cosine", "warmup": 0.0,
}  # fmt: skip
FINE_TUNING: Recipe = {
    "epochs": 100, "batch": 128, "optimizer": "sgd", "lr": 0.01, "head_lr": 10.0, "momentum": 0.9, "nesterov": True,
    "weight_decay": 5e-4, "schedule": "cosine", "warmup": 0.0, "patience": 1000,
}  # fmt: skip


def litenet(dataset: str, labels: int, validation: float) -> Recipe:
    """LiteNet-SSD's chain, *reconstruction*: BYOL without labels, fine-tuning on the labels, the student of that."""
    common = {"dataset": dataset, "size": 32, "labels": labels, "validation": validation, "width": 1.0}
    teacher = {"model": "resnet18", **common}
    ssl = {**LIGHTLY_BYOL, **teacher, "method": "byol"}
    return {**LITENET, **common, "teacher": {**FINE_TUNING, **teacher, "init": ssl}}


LITENET_SSD: dict[str, Recipe] = {
    "paper": litenet("cifar10", labels=10_000, validation=0.1),
    "cifar10": litenet("cifar10", labels=10_000, validation=0.1),
    "mnist": litenet("mnist", labels=1_000, validation=1 / 12),
}


# SS-KD, from the released script: what teacher and student share, and the flaws that "as_released" repeats
STL10: Recipe = {
    "dataset": "stl10", "size": 96, "batch": 32, "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant",
    "warmup": 0.0, "width": 1.0,
}  # fmt: skip
STL10_TEACHER: Recipe = {**STL10, "model": "mobilenet_v2", "epochs": 25, "lr": 5e-4}
STL10_STUDENT: Recipe = {**STL10, "model": "efficientnet_b0", "epochs": 30, "lr": 1e-3, "patience": 5}
AS_RELEASED: Recipe = {"validation": 0.0, "augment": "as_released", "normalise": False}

# Self-distillation on CIFAR-100, each by its authors' own recipe
CSKD: Recipe = {
    "dataset": "cifar100", "validation": 0.0, "model": "preact_resnet18", "epochs": 200, "batch": 128,
    "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "schedule": "step",
    "milestones": (0.5, 0.75), "warmup": 0.0,
}  # fmt: skip
PSKD: Recipe = {**CSKD, "epochs": 300, "weight_decay": 5e-4, "nesterov": True}
TFKD: Recipe = {
    **CSKD, "weight_decay": 5e-4, "milestones": (60 / 200, 120 / 200, 160 / 200), "decay": 0.2, "warmup": 1 / 200,
    "augment": "rotated", "width": 1.0,
}  # fmt: skip
BYOT: Recipe = {**CSKD, "model": "resnet18", "weight_decay": 5e-4, "milestones": (75 / 200, 130 / 200, 180 / 200)}
