"""Operations on the values of pixels, each by itself: brightness, contrast, colour."""

import torch
from torch import Tensor

from .helpers import change_some, per_image

LUMINANCE = (0.2989, 0.587, 0.114)  # red, green, blue, as torchvision rounds ITU-R BT.601


def _luminance(x: Tensor) -> Tensor:
    """How bright a pixel looks: (B, 3, H, W) -> (B, 1, H, W)."""
    red, green, blue = x.split(1, 1)
    return red.mul(LUMINANCE[0]).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Brighter or darker: factor * x, clamped to [0, 1]. 0 gives black, 1 the image. (adjust_brightness)"""
    return x.mul(per_image(factor)).clamp_(0, 1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Away from, or towards, an even grey: factor * x + (1 - factor) * (mean luminance of the image), clamped.

    0 gives an even grey, 1 the image. (adjust_contrast)
    """
    mean = x.mean((2, 3), keepdim=True)
    mean = mean if x.shape[1] == 1 else _luminance(mean)
    return x.mul(per_image(factor)).add_(mean * per_image(1 - factor)).clamp_(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """More or less colourful: factor * x + (1 - factor) * luminance, clamped; one channel stays as it is.

    0 gives a grey image, 1 the image. (adjust_saturation)
    """
    if x.shape[1] == 1:
        return x
    return x.mul(per_image(factor)).add_(_luminance(x).mul_(per_image(1 - factor))).clamp_(0, 1)


def hue(x: Tensor, factor: Tensor) -> Tensor:
    """Turn all colours round the colour wheel by `factor` in [-0.5, 0.5] of a full turn; one channel stays as it is.

    The hue is that of HSV. 1/3 makes red green, 0 gives the image. (adjust_hue)
    """
    if x.shape[1] == 1:
        return x
    red, green, blue = x.split(1, 1)
    high, low = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    chroma = high - low
    # From red (0) to cyan (half a turn) green + blue - red rises by one chroma per sixth of a turn, on the side of
    # green as on that of blue: no need to tell the six cases apart. A grey pixel has no chroma, and no hue to divide
    from_red = (green + blue).sub_(red).sub_(low).div_(chroma.clamp(min=1e-12)).add_(1).div_(6)
    turns = from_red.copysign_(green - blue).add_(per_image(factor))
    # A channel is high up to a sixth of a turn from its own hue, low beyond two sixths; one turn more for frac's sake,
    # which keeps the sign
    around = turns + torch.tensor([1, 5 / 3, 4 / 3], device=x.device).view(3, 1, 1)
    return around.frac_().sub_(0.5).abs_().mul_(6).sub_(1).clamp_(0, 1).mul_(chroma).add_(low)


JITTER = (brightness, contrast, saturation, hue)


def jitter(
    x: Tensor,
    brightness: Tensor | None,
    contrast: Tensor | None,
    saturation: Tensor | None,
    hue: Tensor | None,
    order: Tensor,
    on: Tensor | None = None,
) -> Tensor:
    """The four operations above, each image in its own order. (ColorJitter)

    `order` (B, 4) holds permutations of 0 brightness, 1 contrast, 2 saturation, 3 hue. A factor of None leaves its
    operation out; images where `on` is false stay as they are.
    """
    factors = (brightness, contrast, saturation, hue)
    # Saturation and hue do nothing to one channel
    active = {op: factor for op, factor in enumerate(factors) if factor is not None and (op < 2 or x.shape[1] == 3)}
    if not active:
        return x
    order = order[torch.isin(order, torch.tensor(list(active), device=x.device))].view(len(x), len(active))
    if on is not None:
        order = order.masked_fill(~on[:, None], -1)
    x = x.clone()
    for step in order.unbind(1):
        for op, factor in active.items():
            rows = (step == op).nonzero()[:, 0]
            x.index_copy_(0, rows, JITTER[op](x.index_select(0, rows), factor.index_select(0, rows)))
    return x


def greyscale(x: Tensor, on: Tensor) -> Tensor:
    """The luminance in all three channels where `on`; one channel stays as it is. (rgb_to_grayscale)"""
    return x if x.shape[1] == 1 else change_some(x, on, lambda images: _luminance(images).expand_as(images))


def solarize(x: Tensor, threshold: Tensor, on: Tensor) -> Tensor:
    """A negative of the bright parts: 1 - x for the values that reach `threshold`, where `on`. (solarize)"""
    return change_some(x, on, lambda images, t: torch.where(images >= per_image(t), 1 - images, images), threshold)
