"""Mixing of two images (CutMix, Yun et al. 2019): a box of one is pasted into the other; any values of pixels."""

import torch
from torch import Tensor


def cutmix_box(
    height: int, width: int, share: Tensor, row: Tensor, column: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A box round `row`, `column` that leaves a `share` of an image of `height` x `width` pixels outside.

    Its sides are int(side * sqrt(1 - share)); as in the authors' code an odd one is one pixel shorter. It is cut at the
    border, and then leaves more than `share`. `share`, `row` and `column` are scalar tensors. Returns top, left, bottom
    and right (integers, half open).
    """
    edges = []
    for centre, side in ((row, height), (column, width)):
        half = (side * (1 - share).sqrt()).long() // 2
        edges.append(((centre - half).clamp(0, side), (centre + half).clamp(0, side)))
    (top, bottom), (left, right) = edges
    return top, left, bottom, right


def cutmix(x: Tensor, partner: Tensor, box: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """`x` (..., B, C, H, W) with the pixels of row `partner` (B,) inside `box`, as `cutmix_box` gives it."""
    top, left, bottom, right = box
    rows, columns = (torch.arange(n, device=x.device) for n in x.shape[-2:])
    inside = ((rows >= top) & (rows < bottom))[:, None] & (columns >= left) & (columns < right)
    return torch.where(inside, x.index_select(x.ndim - 4, partner), x)
