"""ResNet with the CIFAR stem: torchvision's residual blocks behind a 3 x 3, stride-1 stem without max-pooling."""

from torch import nn
from torchvision.models.resnet import BasicBlock, conv1x1

from .base import Network, conv_bn_relu, scaled


def _stage(inp: int, out: int, blocks: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or inp != out:
        shortcut = nn.Sequential(conv1x1(inp, out, stride), nn.BatchNorm2d(out))
    first = BasicBlock(inp, out, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(out, out) for _ in range(blocks - 1)))


def resnet18(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """ResNet-18 for small images (He et al. 2016): four stages of two basic blocks, 64-128-256-512 channels.

    The stem is a 3 x 3 convolution of stride 1 and padding 1, without max-pooling, as MoCo's and lightly's CIFAR code
    have it. 11,173,962 parameters and 555,422,720 MACs at 10 classes and 3 x 32 x 32.
    """
    widths = [scaled(c, width) for c in (64, 128, 256, 512)]
    stem = nn.Sequential(*conv_bn_relu(channels, widths[0], 3))
    inputs = [widths[0], *widths[:-1]]
    stages = [_stage(i, o, 2, stride) for i, o, stride in zip(inputs, widths, (1, 2, 2, 2), strict=True)]
    return Network(stem, stages, widths, num_classes)
