"""Supervised training on the labelled images: the baseline of every comparison."""

from ..losses import cross_entropy
from .base import CRD_RECIPE, Method


class Supervised(Method):
    """Cross-entropy with the labels."""

    presets = {"paper": CRD_RECIPE}

    def terms(self, batch, progress):
        return {"ce": cross_entropy(self.model(batch.x[0]), batch.y)}
