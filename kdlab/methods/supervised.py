"""Supervised training on the labelled images: the baseline of every comparison."""

from torch import Tensor

from ..data import Batch
from .base import Method


class Supervised(Method):
    """Cross-entropy: make the class that the label names as likely as possible.

        ce = mean over labelled images of -log softmax(z)[y]

    with logits z (B, K) and labels y (B,). Preset "paper" is the CIFAR benchmark's recipe, "finetune" that of
    LiteNet-SSD for its teacher (*reconstruction*), "stl10" and "as_released" those of SS-KD's teacher (see
    `scheduled_kd`).
    """

    mixes = True

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return {"ce": self.ce(self.model(batch.x[0]), batch)}
