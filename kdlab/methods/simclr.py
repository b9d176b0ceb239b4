"""SimCLR: learn features without labels by telling two views of an image from those of all others."""

from torch import Tensor

from ..data import Batch
from ..losses import nt_xent
from ..ranges import Count, Positive
from . import published
from .adapters import mlp
from .selfsupervised import SelfSupervised


class SimCLR(SelfSupervised):
    """Two strongly augmented views of one image should have similar embeddings, views of different images should not.

        nt_xent = mean over the 2B views i of -log softmax over the 2B - 1 others j of cos(z_i, z_j) / T,
                  at the other view of the same image

    with embeddings z (2B, dim) from a projection head that is used in training only: one hidden layer, by default as
    wide as the features; batch norm unless `norm=False`; ReLU; `dim` outputs. Both views go through the network in one
    batch, so batch-norm statistics cover both. Preset "paper" is solo-learn's CIFAR recipe (published online probe:
    90.74 % on CIFAR-10), "short" lightly's.
    """

    paper = "Chen et al. 2020"
    weights = {"nt_xent": 1.0}
    presets = {
        "short": published.LIGHTLY,
        "paper": {
            **published.SOLO_LEARN, "lr": 0.4, "augment": "simclr",
            "hp": {"T": 0.2, "hidden": 2048, "dim": 256, "norm": False},
        },
    }  # fmt: skip

    def build(
        self, *, T: Positive = 0.5, dim: Count = 128, hidden: Count | None = None, norm: bool = True,
    ) -> None:  # fmt: skip
        self.T, width = T, self.model.feature_width
        self.projector = mlp(width, hidden or width, dim, norm)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        first, second = self.embed(batch.x.flatten(0, 1)).chunk(2)
        return {"nt_xent": nt_xent(first, second, T=self.T)}
