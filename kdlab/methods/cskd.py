"""CS-KD: two images of one class should get the same prediction."""

from typing import Annotated

import torch

from ..losses import cross_entropy, kd
from . import recipes
from .base import Method, Positive


class CSKD(Method):
    """CE + T^2 KL to the prediction for another image of the same class, which gets no gradient.

    A batch is `batch` images and as many partners of the same classes. The partners go through the network separately,
    in train mode, so the running batch statistics move twice a step, as in the authors' code.
    """

    paper = "Yun et al., CVPR 2020"
    transfers = "own predictions, same class"
    draw, weights = "pairs", {"ce": 1.0, "kd": 1.0}
    presets = {"paper": recipes.CSKD}

    def build(self, *, T: Annotated[float, Positive] = 4.0):
        self.T = T

    def terms(self, batch, progress):
        images, partners = batch.x[0].chunk(2)
        logits = self.model(images)
        with torch.no_grad():
            reference = self.model(partners)
        return {"ce": cross_entropy(logits, batch.y[: len(logits)]), "kd": kd(logits, reference, self.T)}
