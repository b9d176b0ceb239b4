"""VGG with batch norm for small images (Simonyan and Zisserman 2015).

A plain row of 3 x 3 convolutions in five blocks, with max-pooling between them and one linear layer at the end.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from .base import Network, Stage, scaled, start_head

# depth -> convolutions in each block
CONVOLUTIONS = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _block(out: int, count: int, inp: int, stride: int) -> nn.Sequential:
    """Build `count` times 3 x 3 convolution with bias, BN, ReLU.

    Max-pooling comes first if the stride is 2.
    """
    layers: list[nn.Module] = [nn.MaxPool2d(stride)] if stride > 1 else []
    for _ in range(count):
        layers += [nn.Conv2d(inp, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        inp = out
    return nn.Sequential(*layers)


def _vgg(depth: int, num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """Build VGG-`depth` in four stages, 128-256-512-512 channels.

    As in the benchmark of CRD (Tian et al. 2020).

    The first block, of 64 channels, is the stem; max-pooling halves the map before all others but the last.
    """
    outs = [scaled(c, width) for c in (64, 128, 256, 512, 512)]
    first, *counts = CONVOLUTIONS[depth]
    stages = [Stage(partial(_block, o, n), o, s) for o, n, s in zip(outs[1:], counts, (2, 2, 2, 1), strict=True)]
    return start_head(Network(_block(outs[0], first, channels, 1), outs[0], stages, num_classes), std=0.01)


def vgg13_by_resolution(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """The layers of `vgg13`, cut where the resolution changes: one convolution as the
    stem, stages of 1, 2, 2 and 4.

    The four stages have 64, 128, 256 and 512 channels. HSAKD (Yang et al. 2021) branches VGG-13 there: 37,049,664
    parameters in four branches of 400 outputs.
    """
    outs, counts, strides = [scaled(c, width) for c in (64, 128, 256, 512)], (1, 2, 2, 4), (1, 2, 2, 2)
    stages = [Stage(partial(_block, o, n), o, s) for o, n, s in zip(outs, counts, strides, strict=True)]
    return start_head(Network(_block(outs[0], 1, channels, 1), outs[0], stages, num_classes), std=0.01)


# At 100 classes and 3 x 32 x 32: vgg8 3,965,028 parameters and 96,192,512 MACs, vgg13 9,462,180 and 284,936,192.
VGGS: dict[str, Callable[..., Network]] = {
    **{f"vgg{depth}": partial(_vgg, depth) for depth in CONVOLUTIONS},
    "vgg13_by_resolution": vgg13_by_resolution,
}
