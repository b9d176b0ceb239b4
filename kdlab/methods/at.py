"""Attention transfer: where a network looks, stage by stage."""

from torch import Tensor

from .. import losses
from ..data import Batch
from ..models import Features
from .base import Distill
from .common.adapters import equal_stages


class AT(Distill):
    """The student should look where the teacher looks.

    Its channels together should respond at the same positions of an image.

        at = sum over stages of the mean over images and positions of (A_s - A_t)^2

    An attention map A (B, H W) is the mean over channels of a squared map (B, C, H, W), brought to unit length image by
    image. Weight 1,000 and the mean over positions are RepDistiller's; the paper has the norm of the difference.
    """

    paper = "Zagoruyko & Komodakis, ICLR 2017"
    learns_from = "attention maps"
    weights = {"ce": 1.0, "at": 1000.0, "kd": 0.0}

    def build(self) -> None:
        equal_stages("at", self.model, self.teacher)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"at": losses.at(student.maps, teacher.maps)}
