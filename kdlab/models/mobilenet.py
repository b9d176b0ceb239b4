"""MobileNetV2 for small images, in the three variants that the papers compare.

Their accuracies do not compare. At half width the stem has stride 2 in the benchmark of CRD (Tian et al. 2020) and
stride 1 in HSAKD (Yang et al. 2021), which makes four times the MACs with the same parameters; Tf-KD's (Yuan et al.
2020) has full width.
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from .base import Network, Stage, conv_bn_relu, scaled, start_head
from .shufflenet import pointwise

# (expansion, channels at full width, blocks) of each group of inverted residuals, stage by stage
STAGES = (
    ((1, 16, 1), (6, 24, 2)),
    ((6, 32, 3),),
    ((6, 64, 4), (6, 96, 3)),
    ((6, 160, 3), (6, 320, 1)),
)


class Inverted(nn.Module):
    """The inverted residual: wide inside, narrow at the ends, which carry no ReLU.

    Sandler et al. 2018.

    1 x 1 to `expansion` times the channels, 3 x 3 depthwise, linear 1 x 1; plus the input where shapes agree.
    `layer(inp, out, kernel, stride, groups)` makes a convolution, its batch norm and its activation.
    """

    def __init__(
        self, inp: int, out: int, stride: int, expansion: int, layer: Callable[..., list[nn.Module]] = conv_bn_relu
    ) -> None:
        super().__init__()
        mid, self.residual = inp * expansion, stride == 1 and inp == out
        depthwise = layer(mid, mid, 3, stride, groups=mid)
        self.layers = nn.Sequential(*layer(inp, mid, 1), *depthwise, *layer(mid, out, 1)[:2])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def inverted_stage(
    groups: Sequence[tuple[int, int, int]], inp: int, stride: int, block: Callable[..., nn.Module] = Inverted
) -> nn.Sequential:
    """Build inverted residuals: of each group (expansion, channels, blocks)."""
    blocks = []
    for expansion, out, count in groups:
        for _ in range(count):
            blocks.append(block(inp, out, stride, expansion))
            inp, stride = out, 1
    return nn.Sequential(*blocks)


def _half(stem_stride: int, num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """Build MobileNetV2 (Sandler et al. 2018) at half width.

    Its neck has 1280 channels; stages end without a ReLU.
    """
    stem, last = scaled(16, width), scaled(1280, width)
    stages = []
    for i, full_width in enumerate(STAGES):
        groups = [(expansion, scaled(out / 2, width), count) for expansion, out, count in full_width]
        stages.append(Stage(partial(inverted_stage, groups), groups[-1][1], stride=2 if i else 1))
    neck, first = Stage(partial(pointwise, last), last), conv_bn_relu(channels, stem, 3, stem_stride)
    return start_head(Network(nn.Sequential(*first), stem, stages, num_classes, neck=neck), std=0.01)


def _biased(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Build convolution with bias, which its batch norm does not need, BN, ReLU6."""
    conv = nn.Conv2d(inp, out, kernel, stride, padding=kernel // 2, groups=groups)
    return [conv, nn.BatchNorm2d(out), nn.ReLU6()]


def _biased_neck(out: int, inp: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*_biased(inp, out, 1, stride))


def mobilenet_v2_cifar(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """MobileNetV2 of Tf-KD (weiaicunzai's pytorch-cifar100): full width, four stages,
    a neck of 1280 channels.

    The stem is a 1 x 1 convolution with a padding of 1, so that an image of 32 pixels becomes a map of 34; weights
    start from PyTorch's defaults. 2,369,380 parameters and 64,947,264 MACs at 100 classes and 3 x 32 x 32.
    """
    stem, last = scaled(32, width), scaled(1280, width)
    block = partial(Inverted, layer=_biased)
    stages = []
    for i, full_width in enumerate((((1, 16, 1),), ((6, 24, 2),), ((6, 32, 3),), (*STAGES[2], *STAGES[3]))):
        groups = [(expansion, scaled(out, width), count) for expansion, out, count in full_width]
        stages.append(Stage(partial(inverted_stage, groups, block=block), groups[-1][1], stride=2 if i else 1))
    neck = Stage(partial(_biased_neck, last), last)
    first = nn.Sequential(nn.Conv2d(channels, stem, 1, padding=1), nn.BatchNorm2d(stem), nn.ReLU6())
    return Network(first, stem, stages, num_classes, neck=neck, init=False)


MOBILENETS: dict[str, Callable[..., Network]] = {
    # Both have 812,836 parameters at 100 classes
    "mobilenet_v2_half": partial(_half, 2),  # CRD's: 6,523,648 MACs at 3 x 32 x 32
    "mobilenet_v2_half_highres": partial(_half, 1),  # HSAKD's: 25,710,592
    "mobilenet_v2_cifar": mobilenet_v2_cifar,
}
