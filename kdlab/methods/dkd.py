"""DKD: the target class and the others, taken apart."""

from torch import Tensor

from .. import losses
from ..core.hyper import Positive, Share
from ..data import Batch
from ..models import Features
from .base import Distill


class DKD(Distill):
    """KD in two parts, each with a weight of its own.

    The parts: how sure the teacher is of the label, and how it ranks the others.

        loss = ce + dkd,    dkd = alpha T^2 KL(b_t || b_s) + beta T^2 KL(o_t || o_s), mean over images

    b (B, 2) are the probabilities of the label and of all other classes together, o (B, K - 1) those among the others,
    both from logits (B, K) at temperature T = 4. In KD the second part fades as the teacher grows sure of the label.
    The term rises linearly over the share `warmup` of training (20 of 240 epochs). alpha is 1; the authors choose beta
    pair by pair, 8 is theirs for ResNet32x4 and ResNet8x4.
    """

    paper = "Zhao et al., CVPR 2022"
    mixes = False  # a mixed image has no single target class
    weights = {"ce": 1.0, "dkd": 1.0}

    def build(
        self,
        *,
        T: Positive = 4.0,
        alpha: Positive = 1.0,
        beta: Positive = 8.0,
        warmup: Share = 20 / 240,
    ) -> None:
        self.constants = {"T": T, "alpha": alpha, "beta": beta}
        self.warmup = warmup

    def factors(self, progress: float) -> dict[str, float]:
        done = (self.epoch(progress) + 1) / self.epochs
        return {"dkd": min(1.0, done / self.warmup) if self.warmup else 1.0}

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"dkd": losses.dkd(student.logits, teacher.logits, batch.y, **self.constants)}
