"""RKD: distances and angles between the samples of a batch."""

from .. import losses
from . import recipes
from .base import Distill


class RKD(Distill):
    """Smooth L1 of relative distances (weight 25) and of angles (50) of the pooled features."""

    paper = "Park et al., CVPR 2019"
    transfers = "relations of samples"
    weights = {"ce": 1.0, "distance": 25.0, "angle": 50.0, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def compare(self, student, teacher, batch):
        return {
            "distance": losses.rkd_distance(student.pooled, teacher.pooled),
            "angle": losses.rkd_angle(student.pooled, teacher.pooled),
        }
