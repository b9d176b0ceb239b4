"""Momentum copies of a module: the key encoder of MoCo, the target of BYOL, an averaged student."""

import copy

import torch
from torch import nn


def momentum_copy(module: nn.Module) -> nn.Module:
    """A copy with the same weights and batch statistics that no gradient trains."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, momentum: float, buffers: bool = False) -> None:
    """target <- momentum * target + (1 - momentum) * source, for the parameters.

    Buffers stay the target's own, as in MoCo and BYOL, whose targets run in train mode and gather batch statistics
    themselves; `buffers=True` copies them from the source, for a target that stays in eval mode.
    """
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), 1 - momentum)
    if buffers:
        for own, new in zip(target.buffers(), source.buffers(), strict=True):
            own.copy_(new)
