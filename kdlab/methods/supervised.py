"""Supervised training on the labelled images: the baseline of every comparison."""

from . import recipes
from .base import Method


class Supervised(Method):
    """Cross-entropy with the labels."""

    mixes = True
    presets = {
        "paper": recipes.CRD,
        "finetune": recipes.FINE_TUNING,
        "stl10": recipes.STL10_TEACHER,  # the teacher of SS-KD, see scheduled_kd
        "as_released": {**recipes.STL10_TEACHER, **recipes.AS_RELEASED, "pretrained": True},
    }

    def terms(self, batch, progress):
        return {"ce": self.ce(self.model(batch.x[0]), batch)}
