"""Networks from ready modules: one function, and one line in `MODELS`.

    def tiny(num_classes: int, channels: int = 3, width: float = 1.0) -> Network:
        a, b, c = (scaled(n, width) for n in (16, 32, 64))
        stem = nn.Sequential(*conv_bn_relu(channels, a, 3))
        stages = [nn.Sequential(*conv_bn_relu(i, o, 3, stride=2)) for i, o in ((a, b), (b, c))]
        return from_stages(stem, stages, num_classes, channels)

A network that exists already comes in through `from_module`. Where a module does not say what comes before its last
ReLU (see `unactivated`), its map stands for it.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core.errors import Error, known
from .base import Network, Stage, conv_bn_relu, evaluating, fresh_copy, kaiming


def from_stages(
    stem: nn.Module,
    stages: Sequence[nn.Module],
    num_classes: int,
    channels: int = 3,
    *,
    neck: nn.Module | None = None,
    dropout: float = 0.0,
    init: bool = True,
) -> Network:
    """Build a network of ready modules: a stem, stages, and a neck if there is one.

    Each goes from a map (B, C, H, W) to a map.

    Pooling and the linear head are added. The stem must take `channels` channels, and the whole images from 8 x 8 up.
    The channels of the maps are found by a forward pass. No part may change its input in place, which is a map of the
    one before. Weights start as in `Network`, or with `init=False` as they are; `branches` copies stages by `again`.
    """
    parts = [stem, *stages, *([] if neck is None else [neck])]
    trace(parts, channels, side=8)
    maps = trace(parts, channels, side=64)  # large enough to show the strides of five halvings
    plans = [
        Stage(partial(again, part, a.shape[1]), b.shape[1], max(1, round(a.shape[2] / b.shape[2])))
        for part, (a, b) in zip(parts[1:], pairwise(maps), strict=True)
    ]
    last = None if neck is None else plans.pop()
    net = Network(stem, maps[0].shape[1], plans, num_classes, neck=last, dropout=dropout, init=False)
    net.stages = nn.ModuleList(stages)  # the modules themselves, where Network has built copies
    net.neck = nn.Identity() if neck is None else neck
    if init:
        kaiming(net)
    return net


def from_module(module: nn.Module, stages: Sequence[str], num_classes: int | None = None, channels: int = 3) -> Network:
    """Cut a network, weights and all, from a module that calls its children in order.

    torchvision's ResNets are such.

    `stages` names the children that end a stage: ("layer1", "layer2", "layer3", "layer4"). What comes before the first
    is the stem, what stands between two belongs to the later one. Behind the last, dropout and the linear head are kept
    (a new head for `num_classes`), pooling becomes the network's own, and other layers are the neck. An `Error` if that
    gives other logits than the module, whose `forward` then does more than call its children.
    """
    names, children = [name for name, _ in module.named_children()], list(module.children())
    ends = sorted(names.index(known("child of the module", name, names)) + 1 for name in stages)
    stem, *middle, tail = (nn.Sequential(*children[a:b]) for a, b in pairwise([0, ends[0] - 1, *ends, len(names)]))
    *rest, head = (layer for layer in tail.modules() if not list(layer.children()))
    neck = [layer for layer in rest if not isinstance(layer, nn.Dropout | nn.AdaptiveAvgPool2d | nn.Flatten)]
    last, dropout = nn.Sequential(*neck) if neck else None, sum(m.p for m in rest if isinstance(m, nn.Dropout))
    if not isinstance(head, nn.Linear):
        raise Error(f"{type(module).__name__} does not end in a linear layer: build it by from_stages")
    net = from_stages(stem, middle, head.out_features, channels, neck=last, dropout=dropout, init=False)
    net.head = head
    image, logits = torch.linspace(-1, 1, channels * 64 * 64).view(1, channels, 64, 64), []
    for each in (module, net):
        with evaluating(each) as device:
            logits.append(each(image.to(device)))
    # On the meta device, which has no numbers, both agree
    if not (image.is_meta or torch.allclose(logits[0], logits[1], rtol=1e-4, atol=1e-5)):
        raise Error(f"{type(module).__name__} does more than call its children in order: build it by from_stages")
    if num_classes is not None:
        net.head, net.num_classes = nn.Linear(net.feature_width, num_classes), num_classes
    return net


def trace(parts: Sequence[nn.Module], channels: int, side: int) -> list[Tensor]:
    """Return the maps (1, C, H, W) behind every part for one image of zeros.

    An image that does not pass is an `Error`.
    """
    maps, what = [], f"images of {channels} x {side} x {side}"
    with evaluating(nn.ModuleList(parts)) as device:
        x = torch.zeros(1, channels, side, side, device=device)
        for i, part in enumerate(parts):
            where = f"stage {i}" if i else "the stem"
            try:
                x = part(x)
            except (RuntimeError, ValueError) as error:
                raise Error(f"{what} do not pass {where}: {error}") from error
            if x.ndim != 4:
                raise Error(f"{what} leave {where} as {tuple(x.shape)}: it must give a map (B, C, H, W)")
            maps.append(x)
    return maps


def again(part: nn.Module, takes: int, inp: int, stride: int) -> nn.Module:
    """Copy `part` with fresh weights, for maps of `inp` channels.

    It keeps their size if `stride` is 1.

    For that, convolutions step by one pixel and pools do nothing. A part cannot be made wider: where it `takes` other
    channels than `inp`, as behind the last stage, a 1 x 1 convolution, batch norm and ReLU come before it.
    """
    twin = fresh_copy(part)
    for layer in twin.modules() if stride == 1 else ():
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d) and layer.stride != 1:
            layer.kernel_size, layer.stride, layer.padding = 1, 1, 0
    return twin if inp == takes else nn.Sequential(*conv_bn_relu(inp, takes, 1), twin)
