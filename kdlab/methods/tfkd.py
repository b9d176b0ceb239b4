"""Tf-KD regularisation: a virtual teacher that knows the label and nothing else."""

from torch import Tensor

from .. import losses
from ..core.hyper import Positive, Share
from ..data import Batch
from .base import Method


class TfKDReg(Method):
    """A teacher that nobody trained, 99 % sure of the label and indifferent to the rest, keeps the network unsure.

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
