"""A trained network that is shown images normalised by other numbers than its own."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .base import Network


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
    twin.__dict__["_modules"] = dict(net._modules)
    twin.stem = nn.Sequential(Renormalised(mean, std, net.mean, net.std).to(next(net.parameters()).device), net.stem)
    return twin
