"""PKT: the probability that one sample is the neighbour of another."""

from torch import Tensor

from .. import losses
from ..data import Batch
from ..models import Features
from .base import Distill


class PKT(Distill):
    """Student and teacher should pick neighbours in the batch with equal probability.

    Each image picks one of the other images.

        pkt = mean over all B^2 entries of p_t log(p_t / p_s)

    A row of p (B, B) is made of the cosines of an image's pooled features with those of all B images, its own included,
    moved to [0, 1] and divided by their sum. Weight 30,000 is RepDistiller's.
    """

    paper = "Passalis & Tefas, ECCV 2018"
    learns_from = "similarities of samples"
    weights = {"ce": 1.0, "pkt": 30_000.0, "kd": 0.0}

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"pkt": losses.pkt(student.pooled, teacher.pooled)}
