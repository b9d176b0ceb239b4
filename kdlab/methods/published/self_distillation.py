"""Recipes of self-distillation on CIFAR-100, each by its authors' own code."""

from typing import Any

from .benchmark import task
from .recipe import Recipe

# alpha, T and multiplier of Tf-KD's self-training, of its virtual teacher, by network; other networks as ResNet-18
TFKD_SELF = {"resnet18": (0.95, 6.0, 50.0), "mobilenet_v2_cifar": (0.95, 20.0, 1.0), "shufflenet_v2": (0.95, 20.0, 1.0)}
TFKD_REG = {"resnet18": (0.1, 20.0, 100.0), "resnext29_8x64d": (0.5, 40.0, 100.0)}
SGD = {"optimizer": "sgd", "momentum": 0.9, "decay_all": True, "schedule": "step", "width": 1.0}


def cskd(model: str = "preact_resnet18", dataset: str = "cifar100") -> Recipe:
    """CS-KD: 128 images and as many partners a batch."""
    return task(model, dataset) | Recipe(
        "CS-KD, train.py", **SGD, epochs=200, batch=128, lr=0.1, nesterov=False, weight_decay=1e-4,
        milestones=(0.5, 0.75), decay=0.1, warmup=0.0,
    )  # fmt: skip


def pskd(model: str = "preact_resnet18", dataset: str = "cifar100") -> Recipe:
    """PS-KD, and label smoothing as it compares with it."""
    return task(model, dataset) | Recipe(
        "PS-KD, main.py", **SGD, epochs=300, batch=128, lr=0.1, nesterov=True, weight_decay=5e-4,
        milestones=(0.5, 0.75), decay=0.1, warmup=0.0,
    )  # fmt: skip


def tfkd(model: str = "resnet18", dataset: str = "cifar100") -> Recipe:
    """What Tf-KD's trainings share: turned images, one epoch of warm-up, ResNeXt by half the batch."""
    batch = 64 if model == "resnext29_8x64d" else 128
    return task(model, dataset) | Recipe(
        "Tf-KD, main.py", **SGD, epochs=200, batch=batch, lr=0.1 * batch / 128, nesterov=False, weight_decay=5e-4,
        milestones=(60 / 200, 120 / 200, 160 / 200), decay=0.2, warmup=1 / 200, augment="rotated",
    )  # fmt: skip


def _constants(term: str, alpha: float, T: float, multiplier: float) -> Recipe:
    weights = {"ce": round(1 - alpha, 2), term: alpha}
    return Recipe("Tf-KD, experiments", weights=weights, hp={"T": T, "multiplier": multiplier})


def tfkd_self(model: str = "resnet18", dataset: str = "cifar100") -> Recipe:
    """A network taught by another training of its kind."""
    constants = _constants("kd", *TFKD_SELF.get(model, TFKD_SELF["resnet18"]))
    return tfkd(model, dataset) | constants | Recipe("Tf-KD, main.py", teacher=tfkd(model, dataset))


def tfkd_reg(model: str = "resnet18", dataset: str = "cifar100") -> Recipe:
    """A network taught by a virtual teacher."""
    return tfkd(model, dataset) | _constants("reg", *TFKD_REG.get(model, TFKD_REG["resnet18"]))


def byot(model: str = "resnet18", dataset: str = "cifar100", **own: Any) -> Recipe:
    """BYOT, whose authors published no code, and deep supervision, which is its plainest form."""
    return task(model, dataset) | Recipe(
        "luanyunteng's BYOT", **SGD, epochs=200, batch=128, lr=0.1, nesterov=False, weight_decay=5e-4,
        milestones=(75 / 200, 130 / 200, 180 / 200), decay=0.1, warmup=0.0, **own,
    )  # fmt: skip
