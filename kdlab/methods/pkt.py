"""PKT: the probability that one sample is the neighbour of another."""

from .. import losses
from . import recipes
from .base import Distill


class PKT(Distill):
    """Divergence of the neighbour distributions that the cosines of pooled features give; RepDistiller's weight 30,000."""

    paper = "Passalis & Tefas, ECCV 2018"
    transfers = "similarities of samples"
    weights = {"ce": 1.0, "pkt": 30_000.0, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def compare(self, student, teacher, batch):
        return {"pkt": losses.pkt(student.pooled, teacher.pooled)}
