"""CS-KD: two images of one class should get the same prediction."""

import torch
from torch import Tensor

from ..core.hyper import Positive
from ..data import Batch
from ..losses import cross_entropy, kd
from .base import Method


class CSKD(Method):
    """The prediction for one image is the soft target of another of its class.

        loss = ce + kd,    kd = T^2 KL(softmax(z' / T) || softmax(z / T)), mean over images

    with logits z (B, K) and those of the partners z', which get no gradient. A batch is `batch` images and as many
    partners of the same classes. The partners go through the network separately, in train mode, so the running batch
    statistics move twice a step, as in the authors' code. T = 4 and weight 1 are theirs for CIFAR-100.
    """

    paper = "Yun et al., CVPR 2020"
    learns_from = "own predictions, same class"
    sampling = "pairs"
    weights = {"ce": 1.0, "kd": 1.0}

    def build(self, *, T: Positive = 4.0) -> None:
        self.T = T

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        images, partners = batch.x[0].chunk(2)
        logits = self.model(images)
        with torch.no_grad():
            reference = self.model(partners)
        return {"ce": cross_entropy(logits, batch.y[: len(logits)]), "kd": kd(logits, reference, self.T)}
