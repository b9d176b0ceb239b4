"""Recipes of self-distillation on CIFAR-100, each by its authors' own code."""

from functools import partial
from typing import Any

from .benchmark import task
from .recipe import Recipe

# Tf-KD by network: alpha, T, multiplier, images a batch of self-training; alpha, T, multiplier of the virtual teacher
# (100 where the files ask for the mean over the batch, which is the sum over 100 classes); other networks as ResNet-18.
# Ordinary training, and with it the virtual teacher and the self-training's own teacher, has batches of 64 for two.
TFKD_SELF = {
    "resnet18": (0.95, 6.0, 50.0, 128),
    "mobilenet_v2_cifar": (0.95, 20.0, 1.0, 128),
    "resnet50": (0.95, 6.0, 1.0, 128),
    "densenet121": (0.9, 20.0, 50.0, 100),
    "resnext29_8x64d": (0.9, 20.0, 100.0, 64),
}
TFKD_REG = {
    "resnet18": (0.1, 20.0, 100.0),
    "mobilenet_v2_cifar": (0.95, 40.0, 1.0),
    "densenet121": (0.1, 40.0, 100.0),
    "resnext29_8x64d": (0.5, 40.0, 100.0),
}
TFKD_HALF_BATCH = ("resnet50", "resnext29_8x64d")
SGD = {"optimizer": "sgd", "momentum": 0.9, "decay_all": True, "schedule": "step", "width": 1.0}


def by_authors(source: str, model: str, dataset: str = "cifar100", **fields: Any) -> Recipe:
    """Train by the authors' own code: SGD with momentum, a learning rate that drops."""
    return task(model, dataset, source) | Recipe(source, **SGD, **fields)


# 128 images and as many partners a batch. The script lowers the learning rate behind epochs 101 and 151
CSKD = partial(
    by_authors,
    "CS-KD, train.py",
    model="preact_resnet18",
    epochs=200,
    batch=128,
    lr=0.1,
    nesterov=False,
    weight_decay=1e-4,
    milestones=(101 / 200, 151 / 200),
    decay=0.1,
    warmup=0.0,
)
# PS-KD, and label smoothing as it compares with it
PSKD = partial(
    by_authors,
    "PS-KD, main.py",
    model="preact_resnet18",
    epochs=300,
    batch=128,
    lr=0.1,
    nesterov=True,
    weight_decay=5e-4,
    milestones=(0.5, 0.75),
    decay=0.1,
    warmup=0.0,
)
# BYOT, whose authors published no code, and deep supervision, which is its plainest form
BYOT = partial(
    by_authors,
    "luanyunteng's BYOT",
    model="resnet18",
    epochs=200,
    batch=128,
    lr=0.1,
    nesterov=False,
    weight_decay=5e-4,
    milestones=(75 / 200, 130 / 200, 180 / 200),
    decay=0.1,
    warmup=0.0,
)


def tfkd(model: str = "resnet18", dataset: str = "cifar100", batch: int | None = None) -> Recipe:
    """Set what Tf-KD's trainings share.

    That is: turned images, one epoch of warm-up, learning rates in proportion to the batch.
    """
    batch = batch or (64 if model in TFKD_HALF_BATCH else 128)
    return by_authors(
        "Tf-KD, main.py",
        model,
        dataset,
        epochs=200,
        batch=batch,
        lr=0.1 * batch / 128,
        nesterov=False,
        weight_decay=5e-4,
        milestones=(60 / 200, 120 / 200, 160 / 200),
        decay=0.2,
        warmup=1 / 200,
        augment="rotated",
    )


def _constants(term: str, alpha: float, T: float, multiplier: float) -> Recipe:
    weights = {"ce": round(1 - alpha, 2), term: alpha}
    return Recipe("Tf-KD, experiments", weights=weights, hp={"T": T, "multiplier": multiplier})


def tfkd_self(model: str = "resnet18", dataset: str = "cifar100") -> Recipe:
    """Train a network taught by another training of its kind."""
    *constants, batch = TFKD_SELF.get(model, TFKD_SELF["resnet18"])
    teacher = Recipe("Tf-KD, main.py", teacher=tfkd(model, dataset))
    return tfkd(model, dataset, batch) | _constants("kd", *constants) | teacher


def tfkd_reg(model: str = "resnet18", dataset: str = "cifar100") -> Recipe:
    """Train a network taught by a virtual teacher."""
    return tfkd(model, dataset) | _constants("reg", *TFKD_REG.get(model, TFKD_REG["resnet18"]))
