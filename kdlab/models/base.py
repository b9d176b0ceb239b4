"""The contract of a network: logits from `net(x)`, everything else from `net.features(x)`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Features(NamedTuple):
    """What a network shows of itself for one batch."""

    maps: tuple[Tensor, ...]  # one (B, C_i, H_i, W_i) per stage, after the stage's last activation
    pooled: Tensor  # (B, D), what the classifier reads
    logits: Tensor  # (B, classes)


class Network(nn.Module):
    """A stem, a list of stages, global average pooling and a linear head.

    `widths` holds the channels of each stage's map, `feature_width` the length of the pooled vector. Networks take
    images of any size from 8 x 8 up. Convolutions start from Kaiming's normal distribution (fan-out, ReLU), batch
    norms from (1, 0), as in the official files of the papers' networks.
    """

    def __init__(self, stem: nn.Module, stages: list[nn.Module], widths: list[int], num_classes: int):
        super().__init__()
        self.stem, self.stages = stem, nn.ModuleList(stages)
        self.head = nn.Linear(widths[-1], num_classes)
        self.widths, self.feature_width, self.num_classes = tuple(widths), widths[-1], num_classes
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> Features:
        """Stage maps, pooled vector and logits of images (B, C, H, W)."""
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        pooled = x.mean((2, 3))
        return Features(tuple(maps), pooled, self.head(pooled))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes)."""
        return self.features(x).logits


def scaled(channels: int, width: float) -> int:
    """`channels` times the width multiplier, to the nearest multiple of 4 (at least 4), to keep kernels aligned."""
    return max(4, 4 * round(channels * width / 4))


def conv_bn_relu(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution without bias, batch norm, ReLU: the layers, for `nn.Sequential(*...)`."""
    conv = nn.Conv2d(inp, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[torch.device]:
    """Eval mode without gradients inside, the mode it was in afterwards; yields the network's device."""
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            yield next(net.parameters()).device
    finally:
        net.train(training)


def parameter_count(net: nn.Module) -> int:
    """Number of trainable and frozen parameters (buffers not counted)."""
    return sum(p.numel() for p in net.parameters())
