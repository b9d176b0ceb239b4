"""SimCLR: learn features without labels by telling two views of an image from those of all others."""

from typing import Annotated

from torch import nn

from ..losses import nt_xent
from .base import Method, Positive


class SimCLR(Method):
    """Contrast two strongly augmented views of each image against the rest of the batch.

    Both views go through the network in one batch, so batch-norm statistics cover both. The projection head (one hidden
    layer as wide as the features, batch norm, ReLU, `dim` outputs) is used in training only.
    """

    paper = "Chen et al. 2020"
    views, draw, weights = ("strong", "strong"), "all", {"nt_xent": 1.0}
    trains_head = False
    # lightly's CIFAR-10 benchmark: SGD, lr 0.06 per 128 images, 200 epochs, cosine
    presets = {
        "paper": {
            "epochs": 200, "batch": 512, "optimizer": "sgd", "lr": 0.24, "momentum": 0.9, "weight_decay": 5e-4,
            "schedule": "cosine", "warmup": 0.0,
        }
    }  # fmt: skip

    def build(self, *, T: Annotated[float, Positive] = 0.5, dim: Annotated[int, Positive] = 128):
        self.T, width = T, self.model.feature_width
        self.projector = nn.Sequential(
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, dim)
        )

    def terms(self, batch, progress):
        z = self.projector(self.model.features(batch.x.flatten(0, 1)).pooled)
        return {"nt_xent": nt_xent(*z.chunk(2), T=self.T)}
