"""Augmentation: batched operations, and the named recipes that draw their parameters."""

from . import ops
from .recipes import AUGMENTATIONS, Recipe

__all__ = ["AUGMENTATIONS", "Recipe", "ops"]
