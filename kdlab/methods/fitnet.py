"""FitNet: a hint from the middle of the teacher."""

from typing import Annotated

from ..errors import Error
from ..losses import feature_mse
from ..models import map_shapes
from . import recipes
from .adapters import regressor
from .base import Distill, Positive


class FitNet(Distill):
    """Squared difference of one stage's maps, the student's through a regressor (convolution, batch norm, ReLU).

    `stage` counts from 1. As in RepDistiller the hint acts throughout training; the paper trained with it first.
    """

    paper = "Romero et al., ICLR 2015"
    transfers = "features of one stage"
    weights = {"ce": 1.0, "hint": 100.0, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def build(self, *, stage: Annotated[int, Positive] = 2):
        self.stage, counts = stage - 1, (len(self.model.widths), len(self.teacher.widths))
        if stage > min(counts):
            raise Error(f"stage={stage}: student and teacher have {counts[0]} and {counts[1]} stages")
        student, teacher = (map_shapes(net, self.shape)[self.stage] for net in (self.model, self.teacher))
        self.regressor = regressor(student, teacher)

    def compare(self, student, teacher, batch):
        return {"hint": feature_mse(self.regressor(student.maps[self.stage]), teacher.maps[self.stage])}
