"""SSKD's second phase: a projection head learns to recognise rotated versions of an image on a frozen teacher."""

import torch

from ..augment import ops
from ..losses import own_image, similarity
from . import recipes
from .adapters import square
from .base import Method
from .selfsupervised import mlp


def split_versions(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of four versions an image (4B, ...) -> those of the normal images (B, ...), of the transformed (3B, ...)."""
    x = x.unflatten(0, (-1, 4))
    return x[:, 0], x[:, 1:].flatten(0, 1)


class SSKDHead(Method):
    """Cross-entropy of each transformed version's cosines with all normal images: which one is its own?

    Four versions of an image share one flip; each has a crop of its own and is turned by 0, 90, 180 or 270 degrees (the
    released code; the paper lists more transforms). Only the projector (linear, ReLU, linear, all as wide as the
    features) trains; the network of `init` stays as it is, batch statistics included. The cosines are divided by no
    temperature in this phase.
    """

    transfers = "rotated images"
    paper = "Xu et al., ECCV 2020 (phase 2)"
    views, shared = ("crop",) * 4, "flip"
    weights = {"own_image": 1.0}
    needs_init, frozen, keeps = True, ("model",), ("projector",)
    presets = {"paper": {
            **recipes.pair("wrn_40_2", "wrn_40_2"), "method": "sskd_head", "epochs": 60, "milestones": (30 / 60, 45 / 60),
            "init": recipes.CRD_PAIR["teacher"], "teacher": None,
        }
    }  # fmt: skip

    def build(self):
        square("sskd_head", self.shape)
        width = self.model.feature_width
        self.projector = mlp(width, width, width, norm=False)

    def terms(self, batch, progress):
        with torch.no_grad():
            pooled = self.model.features(ops.turned(batch.x)).pooled
        normal, transformed = split_versions(self.projector(pooled))
        return {"own_image": own_image(similarity(transformed, normal))}
