"""Tf-KD regularisation: a virtual teacher that knows the label and nothing else."""

from typing import Annotated

from .. import losses
from . import recipes
from .base import Method, Positive, Share


class TfKDReg(Method):
    """0.9 CE + 0.1 times `multiplier` KL to a virtual teacher, where KL is the mean over rows and classes.

    As in the authors' code the teacher's probabilities (`correct` for the label) are divided by T as if they were
    logits, and the student is not tempered: at T=20 the target is nearly uniform. Defaults are theirs for ResNet-18.
    """

    paper = "Yuan et al., CVPR 2020"
    transfers = "a virtual teacher"
    weights = {"ce": 0.9, "reg": 0.1}
    presets = {"paper": {**recipes.TFKD, "model": "resnet18"}}

    def build(
        self, *, T: Annotated[float, Positive] = 20.0, multiplier: Annotated[float, Positive] = 100.0,
        correct: Annotated[float, Share] = 0.99,
    ):  # fmt: skip
        self.T, self.correct, self.share = T, correct, multiplier / self.model.num_classes

    def terms(self, batch, progress):
        logits = self.model(batch.x[0])
        reg = losses.tfkd_reg(logits, batch.y, self.T, self.correct)
        return {"ce": self.ce(logits, batch), "reg": self.share * reg}
