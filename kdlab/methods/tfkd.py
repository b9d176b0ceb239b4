"""Tf-KD: distillation without a stronger teacher.

The teacher is a virtual one, or another training of the same network.
"""

from torch import Tensor

from .. import losses
from ..core.hyper import Positive, Share
from ..data import Batch
from ..models import Features
from .base import Distill, Method


class TfKDReg(Method):
    """A virtual teacher keeps the network unsure.

    It is 99 % sure of the label and indifferent to the rest.

        loss = 0.9 ce + 0.1 reg,    reg = multiplier KL(softmax(u / T) || softmax(z)) / K

    with logits z (B, K) and the virtual teacher's probabilities u (B, K): `correct` on the label, the rest shared out
    evenly. KL sums over classes and is a mean over images; the authors' code divides by K as well. As there, u is
    divided by T as if it were logits, and the student is not tempered: at T = 20 the target is nearly uniform. Defaults
    are theirs for ResNet-18.
    """

    paper = "Yuan et al., CVPR 2020"
    learns_from = "a virtual teacher"
    weights = {"ce": 0.9, "reg": 0.1}

    def build(self, *, T: Positive = 20.0, multiplier: Positive = 100.0, correct: Share = 0.99) -> None:
        self.T, self.correct = T, correct
        self.share = multiplier / self.model.num_classes

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        logits = self.model(batch.x[0])
        reg = losses.tfkd_reg(logits, batch.y, self.T, self.correct)
        return {"ce": self.ce(logits, batch), "reg": self.share * reg}


class TfKDSelf(Distill):
    """The teacher is the same network, trained normally before.

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
