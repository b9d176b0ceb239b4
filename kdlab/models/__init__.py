"""Networks, by name."""

from collections.abc import Callable

import torch

from ..errors import lookup
from .base import Features, Network, Stage, evaluating, parameter_count
from .branches import Branch, BranchOutput, branches
from .litenet import litenet_dsc
from .resnet import resnet18

MODELS: dict[str, Callable[..., Network]] = {"litenet_dsc": litenet_dsc, "resnet18": resnet18}


def build(name: str, num_classes: int, channels: int = 3, width: float = 1.0, seed: int = 0) -> Network:
    """A freshly initialised network; the same seed gives the same weights, and the global generator is left alone."""
    make = lookup("model", name, MODELS)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make(num_classes=num_classes, channels=channels, width=width)


__all__ = [
    "MODELS", "Branch", "BranchOutput", "Features", "Network", "Stage", "branches", "build", "evaluating",
    "parameter_count",
]  # fmt: skip
