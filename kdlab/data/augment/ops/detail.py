"""Operations that take detail away: blurring, and erasing rectangles."""

import torch
from torch import Tensor

from .helpers import change_some, weigh_pixels


def blur(x: Tensor, sigma: Tensor, on: Tensor, kernel_size: int) -> Tensor:
    """Every pixel becomes a mean of its neighbours, weighed by a Gaussian of `sigma` pixels, where `on`.

    The neighbours are those of an odd `kernel_size` < 2 min(H, W), with the edges reflected. (gaussian_blur)
    """
    offsets = torch.arange(kernel_size, device=x.device) - kernel_size // 2

    def smooth(images: Tensor, sigma: Tensor) -> Tensor:
        kernel = (-0.5 * (offsets / sigma[:, None]) ** 2).softmax(1)
        vertical, horizontal = (_reflected(kernel, offsets, n) for n in images.shape[2:])
        return weigh_pixels(images, vertical, horizontal)

    return change_some(x, on, smooth, sigma)


def _reflected(kernel: Tensor, offsets: Tensor, n: int) -> Tensor:
    """(B, n, n): correlation with `kernel` (B, K) at `offsets` (K,) along n pixels that are reflected at both ends."""
    pixels = torch.arange(n, device=kernel.device)
    read = (pixels + offsets[:, None]).abs()
    read = torch.minimum(read, 2 * (n - 1) - read)
    return (kernel @ (read[:, :, None] == pixels).view(len(offsets), -1).to(kernel)).view(-1, n, n)


def erase(
    x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, on: Tensor, value: float = 0.0
) -> Tensor:
    """`value` in the rectangle of `height` x `width` pixels at `top`, `left` (integers), where `on`. (erase)"""

    def inside(start: Tensor, length: Tensor, n: int) -> Tensor:
        position = torch.arange(n, device=x.device) - start[:, None]
        return (position >= 0) & (position < length[:, None])

    rows, columns = inside(top, height * on, x.shape[2]), inside(left, width, x.shape[3])
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], value)


def cutout(x: Tensor, row: Tensor, column: Tensor, side: int) -> Tensor:
    """Zeros in the square of `side` pixels centred at integers `row`, `column`, cut at the border; any values of x.

    On normalised images zero is the mean colour. As in the code of DeVries and Taylor 2017 the square reaches side // 2
    to both sides: an odd `side` is one pixel shorter.
    """
    length = torch.full_like(row, side // 2 * 2)
    return erase(x, row - side // 2, column - side // 2, length, length, torch.ones_like(row, dtype=torch.bool))
