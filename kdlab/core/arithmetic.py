"""Arithmetic of the losses, in single precision at least.

Half precision has two or three decimal digits: too few for norms, logarithms, ranks and differences of near-equal
numbers. In bfloat16 cos(x, x) came out as 1.0078. Tensors in float32 and float64 stay as they are, bit by bit.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def full(x: Tensor) -> Tensor:
    """Return `x`, in float32 if it was in half precision.

    For one, a KL divergence of half-precision logits may come out below 0.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product of `full` a and b.

    Also inside autocast, which would round a, b and the product to half.
    """
    with torch.autocast("cpu" if a.is_meta else a.device.type, enabled=False):  # the meta device knows no autocast
        return full(a) @ full(b)


def total(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of tensors of equal shape, on their device; 0 of none."""
    return sum(terms, torch.zeros(()))
