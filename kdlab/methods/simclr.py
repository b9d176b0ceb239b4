"""SimCLR: tell two views of an image from those of all others, without labels."""

from torch import Tensor

from ..core.hyper import Count, Positive
from ..data import Batch
from ..losses import nt_xent
from .common.adapters import HeadNorm, mlp
from .common.selfsupervised import SelfSupervised


class SimCLR(SelfSupervised):
    """Two views of one image should have similar embeddings, other views should not.

    The views are strongly augmented.

        nt_xent = mean over the 2B views i of -log softmax over the 2B - 1 others j of cos(z_i, z_j) / T,
                  at the other view of the same image

    with embeddings z (2B, dim) from a projection head that is used in training only: one hidden layer, by default as
    wide as the features; ReLU; `dim` outputs; batch norm behind both layers (`norm`: see `mlp`), as in lightly and, but
    for the last one's shift, in the authors' code: on photographs a point better than behind the hidden one alone
    (docs/measurements.md). The views go through the network one after the other, each with batch statistics of its own,
    as in lightly and solo-learn; `joint_views` sends them through as one batch. Preset "paper" is solo-learn's CIFAR
    recipe (published online probe: 90.74 % on CIFAR-10), "short" lightly's.
    """

    paper = "Chen et al. 2020"
    weights = {"nt_xent": 1.0}

    def build(
        self,
        *,
        T: Positive = 0.5,
        dim: Count = 128,
        hidden: Count | None = None,
        norm: HeadNorm = "all",
        joint_views: bool = False,
    ) -> None:
        self.T, self.joint_views, width = T, joint_views, self.model.feature_width
        self.projector = mlp(width, hidden or width, dim, norm)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        first, second = self.embed(batch.x.flatten(0, 1)).chunk(2) if self.joint_views else map(self.embed, batch.x)
        return {"nt_xent": nt_xent(first, second, T=self.T)}
