"""ResNets for small images: residual blocks behind a 3 x 3, stride-1 stem.

There is no max-pooling.
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from .base import Network, Stage, conv_bn_relu, scaled


class Basic(nn.Module):
    """The basic block: two 3 x 3 convolutions and a shortcut.

    Its parts have torchvision's names and order.
    """

    expansion = 1

    def __init__(
        self, inp: int, planes: int, stride: int = 1, downsample: nn.Module | None = None, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = conv_bn_relu(inp, planes, 3, stride, groups)
        self.conv2, self.bn2, _ = conv_bn_relu(planes, planes, 3, groups=groups)
        self.downsample = downsample

    def preactivation(self, x: Tensor) -> Tensor:
        """Return the sum of both paths, before the last ReLU."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.preactivation(x))


class Bottleneck(nn.Module):
    """The bottleneck: 1 x 1, 3 x 3 (with the stride), 1 x 1, and a shortcut.

    Its parts have torchvision's names and order.
    """

    expansion = 4

    def __init__(
        self, inp: int, planes: int, stride: int = 1, downsample: nn.Module | None = None, groups: int = 1
    ) -> None:
        super().__init__()
        mid = planes * groups
        self.conv1, self.bn1, self.relu = conv_bn_relu(inp, mid, 1)
        self.conv2, self.bn2, _ = conv_bn_relu(mid, mid, 3, stride, groups)
        self.conv3, self.bn3, _ = conv_bn_relu(mid, planes * self.expansion, 1)
        self.downsample = downsample

    def preactivation(self, x: Tensor) -> Tensor:
        """Return the sum of both paths, before the last ReLU."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        out += x if self.downsample is None else self.downsample(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.preactivation(x))


Block = type[Basic] | type[Bottleneck]


def _stage(block: Block, planes: int, count: int, groups: int, inp: int, stride: int) -> nn.Sequential:
    """Build `count` blocks, the first of them with the stride.

    Where shapes differ it has a 1 x 1 shortcut with BN.
    """
    out, shortcut = planes * block.expansion, None
    if stride != 1 or inp != out:
        shortcut = nn.Sequential(*conv_bn_relu(inp, out, 1, stride)[:2])
    first = block(inp, planes, stride, shortcut, groups)
    return nn.Sequential(first, *(block(out, planes, groups=groups) for _ in range(count - 1)))


def residual_stages(block: Block, planes: Sequence[int], counts: Sequence[int], groups: int = 1) -> list[Stage]:
    """Describe one stage of `counts[i]` blocks of `planes[i]` channels per entry.

    Every stage but the first halves the map.
    """
    return [
        Stage(partial(_stage, block, p, n, groups), p * block.expansion, stride=2 if i else 1)
        for i, (p, n) in enumerate(zip(planes, counts, strict=True))
    ]


def _resnet(
    block: Block,
    stem: int,
    planes: Sequence[int],
    counts: Sequence[int],
    num_classes: int,
    channels: int = 3,
    width: float = 1.0,
    groups: int = 1,
) -> Network:
    first, *outs = (scaled(c, width) for c in (stem, *planes))
    layers = nn.Sequential(*conv_bn_relu(channels, first, 3))
    return Network(layers, first, residual_stages(block, outs, counts, groups), num_classes)


def resnet18(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """ResNet-18 for small images (He et al. 2016): four stages of two basic blocks,
    64-128-256-512 channels.

    A block adds its input to what two 3 x 3 convolutions make of it. The stem is a 3 x 3 convolution of stride 1 and
    padding 1, without max-pooling, as MoCo's and lightly's CIFAR code have it.
    11,173,962 parameters and 555,422,720 MACs at 10 classes and 3 x 32 x 32.
    """
    return _resnet(Basic, 64, (64, 128, 256, 512), (2, 2, 2, 2), num_classes, channels, width)


def _deep(block: Block, counts: Sequence[int]) -> Callable[..., Network]:
    """Build a ResNet of four stages (He et al. 2016), with the stem for small images."""
    return partial(_resnet, block, 64, (64, 128, 256, 512), counts)


def _narrow(depth: int, stem: int = 16, first: int = 16) -> Callable[..., Network]:
    """Build ResNet-`depth` of He et al. 2016, section 4.2; depth = 6n + 2.

    Three stages of n blocks, 16-32-64 channels.

    RepDistiller's "x4" has four times the channels, and a stem of 32.
    """
    return partial(_resnet, Basic, stem, (first, 2 * first, 4 * first), 3 * ((depth - 2) // 6,))


# Shortcuts that change shape are 1 x 1 convolutions (option B), as in the benchmark of CRD (Tian et al. 2020).
# At 100 classes and 3 x 32 x 32: resnet20 has 278,324 parameters and 40,818,944 MACs, resnet50 23,705,252 and
# 1,298,014,208.
RESNETS: dict[str, Callable[..., Network]] = {
    **{f"resnet{depth}": _narrow(depth) for depth in (8, 14, 20, 32, 44, 56, 110)},
    **{f"resnet{depth}x4": _narrow(depth, 32, 64) for depth in (8, 32)},
    "resnet18": resnet18,
    "resnet34": _deep(Basic, (3, 4, 6, 3)),
    "resnet50": _deep(Bottleneck, (3, 4, 6, 3)),
    "resnet101": _deep(Bottleneck, (3, 4, 23, 3)),
    # Xie et al. 2017, section 5.3: 8 groups of 64 channels; 34,518,948 parameters, 5,387,358,208 MACs
    "resnext29_8x64d": partial(_resnet, Bottleneck, 64, (64, 128, 256), (3, 3, 3), groups=8),
}
