"""Recipes of self-supervised pre-training, and of what stands on it.

That is LiteNet-SSD, and the distillation of features without labels.
"""

from typing import Any

from ...core.errors import known
from .recipe import Recipe

LIGHTLY, SOLO_LEARN = "lightly, benchmark on CIFAR-10", "solo-learn, CIFAR recipes"
GUESS = "reconstruction"
LITENET_TASKS = {  # labels, share for validation: 5,000 images each
    "cifar10": (10_000, 0.1, "LiteNet-SSD's abstract; the 5,000 images it leaves out are for validation"),
    "mnist": (1_000, 1 / 12, GUESS),
}
# What each method has of its own in lightly's benchmark: heads as wide as the features but for BYOL, both directions of
# MoCo averaged, its queue doubled for batches of 512, BYOL's momentum constant and its loss a quarter of ours
SHORT: dict[str, dict[str, Any]] = {
    "simclr": {"hp": {"T": 0.5, "dim": 128, "norm": "all"}},
    "moco": {
        "hp": {"T": 0.1, "dim": 128, "queue": 8192, "momentum": 0.99, "splits": 8, "symmetric": True, "norm": "none"},
        "weights": {"info_nce": 0.5},
    },
    "byol": {
        "hp": {"hidden": 1024, "dim": 256, "tau": 0.99, "tau_end": 0.99, "norm": "hidden"},
        "weights": {"byol": 0.25},
    },
    "mokd": {},
}
# The authors' constants, but for queues that are well below an epoch
FEATURES: dict[str, dict[str, Any]] = {
    "seed_kd": {"hp": {"T": 0.2, "T_teacher": 1e-4, "queue": 8192}},
    "compress": {"hp": {"T": 0.04, "momentum": 0.999, "queue": 8192}},
    "simreg": {},
}
LONG: dict[str, dict[str, Any]] = {
    "simclr": {
        "optimizer": "lars",
        "lr": 0.4,
        "weight_decay": 1e-4,
        "decay_all": False,
        "augment": "simclr",
        "hp": {"T": 0.2, "hidden": 2048, "dim": 256, "norm": "none"},
    },
    "moco": {
        "optimizer": "sgd",
        "lr": 0.3,
        "weight_decay": 1e-4,
        "decay_all": True,
        "augment": "moco",
        "hp": {
            "T": 0.2,
            "hidden": 2048,
            "dim": 256,
            "queue": 32768,
            "momentum": 0.99,
            "momentum_end": 0.999,
            "splits": 1,
            "symmetric": True,
            "norm": "none",
        },
        "weights": {"info_nce": 0.5},
    },
    "byol": {
        "optimizer": "lars",
        "lr": 1.0,
        "weight_decay": 1e-5,
        "decay_all": False,
        "augment": "byol",
        "hp": {"hidden": 4096, "dim": 256, "tau": 0.99, "tau_end": 1.0, "norm": "hidden"},
    },
}


def short(method: str, model: str = "resnet18", dataset: str = "cifar10") -> Recipe:
    """Pre-train by lightly's benchmark: 200 epochs of 512 images.

    lr 0.06 per 128 images, cosine, no warm-up, no blur.
    """
    source = f"{GUESS}, on {LIGHTLY}" if method == "mokd" else LIGHTLY
    return _in_200_epochs(source, method, model, dataset, lr=0.24, **SHORT[method])


def feature_student(
    method: str, model: str = "litenet_dsc", teacher: str = "resnet18", dataset: str = "cifar10"
) -> Recipe:
    """Distil a MoCo's features into a student, at 32 pixels.

    SEED, CompRess and SimReg print no training at this size: a reconstruction, which was not tried.
    """
    source = f"{GUESS}, on MoCo's demonstration on CIFAR-10"
    student = _in_200_epochs(source, method, model, dataset, lr=0.06, **FEATURES[method])
    return student | Recipe(GUESS, teacher=short("moco", teacher, dataset))


def _in_200_epochs(source: str, method: str, model: str, dataset: str, **settings: Any) -> Recipe:
    """Set what these have in common: SGD on batches of 512, views without blur."""
    return Recipe(
        source,
        model=model,
        dataset=dataset,
        size=32,
        validation=0.0,
        width=1.0,
        method=method,
        epochs=200,
        batch=512,
        optimizer="sgd",
        momentum=0.9,
        nesterov=False,
        weight_decay=5e-4,
        decay_all=True,
        schedule="cosine",
        warmup=0.0,
        augment=_views(dataset, "lightly"),
        **settings,
    )


def long(method: str, model: str = "resnet18", dataset: str = "cifar10") -> Recipe:
    """solo-learn's recipe: 1,000 epochs of 256 images, 10 of them warm-up, cosine."""
    settings = {**LONG[method], "augment": _views(dataset, LONG[method]["augment"])}
    return Recipe(
        SOLO_LEARN,
        model=model,
        dataset=dataset,
        size=32,
        validation=0.0,
        width=1.0,
        method=method,
        epochs=1000,
        batch=256,
        momentum=0.9,
        nesterov=False,
        schedule="cosine",
        warmup=0.01,
        **settings,
    )


def _views(dataset: str, family: str) -> str:
    """Digits have views of their own: flipped, they would be other characters."""
    return "digits" if dataset in ("digits", "mnist") else family


def fine_tuning(dataset: str = "cifar10") -> Recipe:
    """Fine-tune LiteNet-SSD's teacher on the labels.

    Its new classifier learns ten times faster, its best epoch is kept.
    """
    return _litenet_task("resnet18", dataset) | Recipe(
        GUESS,
        method="supervised",
        epochs=100,
        batch=128,
        optimizer="sgd",
        lr=0.01,
        head_lr=10.0,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        decay_all=True,
        schedule="cosine",
        warmup=0.0,
        patience=1000,
    )


def litenet(dataset: str = "cifar10", ssl: str = "byol") -> Recipe:
    """Train LiteNet-SSD: pre-training by `ssl`, fine-tuning, the student of that.

    Pre-training sees all images, fine-tuning the labels.
    """
    pretraining = short(known("pre-training method of litenet_ssd", ssl, SHORT), dataset=dataset) | _litenet_task(
        "resnet18", dataset
    )
    teacher = fine_tuning(dataset) | Recipe(GUESS, init=pretraining)
    student = Recipe(
        GUESS,
        epochs=200,
        batch=64,
        optimizer="sgd",
        lr=0.05,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        decay_all=True,
        schedule="cosine",
        warmup=0.0,
        teacher=teacher,
    )
    return _litenet_task("litenet_dsc", dataset) | student


def _litenet_task(model: str, dataset: str) -> Recipe:
    labels, validation, source = LITENET_TASKS.get(dataset, LITENET_TASKS["cifar10"])
    return Recipe(source, model=model, dataset=dataset, size=32, labels=labels, validation=validation, width=1.0)
