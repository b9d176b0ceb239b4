"""The contract of a network: logits from `net(x)`, everything else from `net.features(x)`."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.fx
from torch import Tensor, nn


class Features(NamedTuple):
    """What a network shows of itself for one batch."""

    maps: tuple[Tensor, ...]  # one (B, C_i, H_i, W_i) per stage, after the stage's last operation
    pooled: Tensor  # (B, D), what the classifier reads
    logits: Tensor  # (B, classes)


class Stage(NamedTuple):
    """How to build a stage or a neck, so that branches can build it again with fresh weights."""

    build: Callable[[int, int], nn.Module]  # (channels of the incoming map, stride) -> module
    width: int  # channels of its map
    stride: int = 1


class Network(nn.Module):
    """A stem, stages, an optional neck, global average pooling, optional dropout, and a linear head.

    `stem_width` holds the channels of the stem's map, `widths` those of each stage's, `feature_width` the length of the
    pooled vector; `blueprints`, `neck_blueprint` and `extra` tell how to build stages again (`extra` is the one stage
    of the last auxiliary branch: the last stage at stride 1 unless given). Networks take images of any size from 8 x 8
    up. Convolutions start from Kaiming's normal distribution (fan-out, ReLU) with biases 0, batch norms from (1, 0), as
    in the official files of the papers' networks; `init=False` keeps what the modules came with.
    """

    def __init__(
        self, stem: nn.Module, stem_width: int, stages: Sequence[Stage], num_classes: int, *,
        neck: Stage | None = None, extra: Stage | None = None, dropout: float = 0.0, init: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.widths, self.stem_width, self.num_classes = tuple(s.width for s in stages), stem_width, num_classes
        self.feature_width = neck.width if neck else self.widths[-1]
        self.blueprints, self.neck_blueprint = tuple(stages), neck
        self.extra = extra or stages[-1]._replace(stride=1)
        inputs = (stem_width, *self.widths[:-1])
        self.stem = stem
        self.stages = nn.ModuleList(s.build(inp, s.stride) for inp, s in zip(inputs, stages, strict=True))
        self.neck = neck.build(self.widths[-1], neck.stride) if neck else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.feature_width, num_classes)
        if init:
            kaiming(self)

    def features(self, x: Tensor) -> Features:
        """Stage maps, pooled vector and logits of images (B, C, H, W)."""
        return self.features_after_stem(self.stem(x))

    def features_after_stem(self, x: Tensor) -> Features:
        """`features` from the stem's map (B, C, H, W) on, for losses that read that map as well."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        pooled = full(self.neck(x).mean((2, 3)))
        return Features(tuple(maps), pooled, full(self.head(self.dropout(pooled))))

    def preactivations(self, x: Tensor) -> tuple[Tensor, ...]:
        """One map per stage as it is before the stage's last ReLU; the map itself where a stage ends without one."""
        x, maps = self.stem(x), []
        for stage in self.stages:
            before, x = unactivated(stage, x)
            maps.append(before)
        return tuple(maps)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes)."""
        return self.features(x).logits


@torch.fx.wrap  # one step for whoever traces a network, not a choice
def full(x: Tensor) -> Tensor:
    """At least single precision: a KL divergence of half-precision logits may come out below 0."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def unactivated(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """A module's output before its last ReLU, and its output; both the same where it does not end in a ReLU.

    A block that ends in a ReLU says what comes before by a method `preactivation`.
    """
    if isinstance(module, nn.Sequential):
        *first, last = module
        for layer in first:
            x = layer(x)
        return unactivated(last, x)
    if isinstance(module, nn.ReLU):
        return x, x.relu()
    if hasattr(module, "preactivation"):
        x = module.preactivation(x)
        return x, x.relu()
    x = module(x)
    return x, x


def map_shapes(net: Network, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """(channels, height, width) of every stage's map, for images of `shape`; nothing in `net` changes."""
    with evaluating(net) as device:
        return [tuple(m.shape[1:]) for m in net.features(torch.zeros(1, *shape, device=device)).maps]


def fresh_copy(net: Network) -> Network:
    """The same architecture with other weights, drawn from the global generator."""
    twin = copy.deepcopy(net)
    for module in twin.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    kaiming(twin)
    return twin


def kaiming(net: nn.Module) -> None:
    """Convolutions from Kaiming's normal distribution (fan-out, ReLU), their biases 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def scaled(channels: int, width: float, multiple: int = 4) -> int:
    """`channels` times the width multiplier, to the nearest multiple of 4 (at least 4), to keep kernels aligned."""
    return max(multiple, multiple * round(channels * width / multiple))


def conv_bn_relu(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution without bias, batch norm, ReLU: the layers, for `nn.Sequential(*...)`."""
    conv = nn.Conv2d(inp, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[torch.device]:
    """Eval mode without gradients inside, the mode it was in afterwards; yields the network's device."""
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            yield next(net.parameters()).device
    finally:
        net.train(training)


def parameter_count(net: nn.Module) -> int:
    """Number of trainable and frozen parameters (buffers not counted)."""
    return sum(p.numel() for p in net.parameters())
