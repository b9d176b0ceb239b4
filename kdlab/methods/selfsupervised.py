"""What SimCLR, MoCo and BYOL share: two views, no labels, and a projection head that is used in training only."""

from torch import nn

from . import recipes
from .base import Method


class SelfSupervised(Method):
    """Learns features from two views of every training image, labelled or not; a subclass makes `projector`."""

    views, draw = ("strong", "second"), "all"
    transfers = "two views without labels"
    keeps = ("projector",)
    trains_head = False
    presets = {"short": recipes.LIGHTLY}

    def embed(self, x):
        return self.projector(self.model.features(x).pooled)


def mlp(inp: int, hidden: int, out: int, norm: bool = True) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear; `norm=False` leaves batch norm out."""
    first = nn.Linear(inp, hidden, bias=not norm)
    return nn.Sequential(first, *([nn.BatchNorm1d(hidden)] if norm else []), nn.ReLU(), nn.Linear(hidden, out))
