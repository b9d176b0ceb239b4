"""What several operations share: parameters that broadcast, changing some images only, and weighing pixels."""

from collections.abc import Callable

from torch import Tensor


def per_image(parameter: Tensor) -> Tensor:
    """A parameter (B,) as (B, 1, 1, 1), which broadcasts against images (B, C, H, W)."""
    return parameter.view(-1, 1, 1, 1)


def change_some(x: Tensor, on: Tensor, op: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
    """Images x (B, C, H, W) with `op(images, *parameters)` where `on`, a bool (B,); the others cost only a copy."""
    rows = on.nonzero()[:, 0]
    return x.index_copy(0, rows, op(*(each.index_select(0, rows) for each in (x, *parameters))))


def weigh_pixels(x: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Every pixel becomes a weighted mean, first along its row, then along its column.

    vertical @ image @ horizontal^T for images (B, C, H, W) and weights (B, H, H) and (B, W, W): row i of a matrix holds
    the weights of the pixels that output i reads, which sum to 1.
    """
    rows = x.flatten(1, 2) @ horizontal.mT  # the channels of an image share one product; there may be no image
    return (vertical[:, None] @ rows.view(x.shape)).clamp_(0, 1)  # sums of weights are 1 but for rounding
