"""ShuffleNets for small images: a 1 x 1 stem and three stages.

As in the benchmark of CRD (Tian et al. 2020).

1 x 1 convolutions are what light networks spend most on. Both versions let each see only some of the channels, and then
shuffle these, so that the next one sees others. Weights start from PyTorch's defaults, as in the benchmark.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Network, Stage, conv_bn_relu, scaled


class GroupedUnit(nn.Module):
    """ShuffleNetV1's unit (Zhang et al. 2018), with 1 x 1 convolutions in groups.

    Grouped 1 x 1 to a quarter of the channels, shuffle, 3 x 3 depthwise, grouped 1 x 1 back. At stride 2 the
    average-pooled input is concatenated, at stride 1 the input is added. As in the benchmark's network, a ReLU follows
    the depthwise convolution as well.
    """

    def __init__(self, inp: int, out: int, stride: int, groups: int, first_groups: int) -> None:
        super().__init__()
        self.stride, self.groups = stride, first_groups
        new = out - inp if stride > 1 else out
        mid = new // 4
        self.reduce = nn.Sequential(*conv_bn_relu(inp, mid, 1, groups=first_groups))
        self.depthwise = nn.Sequential(*conv_bn_relu(mid, mid, 3, stride, groups=mid))
        self.expand = nn.Sequential(*conv_bn_relu(mid, new, 1, groups=groups)[:2])
        self.pool = nn.AvgPool2d(3, stride, padding=1)

    def preactivation(self, x: Tensor) -> Tensor:
        """Return the output before its ReLU."""
        out = self.expand(self.depthwise(_shuffled(self.reduce(x), self.groups)))
        return torch.cat([out, self.pool(x)], 1) if self.stride > 1 else out + x

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.preactivation(x))


class SplitUnit(nn.Module):
    """ShuffleNetV2's unit (Ma et al. 2018): convolutions see one half of the channels.

    The other half passes as it came. Where the shape changes (`whole`), both halves are made of the whole input. Its
    parts have torchvision's names and order.
    """

    def __init__(self, inp: int, out: int, stride: int = 1, *, whole: bool = False) -> None:
        super().__init__()
        self.whole, half = whole, out // 2
        first = [*conv_bn_relu(inp, inp, 3, stride, inp)[:2], *conv_bn_relu(inp, half, 1)] if whole else []
        self.branch1 = nn.Sequential(*first)
        self.branch2 = nn.Sequential(
            *conv_bn_relu(inp if whole else half, half, 1),
            *conv_bn_relu(half, half, 3, stride, half)[:2],
            *conv_bn_relu(half, half, 1),
        )

    def preactivation(self, x: Tensor) -> Tensor:
        """Return the output before the last ReLU of each half.

        A half that passes is as it came.
        """
        kept, x = (self.branch1[:-1](x), x) if self.whole else x.chunk(2, 1)
        return _shuffled(torch.cat([kept, self.branch2[:-1](x)], 1), 2)

    def forward(self, x: Tensor) -> Tensor:
        kept, x = (self.branch1(x), x) if self.whole else x.chunk(2, 1)
        return _shuffled(torch.cat([kept, self.branch2(x)], 1), 2)


def _shuffled(x: Tensor, groups: int) -> Tensor:
    """Take the channels of the groups in turn: the first of each, the second, ..."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def _grouped_stage(out: int, count: int, groups: int, first_groups: int, inp: int, stride: int) -> nn.Sequential:
    """Build `count` units of ShuffleNetV1, the first of them with the stride.

    It has `first_groups` in its first 1 x 1.
    """
    first = GroupedUnit(inp, out, stride, groups, first_groups)
    return nn.Sequential(first, *(GroupedUnit(out, out, 1, groups, groups) for _ in range(count - 1)))


def split_stage(out: int, count: int, inp: int, stride: int) -> nn.Sequential:
    """Build `count` units of ShuffleNetV2.

    Both halves of the first see the whole input, at stride 1 as well.
    """
    first = SplitUnit(inp, out, stride, whole=True)
    return nn.Sequential(first, *(SplitUnit(out, out) for _ in range(count - 1)))


def pointwise(out: int, inp: int, stride: int) -> nn.Sequential:
    """Describe a neck: 1 x 1 convolution, BN, ReLU."""
    return nn.Sequential(*conv_bn_relu(inp, out, 1, stride))


def shufflenet_v1(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """ShuffleNetV1 (Zhang et al. 2018) with 3 groups: 240-480-960 channels in stages
    of 4, 8 and 4 units.

    Widths are multiples of 12, for the groups: a quarter of them, in the bottleneck, divides by 3. 949,258 parameters
    and 38,691,456 MACs at 100 classes and 3 x 32 x 32.
    """
    stem, *outs = (scaled(c, width, 12) for c in (24, 240, 480, 960))
    stages = [
        Stage(partial(_grouped_stage, out, count, 3, first), out, stride=2)
        for out, count, first in zip(outs, (4, 8, 4), (1, 3, 3), strict=True)
    ]
    return Network(pointwise(stem, channels, 1), stem, stages, num_classes, init=False)


def shufflenet_v2(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """ShuffleNetV2 (Ma et al. 2018), 1x: 116-232-464 channels in stages of 4, 8 and 4
    units, a neck of 1024.

    1,355,528 parameters and 44,504,448 MACs at 100 classes and 3 x 32 x 32.
    """
    stem, *outs, last = (scaled(c, width) for c in (24, 116, 232, 464, 1024))
    stages = [Stage(partial(split_stage, o, count), o, stride=2) for o, count in zip(outs, (4, 8, 4), strict=True)]
    neck = Stage(partial(pointwise, last), last)
    return Network(pointwise(stem, channels, 1), stem, stages, num_classes, neck=neck, init=False)
