"""Networks for small images whose blocks begin with batch norm and ReLU.

WRN, pre-activation ResNet-18, DenseNet.

A stage then ends with a sum or a concatenation, which the next stage, or a neck, begins by normalising.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Network, Stage, conv_bn_relu, scaled, start_head


class PreActNetwork(Network):
    """A network whose next stage begins by normalising a stage's map.

    Stage maps are sums or concatenations.
    """

    def preactivations(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return maps after the batch norm that follows each stage, before its ReLU.

        Heo et al. 2019.

        The batch norm's running statistics do not move a second time.
        """
        maps = self.features(x).maps
        return tuple(_normalised(m, after) for m, after in zip(maps, (*self.stages[1:], self.neck), strict=True))


def _normalised(x: Tensor, following: nn.Module) -> Tensor:
    """Apply the batch norm that `following` begins with to `x`, if it has one.

    Its statistics stay as they are.
    """
    norm = next((m for m in following.modules() if isinstance(m, nn.BatchNorm2d)), None)
    if norm is None:
        return x
    mean, variance = (None, None) if norm.training else (norm.running_mean, norm.running_var)
    return F.batch_norm(x, mean, variance, norm.weight, norm.bias, training=norm.training, eps=norm.eps)


class PreActBlock(nn.Module):
    """BN, ReLU, 3 x 3, BN, ReLU, 3 x 3, added to the input (He et al. 2016b).

    Or added to a 1 x 1 of the activated input.
    """

    def __init__(self, inp: int, out: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inp), nn.Conv2d(inp, out, 3, stride, padding=1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(out), nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inp, out, 1, stride, bias=False) if stride != 1 or inp != out else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        out = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return out + (x if self.shortcut is None else self.shortcut(active))


def _stage(out: int, count: int, inp: int, stride: int) -> nn.Sequential:
    return nn.Sequential(PreActBlock(inp, out, stride), *(PreActBlock(out, out, 1) for _ in range(count - 1)))


def _bn_relu(inp: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(inp), nn.ReLU(inplace=True))


def _wrn(depth: int, k: int, num_classes: int, channels: int = 3, width: float = 1.0) -> PreActNetwork:
    """Build WRN-`depth`-`k`: three stages of n blocks, depth = 6n + 4.

    It is a wide ResNet, with k times 16, 32 and 64 channels.

    Zagoruyko and Komodakis 2016, without dropout; the stem is a bare convolution, BN and ReLU stand before pooling.
    """
    stem, *outs = (scaled(c, width) for c in (16, 16 * k, 32 * k, 64 * k))
    stages = [Stage(partial(_stage, out, (depth - 4) // 6), out, stride=2 if i else 1) for i, out in enumerate(outs)]
    layer = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
    net = PreActNetwork(layer, stem, stages, num_classes, neck=Stage(_bn_relu, outs[-1]))
    start_head(net)
    return net


def preact_resnet18(num_classes: int, channels: int = 3, width: float = 1.0) -> PreActNetwork:
    """Pre-activation ResNet-18 (He et al. 2016b): four stages of two blocks,
    64-128-256-512 channels.

    The backbone of CS-KD and PS-KD, whose stem has BN and ReLU, and which has none before pooling.
    11,217,444 parameters and 555,468,800 MACs at 100 classes and 3 x 32 x 32.
    """
    outs = [scaled(c, width) for c in (64, 128, 256, 512)]
    stages = [Stage(partial(_stage, out, 2), out, stride=2 if i else 1) for i, out in enumerate(outs)]
    return PreActNetwork(nn.Sequential(*conv_bn_relu(channels, outs[0], 3)), outs[0], stages, num_classes)


class DenseLayer(nn.Module):
    """BN, ReLU, 1 x 1, BN, ReLU, 3 x 3, concatenated with the input.

    The 1 x 1 has four times the growth, the 3 x 3 the growth.
    """

    def __init__(self, inp: int, growth: int) -> None:
        super().__init__()
        first = nn.Conv2d(inp, 4 * growth, 1, bias=False)
        second = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.layers = nn.Sequential(*_bn_relu(inp, 1), first, *_bn_relu(4 * growth, 1), second)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], 1)


def _dense_stage(count: int, growth: int, transition: bool, inp: int, stride: int) -> nn.Sequential:
    """Build `count` dense layers, behind a transition to half the channels.

    It pools if the stride is 2.
    """
    layers: list[nn.Module] = []
    current = inp
    if transition:
        current = inp // 2
        layers = [*_bn_relu(inp, 1), nn.Conv2d(inp, current, 1, bias=False)]
        layers += [nn.AvgPool2d(stride)] if stride > 1 else []
    return nn.Sequential(*layers, *(DenseLayer(current + i * growth, growth) for i in range(count)))


def densenet121(num_classes: int, channels: int = 3, width: float = 1.0) -> PreActNetwork:
    """DenseNet-121 (Huang et al. 2017): every layer sees the maps of all before it,
    and adds 32 channels of its own.

    Four stages of 6, 12, 24 and 16 layers behind a bare 3 x 3 stem; a stage begins with the transition, which halves
    channels and map.
    7,048,548 parameters and 888,442,880 MACs at 100 classes and 3 x 32 x 32.
    """
    growth = scaled(32, width)
    stages, out = [], 2 * growth
    for i, count in enumerate((6, 12, 24, 16)):
        out = (out // 2 if i else out) + count * growth
        stages.append(Stage(partial(_dense_stage, count, growth, i > 0), out, stride=2 if i else 1))
    layer = nn.Conv2d(channels, 2 * growth, 3, padding=1, bias=False)
    return PreActNetwork(layer, 2 * growth, stages, num_classes, neck=Stage(_bn_relu, out))


# At 100 classes and 3 x 32 x 32: wrn_16_2 703,284 parameters and 101,118,464 MACs, wrn_40_2 2,255,156 and 327,610,880.
PREACT: dict[str, Callable[..., Network]] = {
    **{f"wrn_{d}_{k}": partial(_wrn, d, k) for d, k in ((16, 1), (16, 2), (28, 2), (28, 8), (40, 1), (40, 2))},
    "preact_resnet18": preact_resnet18,
    "densenet121": densenet121,
}
