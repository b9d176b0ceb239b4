"""Auxiliary branches behind every stage: HSAKD, and what is built on it.

HSAKD is of Yang et al., IJCAI 2021.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from ..core.arithmetic import full
from ..core.errors import Error
from .base import Network, Stage, kaiming


class BranchOutput(NamedTuple):
    """What a branch makes of a stage's map."""

    pooled: Tensor  # (B, D), D the network's feature width
    logits: Tensor  # (B, outputs)


class Branch(nn.Module):
    """Stages, a neck, average pooling and a linear classifier behind a stage's map.

    The map has `inp` channels.

    `branch(map)` takes (B, inp, H, W) and gives a `BranchOutput` with `outputs` logits. Convolutions start as in
    `Network`, the biases of the classifier at 0.
    """

    def __init__(self, inp: int, stages: Sequence[Stage], neck: Stage | None, outputs: int) -> None:
        super().__init__()
        built = []
        for stage in (*stages, neck) if neck else stages:
            built.append(stage.build(inp, stage.stride))
            inp = stage.width
        self.body, self.head = nn.Sequential(*built), nn.Linear(inp, outputs)
        kaiming(self)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> BranchOutput:
        """Pooled features (B, D) and logits (B, outputs)."""
        pooled = full(self.body(x).mean((2, 3)))
        return BranchOutput(pooled, full(self.head(pooled)))


def branches(net: Network, outputs: int) -> nn.ModuleList:
    """Build a second way from every stage of `net` to an answer.

    There is one `Branch` per stage, which reads that stage's map.

    A branch is a copy of the stages that remain, with fresh weights, then a classifier with `outputs` logits; behind
    the last stage stands one more copy of that stage at stride 1. The copy of a neck (WRN's last BN and ReLU, a light
    network's last 1 x 1 convolution) is each branch's own. The branches belong to a method, for training only: `net`
    does not know them.
    Yang et al. 2021 (HSAKD). For ResNet-18 four branches of 400 outputs have 40,168,256 parameters.
    """
    several_stages(net)
    rests = [net.blueprints[i + 1 :] or (net.extra,) for i in range(len(net.blueprints))]
    return nn.ModuleList(
        Branch(inp, rest, net.neck_blueprint, outputs) for inp, rest in zip(net.widths, rests, strict=True)
    )


def several_stages(net: Network) -> None:
    """Refuse a network of one stage, which has no shallower map to classify."""
    if (count := len(net.widths)) < 2:
        raise Error(f"auxiliary branches need a network with two stages or more, this one has {count}")
