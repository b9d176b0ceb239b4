"""SP: which samples of a batch a network finds similar."""

from torch import Tensor

from .. import losses
from ..data import Batch
from ..models import Features
from .base import Distill


class SP(Distill):
    """Images that the teacher finds similar should be similar to the student as well.

        sp = mean over all B^2 entries of (G_s - G_t)^2

    G (B, B) holds the inner products of all pairs of images, of their flattened maps of the last stage, and its rows
    are brought to unit length. Weight 3,000 is RepDistiller's.
    """

    paper = "Tung & Mori, ICCV 2019"
    learns_from = "similarities of samples"
    weights = {"ce": 1.0, "sp": 3000.0, "kd": 0.0}

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"sp": losses.sp(student.maps[-1], teacher.maps[-1])}
