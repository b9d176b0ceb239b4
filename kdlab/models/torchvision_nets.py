"""torchvision's ImageNet networks as stages, one per resolution.

Their ImageNet weights are loaded on demand.

Every stem halves the side of the image, the ResNets' and ShuffleNetV2's twice. The networks are torchvision's layer by
layer, so that its weights fit.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ..core.errors import Error, known
from .base import Network, Stage, conv_bn_relu, scaled
from .mobilenet import inverted_stage
from .resnet import Basic, Block, Bottleneck, residual_stages
from .shufflenet import pointwise, split_stage

# (expansion, channels, layers) of each group of inverted residuals, stage by stage; every stage but the first halves
MOBILENET_V2 = (
    ((1, 16, 1),),
    ((6, 24, 2),),
    ((6, 32, 3),),
    ((6, 64, 4), (6, 96, 3)),
    ((6, 160, 3), (6, 320, 1)),
)
# (expansion, kernel, channels, layers) of each group of MBConv blocks
EFFICIENTNET_B0 = (
    ((1, 3, 16, 1),),
    ((6, 3, 24, 2),),
    ((6, 5, 40, 2),),
    ((6, 3, 80, 3), (6, 5, 112, 3)),
    ((6, 5, 192, 4), (6, 3, 320, 1)),
)


def _fit(channels: int, width: float) -> int:
    """Multiply `channels` by `width`, to a multiple of 8, as torchvision does."""
    from torchvision.models.efficientnet import MBConvConfig

    return MBConvConfig.adjust_channels(channels, width)


def mobilenet_v2(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """MobileNetV2 (Sandler et al. 2018): inverted residuals in five stages,
    16-24-32-96-320 channels, a neck of 1280.

    The map of a stage is a linear bottleneck's, without a ReLU.
    2,236,682 parameters and 55,021,952 MACs at 10 classes and 3 x 96 x 96.
    """
    from torchvision.models.mobilenetv2 import InvertedResidual

    first, last = _fit(32, width), _fit(1280, max(1.0, width))
    stages = []
    for i, full_width in enumerate(MOBILENET_V2):
        groups = [(expansion, _fit(out, width), count) for expansion, out, count in full_width]
        stages.append(
            Stage(partial(inverted_stage, groups, block=InvertedResidual), groups[-1][1], stride=2 if i else 1)
        )
    return _light(channels, first, stages, last, num_classes, nn.ReLU6)


def _mbconv(
    groups: Sequence[tuple[int, int, int, int]], dropped: Sequence[float], inp: int, stride: int
) -> nn.Sequential:
    """Build MBConv blocks, of which block i is dropped with probability `dropped[i]`.

    A dropped block is left out of a training step.
    """
    from torchvision.models.efficientnet import MBConv, MBConvConfig

    blocks: list[nn.Module] = []
    for expansion, kernel, out, count in groups:
        for _ in range(count):
            config = MBConvConfig(expansion, kernel, stride, inp, out, 1)
            blocks.append(MBConv(config, dropped[len(blocks)], nn.BatchNorm2d))
            inp, stride = out, 1
    return nn.Sequential(*blocks)


def efficientnet_b0(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """EfficientNet-B0 (Tan and Le 2019): five stages of MBConv blocks,
    16-24-40-112-320 channels, and a neck of 1280.

    In training a block is left out with a probability that grows from 0 to nearly 0.2 (stochastic depth); stages end
    without an activation.
    4,020,358 parameters and 71,153,632 MACs at 10 classes and 3 x 96 x 96.
    """
    first, last = _fit(32, width), 4 * _fit(320, width)
    stages, done = [], 0
    for i, full_width in enumerate(EFFICIENTNET_B0):
        groups = [(expansion, kernel, _fit(out, width), count) for expansion, kernel, out, count in full_width]
        count = sum(group[-1] for group in groups)
        dropped = [0.2 * block / 16 for block in range(done, done + count)]  # of 16 blocks in all
        stages.append(Stage(partial(_mbconv, groups, dropped), groups[-1][2], stride=2 if i else 1))
        done += count
    return _light(channels, first, stages, last, num_classes, nn.SiLU)


def _neck(out: int, activation: Callable[..., nn.Module], inp: int, stride: int) -> nn.Module:
    return nn.Sequential(*conv_bn_relu(inp, out, 1, stride)[:2], activation(inplace=True))


def _light(
    channels: int,
    first: int,
    stages: Sequence[Stage],
    last: int,
    num_classes: int,
    activation: Callable[..., nn.Module],
) -> Network:
    """Build what MobileNetV2 and EfficientNet share: stem, 1 x 1 neck, dropout 0.2.

    The head starts from PyTorch's default, as one does that is put in the place of torchvision's, which it is for any
    number of classes but ImageNet's.
    """
    stem = nn.Sequential(*conv_bn_relu(channels, first, 3, 2)[:2], activation(inplace=True))
    return Network(stem, first, stages, num_classes, neck=Stage(partial(_neck, last, activation), last), dropout=0.2)


def _stem(channels: int, out: int, kernel: int) -> nn.Sequential:
    """Convolution and max-pooling, each of stride 2: a quarter of the side is left."""
    return nn.Sequential(*conv_bn_relu(channels, out, kernel, 2), nn.MaxPool2d(3, 2, padding=1))


def _resnet(block: Block, counts: Sequence[int], num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    planes = [scaled(c, width) for c in (64, 128, 256, 512)]
    return Network(_stem(channels, planes[0], 7), planes[0], residual_stages(block, planes, counts), num_classes)


def shufflenet_v2_x1_0(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
    """ShuffleNetV2 1x (Ma et al. 2018): 116-232-464 channels in stages of 4, 8 and 4
    units, a neck of 1024.

    torchvision leaves the initial weights at PyTorch's defaults.
    """
    first, *outs, last = (scaled(c, width) for c in (24, 116, 232, 464, 1024))
    stages = [Stage(partial(split_stage, out, n), out, stride=2) for out, n in zip(outs, (4, 8, 4), strict=True)]
    neck = Stage(partial(pointwise, last), last)
    return Network(_stem(channels, first, 3), first, stages, num_classes, neck=neck, init=False)


TORCHVISION: dict[str, Callable[..., Network]] = {
    "mobilenet_v2": mobilenet_v2,
    "efficientnet_b0": efficientnet_b0,
    "resnet18_imagenet": partial(_resnet, Basic, (2, 2, 2, 2)),
    "resnet34_imagenet": partial(_resnet, Basic, (3, 4, 6, 3)),
    "resnet50_imagenet": partial(_resnet, Bottleneck, (3, 4, 6, 3)),
    "shufflenet_v2_x1_0": shufflenet_v2_x1_0,
}


def imagenet_weights(name: str, channels: int, width: float) -> dict[str, Tensor]:
    """Return torchvision's first ImageNet weights of `name` (IMAGENET1K_V1).

    They have torchvision's names, and are downloaded once.

    The first, because the scripts of their time, SS-KD's among them, loaded these by `pretrained=True`.

    An `Error` where there are none for this network, where they cannot be downloaded, or where a file that is there
    already is another one: it is neither trusted nor read.
    """
    known("network with ImageNet weights", name, TORCHVISION)
    if channels != 3 or width != 1:
        raise Error(f"ImageNet weights are for 3 channels and width 1, not for {channels} and {width:g}")
    from torchvision.models import get_model_weights

    weights = get_model_weights(name.removesuffix("_imagenet"))["IMAGENET1K_V1"]
    file = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    if file.exists():  # torch asks a download alone for its hash
        _check_file(file)
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError):
        raise Error(f"the ImageNet weights of {name} could not be downloaded: put them at {file}") from None


def _check_file(file: Path) -> None:
    """Check a file's SHA-256 against the end of its name, as in resnet18-5c106cde.pth.

    A file that fails is an `Error`.
    """
    named = file.stem.rpartition("-")[2]
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise Error(f"{file} cannot be read ({error.strerror}): remove it, it is downloaded anew") from None
    if not digest.startswith(named):
        raise Error(
            f"{file} is not what torchvision offers: its SHA-256 begins with {digest[: len(named)]}, not {named}; "
            "remove it, it is downloaded anew"
        )


def load_imagenet(net: Network, name: str, weights: dict[str, Tensor]) -> None:
    """Lay torchvision's weights over the network, in place.

    Over the head only where it has as many classes, 1,000.

    They are matched by position: both networks hold their tensors in the same order, under other names.
    """
    from torchvision.models import get_model

    with torch.device("meta"):
        their_names = get_model(name.removesuffix("_imagenet")).state_dict()
    state = net.state_dict()
    for name_here, name_there in zip(state, their_names, strict=True):
        fits = not name_here.startswith("head.") or weights[name_there].shape == state[name_here].shape
        if fits and not name_here.endswith("num_batches_tracked"):  # older files lack the counters
            state[name_here] = weights[name_there]
    net.load_state_dict(state)
