"""The recipes that methods were published with: functions of what the papers vary, for the methods' presets."""

from . import benchmark, imagenet, pretraining, rotations, self_distillation, stl10
from .pairs import PAIRS
from .recipe import Preset, Recipe

LSSKD: dict[str, Preset] = {"paper": rotations.lsskd, "coc": rotations.lsskd_coc, "imagenet": imagenet.lsskd}

__all__ = [
    "LSSKD",
    "PAIRS",
    "Preset",
    "Recipe",
    "benchmark",
    "imagenet",
    "pretraining",
    "rotations",
    "self_distillation",
    "stl10",
]
