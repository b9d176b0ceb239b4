"""The pixels themselves as features: what a network has to be better than."""

import torch
from torch import Tensor, nn

from .base import Features, Network, Stage


class PixelNetwork(Network):
    """Return the normalised pixels of an image as its features, unchanged.

    Images (B, C, H, W) give pooled features (B, C * H * W), in the order of memory; their one map is the image. The
    head, a linear classifier, is zero and stays so: who rates the features brings a classifier. Of all networks it is
    the only one that takes images of one `shape` (C, H, W).
    """

    def __init__(self, num_classes: int, shape: tuple[int, int, int]) -> None:
        channels = shape[0]
        super().__init__(nn.Identity(), channels, [Stage(_unchanged, channels)], num_classes, init=False)
        self.feature_width = torch.Size(shape).numel()
        self.head = nn.Linear(self.feature_width, num_classes)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def features_after_stem(self, x: Tensor) -> Features:
        pooled = x.flatten(1)
        return Features((x,), pooled, self.head(pooled))


def _unchanged(inputs: int, stride: int) -> nn.Module:
    return nn.Identity()
