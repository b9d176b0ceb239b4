"""The contract of a network: `net(x)` gives logits, `net.features(x)` the rest.

Every network is a row of parts: a stem, stages, an optional neck, the mean over positions, dropout, a linear head.

    images -> stem -> stage 1 -> ... -> stage n -> neck -> mean -> dropout -> head -> logits
                         |                 |                 |
                       map 1             map n            pooled
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
import torch.fx
from torch import Tensor, nn

from ..core.arithmetic import full

Module = TypeVar("Module", bound=nn.Module)
torch.fx.wrap("full")  # one step for whoever traces a network, not a choice


class Features(NamedTuple):
    """What a network shows of itself for one batch."""

    maps: tuple[Tensor, ...]  # one (B, C_i, H_i, W_i) per stage, after the stage's last operation
    pooled: Tensor  # (B, D), what the classifier reads
    logits: Tensor  # (B, classes)


class Stage(NamedTuple):
    """A blueprint of a stage or a neck, for branches that build it again.

    Their weights are fresh.
    """

    build: Callable[[int, int], nn.Module]  # (channels of the incoming map, stride) -> module
    width: int  # channels of its map
    stride: int = 1


class Network(nn.Module):
    """A stem, stages, an optional neck, average pooling, dropout, a linear head.

    Pooling is over all positions, and dropout optional.

    `stem` is a module whose map has `stem_width` channels; the stages and the neck are blueprints, which are built
    here. Networks take images of 1 or 3 channels and of any size from 8 x 8 up.

    Beside its modules a network has numbers: `stem_width`, `widths` (the channels of each stage's map),
    `feature_width` (the length of the pooled vector), `num_classes`. And it keeps its blueprints, for `branches`:
    `blueprints`, `neck_blueprint`, and `extra`, the one stage of the last auxiliary branch, which is the last stage at
    stride 1. `classes`, `mean` and `std` are those of the data set that it is trained on, where a run has made it: a
    network belongs to the numbers by which its images were normalised.

    Convolutions start from Kaiming's normal distribution (fan-out, ReLU) with biases 0, batch norms from (1, 0), the
    head from PyTorch's default, as in RepDistiller's ResNets; `init=False` keeps what the modules came with. The other
    networks of the benchmark follow its files too: the ShuffleNets keep PyTorch's defaults throughout, heads of VGG,
    MobileNetV2 and WRN start by `start_head`.
    """

    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __init__(
        self,
        stem: nn.Module,
        stem_width: int,
        stages: Sequence[Stage],
        num_classes: int,
        *,
        neck: Stage | None = None,
        dropout: float = 0.0,
        init: bool = True,
    ) -> None:
        super().__init__()
        self.widths, self.stem_width, self.num_classes = tuple(s.width for s in stages), stem_width, num_classes
        self.feature_width = neck.width if neck else self.widths[-1]
        self.blueprints, self.neck_blueprint = tuple(stages), neck
        self.extra = stages[-1]._replace(stride=1)
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
        """Compute `features` from the stem's map (B, C, H, W) on.

        Losses that read that map as well call it.
        """
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        pooled = full(self.neck(x).mean((2, 3)))
        return Features(tuple(maps), pooled, full(self.head(self.dropout(pooled))))

    def preactivations(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return one map per stage as it is before the stage's last ReLU.

        Where a stage ends without one it is the map itself.
        """
        x, maps = self.stem(x), []
        for stage in self.stages:
            before, x = unactivated(stage, x)
            maps.append(before)
        return tuple(maps)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes)."""
        return self.features(x).logits


def start_head(net: Network, std: float | None = None) -> Network:
    """Set the head's biases to 0 and, if `std` is given, draw its weights.

    They are drawn from N(0, std^2). Returns the network.
    """
    nn.init.zeros_(net.head.bias)
    if std is not None:
        nn.init.normal_(net.head.weight, 0, std)
    return net


def unactivated(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return a module's output before its last ReLU, and its output.

    Both are the same where it does not end in a ReLU.

    Looks into `nn.Sequential`. A block of another class that ends in a ReLU says what comes before by a method
    `preactivation(x)`.
    """
    if isinstance(module, nn.Sequential):
        *first, last = module
        for layer in first:
            x = layer(x)
        return unactivated(last, x)
    if isinstance(module, nn.ReLU):
        return x, x.relu()
    if callable(before := getattr(module, "preactivation", None)):
        x = before(x)
        return x, x.relu()
    x = module(x)
    return x, x


def map_shapes(net: Network, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return (channels, height, width) of every stage's map, for images of `shape`.

    Nothing in `net` changes.
    """
    with evaluating(net) as device:
        maps = net.features(torch.zeros(1, *shape, device=device)).maps
        return [(m.shape[1], m.shape[2], m.shape[3]) for m in maps]


def fresh_copy(module: Module) -> Module:
    """Copy a module with other weights, drawn from the global generator.

    It may be a network, a stage or another module.

    Every module in it is asked to `reset_parameters`, as PyTorch's own layers can; convolutions then start as in
    `Network`. A parameter that no such module holds keeps its value.
    """
    twin = copy.deepcopy(module)
    for part in twin.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    kaiming(twin)
    return twin


def kaiming(net: nn.Module) -> None:
    """Convolutions from Kaiming's normal distribution (fan-out, ReLU), their biases 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def scaled(channels: float, width: float, multiple: int = 4) -> int:
    """Multiply `channels` by `width`, to the nearest multiple of 4 (at least 4).

    That keeps kernels aligned.
    """
    return max(multiple, multiple * round(channels * width / multiple))


def conv_bn_relu(inp: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return convolution without bias, batch norm, ReLU, for `nn.Sequential(*...)`."""
    conv = nn.Conv2d(inp, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[torch.device]:
    """Put `net` in eval mode without gradients inside this context.

    It yields the device of `net`, and puts its old mode back.
    """
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            yield next(net.parameters()).device
    finally:
        net.train(training)


def parameter_count(net: nn.Module) -> int:
    """Count trainable and frozen parameters, but no buffers."""
    return sum(p.numel() for p in net.parameters())


class Renormalised(nn.Module):
    """Images (B, C, H, W) normalised by other numbers than they came with.

    The numbers are one mean and deviation a channel.
    """

    scale: Tensor  # (C, 1, 1), as is `shift`
    shift: Tensor

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], new_mean: Sequence[float], new_std: Sequence[float]
    ) -> None:
        super().__init__()
        m, s, new_m, new_s = (
            torch.tensor(n, dtype=torch.float64).view(-1, 1, 1) for n in (mean, std, new_mean, new_std)
        )
        self.register_buffer("scale", (s / new_s).float())
        self.register_buffer("shift", ((m - new_m) / new_s).float())

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the images by the new numbers."""
        return x * self.scale + self.shift


def reading_as(net: Network, mean: Sequence[float], std: Sequence[float]) -> Network:
    """Return a network that reads images normalised by `mean` and `std`.

    It goes on reading them by its own numbers.

    It shares every module, weights that are loaded later included; only its stem begins with one step more. Where the
    numbers are its own it is `net` itself.
    """
    if (tuple(mean), tuple(std)) == (net.mean, net.std):
        return net
    net.eval()  # the two are one network: no mode of one may be put back by the other
    twin = copy.copy(net)
    twin.__dict__["_modules"] = dict(net._modules)  # noqa: SLF001
    twin.stem = nn.Sequential(Renormalised(mean, std, net.mean, net.std).to(next(net.parameters()).device), net.stem)
    return twin
