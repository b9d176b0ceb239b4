"""DKD: the target class and the others, taken apart."""

from typing import Annotated

from .. import losses
from . import recipes
from .base import Distill, Positive, Share


class DKD(Distill):
    """alpha times the KL of (target, rest) + beta times the KL among the other classes.

    The term rises linearly over the share `warmup` of training (20 of 240 epochs). The authors choose beta pair by
    pair; 8 is theirs for ResNet32x4 and ResNet8x4.
    """

    paper = "Zhao et al., CVPR 2022"
    mixes = False  # the target class of a mixed image is not one
    weights = {"ce": 1.0, "dkd": 1.0}
    presets = {"paper": {**recipes.CRD_PAIR, **recipes.pair("resnet8x4", "resnet32x4")}}

    def build(
        self, *, T: Annotated[float, Positive] = 4.0, alpha: Annotated[float, Positive] = 1.0,
        beta: Annotated[float, Positive] = 8.0, warmup: Annotated[float, Share] = 20 / 240,
    ):  # fmt: skip
        self.constants, self.warmup = {"T": T, "alpha": alpha, "beta": beta}, warmup

    def factors(self, progress):
        done = (self.epoch(progress) + 1) / self.epochs
        return {"dkd": min(1.0, done / self.warmup) if self.warmup else 1.0}

    def compare(self, student, teacher, batch):
        return {"dkd": losses.dkd(student.logits, teacher.logits, batch.y, **self.constants)}
