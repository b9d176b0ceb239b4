"""Whether what a method keeps for every image fits into memory, asked before any of it is allocated."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from ..core.errors import Error
from ..data import installed_memory, memory_limit
from ..methods import METHODS, Method

MANY = 10_000  # images; below them no table is large
FEW, MORE = 100, 300  # images that are enough to see how what is kept grows with them


def check_room(name: str, make: Callable[[Tensor], Method], labels: Tensor, device: torch.device | str) -> None:
    """Say how large the tables of method `name` become for images with these labels (n,), if they are large.

    `make(labels)` makes the method. What it keeps is linear in n: one small one tells that it can only be little, or
    two how much it is. An `Error` where it is more than the device has, with what the method offers `instead`.
    """
    if len(labels) <= MANY:
        return

    def held(count: int) -> float:
        return make(labels[:: len(labels) // count][:count]).held_megabytes

    gpu = torch.device(device).type == "cuda"
    there = (torch.cuda.get_device_properties(device).total_memory if gpu else installed_memory()) / 1e6
    few, limit = held(FEW), memory_limit() / 1e6
    if few / FEW * len(labels) <= min(limit, there):
        return
    needed = few + (held(MORE) - few) / (MORE - FEW) * (len(labels) - FEW)
    instead = f": {METHODS[name].instead}" if METHODS[name].instead else ""
    told = f"{name} keeps {needed:,.0f} MB beside the network for {len(labels):,} images"
    if needed > there:
        raise Error(f"{told}, and {device} has {there:,.0f}{instead or ', give it fewer images'}")
    if needed > limit:
        warnings.warn(told + instead, stacklevel=2)
