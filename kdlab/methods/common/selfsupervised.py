"""What SimCLR, MoCo, BYOL and MOKD share: two views, no labels, and a projection head that is used in training only."""

from torch import Tensor, nn

from ..base import Method


class SelfSupervised(Method):
    """Learns features from two views of every training image, labelled or not; a subclass makes `projector`."""

    learns_from = "two views without labels"
    views = ("strong", "second")
    sampling = "all"
    trains_head = False
    keeps = ("projector",)
    projector: nn.Sequential

    def embed(self, x: Tensor) -> Tensor:
        """What the projection head makes of one view's pooled features: (B, D)."""
        return self.projector(self.model.features(x).pooled)
