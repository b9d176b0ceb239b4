"""Attention transfer: where a network looks, stage by stage."""

from .. import losses
from . import recipes
from .adapters import equal_stages
from .base import Distill


class AT(Distill):
    """Squared difference of the attention maps of all stages; RepDistiller's mean over positions, weight 1,000."""

    paper = "Zagoruyko & Komodakis, ICLR 2017"
    transfers = "attention maps"
    weights = {"ce": 1.0, "at": 1000.0, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def build(self):
        equal_stages("at", self.model, self.teacher)

    def compare(self, student, teacher, batch):
        return {"at": losses.at(student.maps, teacher.maps)}
