"""SP: which samples of a batch a network finds similar."""

from .. import losses
from . import recipes
from .base import Distill


class SP(Distill):
    """Squared difference of the similarity matrices of the last stage's maps, weight 3,000."""

    paper = "Tung & Mori, ICCV 2019"
    transfers = "similarities of samples"
    weights = {"ce": 1.0, "sp": 3000.0, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def compare(self, student, teacher, batch):
        return {"sp": losses.sp(student.maps[-1], teacher.maps[-1])}
