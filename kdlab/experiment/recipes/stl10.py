"""Recipes of SS-KD (2025), from its released script.

There is a clean form, and one as released.
"""

from .recipe import Recipe

SCRIPT, CLEAN, PAPER = "SS-KD, released script", "reconstruction: the clean form", "SS-KD, table of results"
OPTIMIZER = Recipe(
    SCRIPT,
    dataset="stl10",
    size=96,
    batch=32,
    optimizer="adam",
    weight_decay=0.0,
    schedule="constant",
    warmup=0.0,
    width=1.0,
    augment="as_released",
)


def clean_teacher(model: str = "mobilenet_v2") -> Recipe:
    """Train the teacher, with ImageNet weights, on all 5,000 labels."""
    settings = Recipe(SCRIPT, method="supervised", model=model, pretrained=True, epochs=25, lr=5e-4)
    return OPTIMIZER | settings | Recipe(PAPER, validation=0.0, labels=None) | Recipe(CLEAN, normalise=True)


def paper(model: str = "efficientnet_b0", teacher: str = "mobilenet_v2") -> Recipe:
    """Train the student on all 5,000 labels (or as many as `labels` says).

    None is left to stop on, so the last epoch counts.
    """
    settings = Recipe(SCRIPT, model=model, pretrained=False, epochs=30, lr=1e-3, teacher=clean_teacher(teacher))
    return (
        OPTIMIZER | settings | Recipe(PAPER, validation=0.0, labels=None) | Recipe(CLEAN, normalise=True, patience=None)
    )


def early_stopping(
    model: str = "efficientnet_b0", teacher: str = "mobilenet_v2", *, labels: int, validation: float
) -> Recipe:
    """Train on that many labels; the share `validation` of the images is to stop on."""
    split = Recipe(CLEAN, labels=labels, validation=validation)
    stages = Recipe(SCRIPT, patience=5, teacher=clean_teacher(teacher) | split)
    return paper(model, teacher) | split | stages


def released_teacher(model: str = "mobilenet_v2") -> Recipe:
    """Train the teacher, its images not normalised."""
    return clean_teacher(model) | Recipe(SCRIPT, normalise=False)


def as_released(model: str = "efficientnet_b0", teacher: str = "mobilenet_v2") -> Recipe:
    """Train by the script with its flaws.

    It stops on the test set, and trains in eval mode from the second epoch on.
    """
    flaws = Recipe(SCRIPT, normalise=False, patience=5, select="test", hp={"as_released": True})
    return paper(model, teacher) | flaws | Recipe(SCRIPT, teacher=released_teacher(teacher))
