"""RKD: distances and angles between the samples of a batch."""

from torch import Tensor

from .. import losses
from ..data import Batch
from ..models import Features
from .base import Distill


class RKD(Distill):
    """The student should arrange the images of a batch as the teacher does.

    Relative distances and angles should be alike.

        distance = mean over pairs of smooth L1(d_s - d_t),    d = |x_i - x_j|, divided by its mean in the batch
        angle = mean over triplets of smooth L1(c_s - c_t),    c = cosine of the angle at i between j and k

    with pooled features x (B, D), whose widths may differ. Weights 25 and 50 are RepDistiller's.
    """

    paper = "Park et al., CVPR 2019"
    learns_from = "relations of samples"
    weights = {"ce": 1.0, "distance": 25.0, "angle": 50.0, "kd": 0.0}

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {
            "distance": losses.rkd_distance(student.pooled, teacher.pooled),
            "angle": losses.rkd_angle(student.pooled, teacher.pooled),
        }
