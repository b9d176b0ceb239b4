"""Auxiliary branches behind every stage: HSAKD (Yang et al., IJCAI 2021), and what is built on it."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from ..errors import Error
from .base import Network, Stage, full, kaiming


class BranchOutput(NamedTuple):
    """What a branch says of a stage's map."""

    pooled: Tensor  # (B, D), D the network's feature width
    logits: Tensor  # (B, outputs)


class Branch(nn.Module):
    """Stages, a neck, global average pooling and a linear classifier behind a stage's map of `inp` channels."""

    def __init__(self, inp: int, stages: Sequence[Stage], neck: Stage | None, outputs: int):
        super().__init__()
        built = []
        for stage in (*stages, neck) if neck else stages:
            built.append(stage.build(inp, stage.stride))
            inp = stage.width
        self.body, self.head = nn.Sequential(*built), nn.Linear(inp, outputs)
        kaiming(self)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> BranchOutput:
        pooled = full(self.body(x).mean((2, 3)))
        return BranchOutput(pooled, full(self.head(pooled)))


def branches(net: Network, outputs: int) -> nn.ModuleList:
    """One `Branch` per stage of `net`: maps of stage i -> `BranchOutput(pooled, logits)`, with `outputs` logits.

    A branch is a copy of the stages that remain, with fresh weights; behind the last stage stands one more copy of
    that stage at stride 1. The copy of a neck (WRN's last BN and ReLU, a light network's last 1 x 1 convolution) is
    each branch's own. ResNet-18 and four branches of 400 outputs: 40,168,256 parameters in the branches.
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
