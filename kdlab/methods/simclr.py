"""SimCLR: learn features without labels by telling two views of an image from those of all others."""

from typing import Annotated

from ..losses import nt_xent
from . import recipes
from .base import Positive
from .selfsupervised import SelfSupervised, mlp


class SimCLR(SelfSupervised):
    """Contrast two strongly augmented views of each image against the rest of the batch.

    Both views go through the network in one batch, so batch-norm statistics cover both. The projection head (one hidden
    layer, by default as wide as the features; batch norm unless `norm=False`; ReLU; `dim` outputs) is used in training
    only. Preset "paper" is solo-learn's CIFAR recipe (published online probe: 90.74 % on CIFAR-10), "short" lightly's.
    """

    paper = "Chen et al. 2020"
    weights = {"nt_xent": 1.0}
    presets = {
        "short": recipes.LIGHTLY,
        "paper": {**recipes.SOLO_LEARN, "lr": 0.4, "augment": "simclr",
                  "hp": {"T": 0.2, "hidden": 2048, "dim": 256, "norm": False}},
    }  # fmt: skip

    def build(
        self, *, T: Annotated[float, Positive] = 0.5, dim: Annotated[int, Positive] = 128,
        hidden: Annotated[int, Positive] | None = None, norm: bool = True,
    ):  # fmt: skip
        self.T, width = T, self.model.feature_width
        self.projector = mlp(width, hidden or width, dim, norm)

    def terms(self, batch, progress):
        return {"nt_xent": nt_xent(*self.embed(batch.x.flatten(0, 1)).chunk(2), T=self.T)}
