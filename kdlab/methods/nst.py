"""NST: the distribution of the channels' activations over space."""

from torch import Tensor

from .. import losses
from ..data import Batch
from ..models import Features
from .base import Distill
from .common.adapters import equal_stages


class NST(Distill):
    """The student's channels should show the teacher's variety of patterns.

    A channel fires at certain positions of an image.

        nst = sum over stages of the mean over images of  k(t, t') + k(s, s') - 2 k(s, t),    k(a, b) = (a . b)^2

    s and t are the channels of the two maps (B, C, H, W), each as a vector of H W numbers of unit length, and every k
    is a mean over all pairs of them. That is the squared maximum mean discrepancy, 0 where the channels are the same in
    any order. Weight 50 is RepDistiller's.
    """

    paper = "Huang & Wang 2017"
    learns_from = "channel distributions"
    weights = {"ce": 1.0, "nst": 50.0, "kd": 0.0}

    def build(self) -> None:
        equal_stages("nst", self.model, self.teacher)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"nst": losses.nst(student.maps, teacher.maps)}
