"""LiteNet-DSC: the compact student of LiteNet-SSD (ICCEIC 2025), built from depthwise-separable convolutions."""

from torch import nn

from .base import Network, conv_bn_relu, scaled

# (output channels, stride) of every depthwise-separable layer, stage by stage
STAGES = (
    ((64, 1), (64, 1)),
    ((128, 2), (128, 1), (128, 1)),
    ((256, 2), (256, 1), (256, 1)),
    ((384, 2), (384, 1)),
)


def litenet_dsc(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """LiteNet-DSC: a stem of 32 channels and ten layers "3 x 3 depthwise, BN, ReLU, 1 x 1, BN, ReLU" in four stages.

    No residual connections; every stage but the first halves the map. The paper publishes its size (about 0.5 M
    parameters) and its parts, not its layers: this table is a *reconstruction*. 484,234 parameters and
    34,166,528 MACs at 10 classes and 3 x 32 x 32. The paper's two intermediate stages for feature transfer are the
    second and the third (128 x 16 x 16 and 256 x 8 x 8), which match ResNet-18's.
    """
    current = scaled(32, width)
    stem = nn.Sequential(*conv_bn_relu(channels, current, 3))
    stages, widths = [], []
    for stage in STAGES:
        layers = []
        for out, stride in stage:
            out = scaled(out, width)
            layers += conv_bn_relu(current, current, 3, stride, groups=current) + conv_bn_relu(current, out, 1)
            current = out
        stages.append(nn.Sequential(*layers))
        widths.append(current)
    return Network(stem, stages, widths, num_classes)
