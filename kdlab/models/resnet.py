"""ResNet with the CIFAR stem: torchvision's residual blocks behind a 3 x 3, stride-1 stem without max-pooling."""

from functools import partial

from torch import Tensor, nn
from torchvision.models import resnet as torchvision_resnet

from .base import Network, Stage, conv_bn_relu, scaled


class Basic(torchvision_resnet.BasicBlock):
    """torchvision's basic block, which also gives the sum before its last ReLU."""

    def preactivation(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.preactivation(x))


def basic_stage(out: int, blocks: int, inp: int, stride: int) -> nn.Sequential:
    """`blocks` basic blocks, the first of them with the stride and, where shapes differ, a 1 x 1 shortcut with BN."""
    shortcut = None
    if stride != 1 or inp != out:
        shortcut = nn.Sequential(torchvision_resnet.conv1x1(inp, out, stride), nn.BatchNorm2d(out))
    first = Basic(inp, out, stride, shortcut)
    return nn.Sequential(first, *(Basic(out, out) for _ in range(blocks - 1)))


def resnet18(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """ResNet-18 for small images (He et al. 2016): four stages of two basic blocks, 64-128-256-512 channels.

    The stem is a 3 x 3 convolution of stride 1 and padding 1, without max-pooling, as MoCo's and lightly's CIFAR code
    have it. 11,173,962 parameters and 555,422,720 MACs at 10 classes and 3 x 32 x 32.
    """
    widths = [scaled(c, width) for c in (64, 128, 256, 512)]
    stem = nn.Sequential(*conv_bn_relu(channels, widths[0], 3))
    stages = [
        Stage(partial(basic_stage, out, 2), out, stride) for out, stride in zip(widths, (1, 2, 2, 2), strict=True)
    ]
    return Network(stem, widths[0], stages, num_classes)
