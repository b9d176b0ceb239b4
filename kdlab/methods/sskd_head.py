"""SSKD's second phase: a projection head learns to recognise rotated versions of an image on a frozen teacher."""

import torch
from torch import Tensor

from ..data import Batch
from ..data.augment import ops
from ..experiment import recipes as published
from ..losses import own_image, similarity
from .base import Method
from .common.adapters import mlp, square


def split_versions(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of four versions an image (4B, ...) -> those of the normal images (B, ...), of the transformed (3B, ...)."""
    x = x.unflatten(0, (-1, 4))
    return x[:, 0], x[:, 1:].flatten(0, 1)


class SSKDHead(Method):
    """Shown a rotated version of an image, the head should tell which of the batch's normal images it was made from.

        own_image = mean over the 3B transformed versions i of -log softmax over the B normal images j of cos(h_i, h_j)
                    at the true j

    h are the projections (linear, ReLU, linear, all as wide as the features) of the pooled features. Four versions of
    an image share one flip; each has a crop of its own and is turned by 0, 90, 180 or 270 degrees (the released code;
    `sskd_pretext_head` has the transforms that the paper lists, and its other tasks). Only the projector trains; the
    network of `init` stays as it is, batch statistics included. No temperature divides the cosines in this phase.
    """

    paper = "Xu et al., ECCV 2020 (phase 2)"
    learns_from = "rotated images"
    views = ("crop",) * 4
    shared = "flip"
    weights = {"own_image": 1.0}
    needs_init = True
    frozen = ("model",)
    keeps = ("projector",)
    presets = {"paper": published.rotations.sskd_head, "imagenet": published.imagenet.sskd_head}

    def build(self) -> None:
        square("sskd_head", self.shape)
        width = self.model.feature_width
        self.projector = mlp(width, width, width, norm="none")

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        with torch.no_grad():
            pooled = self.model.features(ops.turned(batch.x)).pooled
        normal, transformed = split_versions(self.projector(pooled))
        return {"own_image": own_image(similarity(transformed, normal))}
