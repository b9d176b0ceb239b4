"""LiteNet-DSC: the compact student of LiteNet-SSD (ICCEIC 2025).

It is built from depthwise-separable convolutions.
"""

from collections.abc import Sequence
from functools import partial

from torch import nn

from .base import Network, Stage, conv_bn_relu, scaled

# (output channels, stride) of every depthwise-separable layer, stage by stage
STAGES = (
    ((64, 1), (64, 1)),
    ((128, 2), (128, 1), (128, 1)),
    ((256, 2), (256, 1), (256, 1)),
    ((384, 2), (384, 1)),
)


def _stage(outs: Sequence[int], inp: int, stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out in outs:
        layers += conv_bn_relu(inp, inp, 3, stride, groups=inp) + conv_bn_relu(inp, out, 1)
        inp, stride = out, 1
    return nn.Sequential(*layers)


def litenet_dsc(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """LiteNet-DSC: ten depthwise-separable layers in four stages of 64, 128, 256 and
    384 channels.

    A 3 x 3 convolution with a weight for every pair of channels is replaced by two cheaper ones: 3 x 3 within each
    channel (depthwise), then 1 x 1 across channels, each with batch norm and ReLU. The stem is an ordinary 3 x 3 to 32
    channels. No residual connections; every stage but the first halves the map. The paper publishes its size (about
    0.5 M parameters) and its parts, not its layers: this table is a *reconstruction*. The paper's two intermediate
    stages for feature transfer are the second and the third (128 x 16 x 16 and 256 x 8 x 8), which match ResNet-18's.
    484,234 parameters and 34,166,528 MACs at 10 classes and 3 x 32 x 32.
    """
    first = scaled(32, width)
    stem = nn.Sequential(*conv_bn_relu(channels, first, 3))
    stages = []
    for layers in STAGES:
        outs = [scaled(out, width) for out, _ in layers]
        stages.append(Stage(partial(_stage, outs), outs[-1], stride=layers[0][1]))
    return Network(stem, first, stages, num_classes)
