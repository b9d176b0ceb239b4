"""Tf-KD self-training: a network taught by another training of itself."""

from typing import Annotated

from .. import losses
from . import recipes
from .base import Distill, Positive


class TfKDSelf(Distill):
    """0.05 CE + 0.95 times `multiplier` T^2 KL, where KL is the mean over rows and classes, as in the authors' code.

    The teacher should be the same network trained normally. Defaults are theirs for ResNet-18; T=20, multiplier=1 for
    MobileNetV2 and ShuffleNetV2.
    """

    paper = "Yuan et al., CVPR 2020"
    transfers = "logits of its own kind"
    weights = {"ce": 0.05, "kd": 0.95}
    presets = {"paper": {**recipes.TFKD, "model": "resnet18", "teacher": {**recipes.TFKD, "model": "resnet18"}}}

    def build(self, *, T: Annotated[float, Positive] = 6.0, multiplier: Annotated[float, Positive] = 50.0):
        self.T, self.share = T, multiplier / self.model.num_classes

    def compare(self, student, teacher, batch):
        return {"kd": self.share * losses.kd(student.logits, teacher.logits, self.T)}
