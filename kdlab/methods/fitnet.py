"""FitNet: a hint from the middle of the teacher."""

from torch import Tensor

from ..core.errors import Error
from ..core.hyper import Count
from ..data import Batch
from ..losses import feature_mse
from ..models import Features, map_shapes
from .base import Distill
from .common.adapters import regressor


class FitNet(Distill):
    """The student's map of one stage should predict the teacher's map of that stage.

    A small trained module makes the prediction.

        hint = mean over all elements of (r(F_s) - F_t)^2

    with maps F (B, C, H, W) and the regressor r: convolution, batch norm, ReLU, to the teacher's shape. `stage` counts
    from 1. Stage 2 and weight 100 are RepDistiller's, where, as here, the hint acts throughout training; the paper
    trained with it first.
    """

    paper = "Romero et al., ICLR 2015"
    learns_from = "features of one stage"
    weights = {"ce": 1.0, "hint": 100.0, "kd": 0.0}

    def build(self, *, stage: Count = 2) -> None:
        counts = len(self.model.widths), len(self.teacher.widths)
        if stage > min(counts):
            raise Error(f"stage={stage}: student and teacher have {counts[0]} and {counts[1]} stages")
        self.stage = stage - 1
        student, teacher = (map_shapes(net, self.shape)[self.stage] for net in (self.model, self.teacher))
        self.regressor = regressor(student, teacher)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"hint": feature_mse(self.regressor(student.maps[self.stage]), teacher.maps[self.stage])}
