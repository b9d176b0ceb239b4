"""Tf-KD self-training: a network taught by another training of itself."""

from torch import Tensor

from .. import losses
from ..core.hyper import Positive
from ..data import Batch
from ..models import Features
from .base import Distill


class TfKDSelf(Distill):
    """KD needs no stronger teacher: here it is the same network, trained normally before.

        loss = 0.05 ce + 0.95 kd,    kd = multiplier T^2 KL(softmax(z_t / T) || softmax(z_s / T)) / K

    with logits z (B, K); KL sums over classes and is a mean over images. The authors' code divides by K as well, hence
    the large multiplier. T = 6 and 50 are theirs for ResNet-18; T = 20 and 1 for MobileNetV2 and ShuffleNetV2. With the
    same seed teacher and student start from the same weights and see the same batches.
    """

    paper = "Yuan et al., CVPR 2020"
    learns_from = "logits of its own kind"
    weights = {"ce": 0.05, "kd": 0.95}

    def build(self, *, T: Positive = 6.0, multiplier: Positive = 50.0) -> None:
        self.T = T
        self.share = multiplier / self.model.num_classes

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"kd": self.share * losses.kd(student.logits, teacher.logits, self.T)}
