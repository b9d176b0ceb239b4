"""Self-supervised training: two views, a projection head, momentum copies.

SimCLR, MoCo, BYOL and MOKD share it.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..base import Method


class SelfSupervised(Method):
    """Features from two views of every training image, labelled or not.

    A subclass makes `projector`.
    """

    learns_from = "two views without labels"
    views = ("strong", "second")
    sampling = "all"
    trains_head = False
    keeps = ("projector",)
    projector: nn.Sequential

    def embed(self, x: Tensor) -> Tensor:
        """Return the projections (B, D) of one view's pooled features."""
        return self.projector(self.model.features(x).pooled)


Module = TypeVar("Module", bound=nn.Module)


def momentum_copy(module: Module) -> Module:
    """Copy a module with weights and batch statistics; no gradient trains the copy."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, momentum: float, buffers: bool = False) -> None:
    """target <- momentum * target + (1 - momentum) * source, for the parameters.

    Buffers stay the target's own, as in MoCo and BYOL, whose targets run in train mode and gather batch statistics
    themselves; `buffers=True` copies them from the source, for a target that stays in eval mode.
    """
    target_weights: list[Tensor] = list(target.parameters())
    source_weights: list[Tensor] = list(source.parameters())
    torch._foreach_lerp_(target_weights, source_weights, 1 - momentum)
    if buffers:
        for buffer, latest in zip(target.buffers(), source.buffers(), strict=True):
            buffer.copy_(latest)
