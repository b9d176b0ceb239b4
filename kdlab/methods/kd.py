"""Knowledge distillation from a teacher's logits."""

from typing import Annotated

from .. import losses
from . import recipes
from .base import Distill, Positive


class KD(Distill):
    """Match the teacher's softened class probabilities: 0.1 CE + 0.9 T^2 KL at T=4, RepDistiller's weights."""

    paper = "Hinton, Vinyals & Dean 2015"
    weights = {"ce": 0.1, "kd": 0.9}
    presets = {"paper": recipes.CRD_PAIR}

    def build(self, *, T: Annotated[float, Positive] = 4.0):
        self.T = T

    def compare(self, student, teacher, batch):
        return {"kd": losses.kd(student.logits, teacher.logits, self.T)}
