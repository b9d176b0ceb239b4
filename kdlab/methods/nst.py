"""NST: the distribution of the channels' activations over space."""

from .. import losses
from . import recipes
from .adapters import equal_stages
from .base import Distill


class NST(Distill):
    """Maximum mean discrepancy of the channels of all stages, polynomial kernel; RepDistiller's weight 50."""

    paper = "Huang & Wang 2017"
    transfers = "channel distributions"
    weights = {"ce": 1.0, "nst": 50.0, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def build(self):
        equal_stages("nst", self.model, self.teacher)

    def compare(self, student, teacher, batch):
        return {"nst": losses.nst(student.maps, teacher.maps)}
