"""Batched image operations, with parameters for every image and no random draws.

Images are float tensors (B, C, H, W) in [0, 1] with C = 1 or 3; parameters are tensors (B,) on the same device. Each
function computes for every image what the torchvision function named at the end of its docstring computes, stays in
[0, 1], and leaves its input as it was. None waits for the device.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import Error

Box = tuple[Tensor, Tensor, Tensor, Tensor]  # integers: top, left, and height and width or bottom and right
LUMINANCE = (0.2989, 0.587, 0.114)  # red, green, blue, as torchvision rounds ITU-R BT.601

# Geometry: pixels move


def hflip(x: Tensor) -> Tensor:
    """Swap left and right. Any dtype. (horizontal_flip)"""
    return x.flip(3)


def pad_crop(x: Tensor, top: Tensor, left: Tensor, flip: Tensor | None = None, *, padding: int) -> Tensor:
    """Shift an image by up to `padding` pixels, with zeros from outside; any dtype.

    Swaps left and right where `flip`, pads with `padding` zeros on all sides, then crops H x W at integers `top`,
    `left` in [0, 2 padding]. (pad, crop)
    """
    B, C, H, W = x.shape
    padded = F.pad(x, [padding] * 4)
    rows = top[:, None] + torch.arange(H, device=x.device)
    columns = left[:, None] + torch.arange(W, device=x.device)
    if flip is not None:
        columns = torch.where(flip[:, None], padded.shape[3] - 1 - columns, columns)
    pixels = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).view(B, 1, H * W).expand(B, C, H * W)
    return padded.flatten(2).gather(2, pixels).view(B, C, H, W)


def crop_resize(x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Cut out a box and stretch it to the size of the image, bilinearly.

    The box has `height` x `width` pixels at `top`, `left` (integers). (resized_crop)
    """
    return weigh_pixels(x, _stretch(top, height, x.shape[2]), _stretch(left, width, x.shape[3]))


def _stretch(start: Tensor, length: Tensor, n: int) -> Tensor:
    """Weigh (B, n, n) pixels to stretch [start, start + length) to n.

    Row i weighs the pixels that output i reads.
    """
    pixels = torch.arange(n, device=start.device)
    position = ((pixels + 0.5) * (length / n)[:, None] - 0.5).clamp_(min=0).minimum(length[:, None] - 1)  # in the box
    distance = position[:, :, None] - (pixels - start[:, None])[:, None, :]
    return distance.abs_().neg_().add_(1).clamp_(min=0)


def affine(x: Tensor, matrix: Tensor) -> Tensor:
    """Move every pixel as `matrix` (B, 2, 3) of `affine_matrix` says (affine).

    Bilinear, with zeros from outside. Equal to torchvision with its default fill=None: an explicit fill=0 makes it
    weigh the pixels at the border twice.
    """
    B, _, H, W = x.shape
    # One product for the batch, each coordinate in a plane of its own: a fraction of the time of affine_grid
    columns, rows = (torch.arange(n, device=x.device) - (n - 1) / 2 for n in (W, H))
    centred = torch.stack([columns.expand(H, W), rows[:, None].expand(H, W), columns.new_ones(H, W)]).view(3, H * W)
    grid = (matrix.transpose(0, 1) @ centred).view(2, B, H, W).permute(1, 2, 3, 0)
    return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False).clamp_(0, 1)


def affine_matrix(
    angle: Tensor,
    translate_x: Tensor,
    translate_y: Tensor,
    scale: Tensor,
    shear_x: Tensor,
    shear_y: Tensor,
    height: int,
    width: int,
) -> Tensor:
    """Return where the pixels of images of `height` x `width` are read, (B, 2, 3).

    Shear, scale and rotate about the centre, then translate. Angles are in degrees, positive clockwise; translations
    are in pixels, positive right and down.
    """
    turn, shear_x, shear_y = torch.stack([angle, shear_x, shear_y]).deg2rad_()
    cos, sin = turn.cos(), turn.sin()
    # An output pixel looks back through the inverses of rotation, vertical shear, horizontal shear and scale, in turn
    along_x, along_y = torch.stack([cos, sin]), torch.stack([-sin, cos])
    along_y = along_y.addcmul(shear_y.tan(), along_x)
    along_x = along_x.addcmul(shear_x.tan(), along_y)
    half = torch.tensor([width / 2, height / 2]).view(2, 1, 1)  # grid_sample measures in half sides
    back = torch.stack([along_x, along_y]).div_(scale * half)  # (2, 2, B)
    shift = -(back * torch.stack([translate_x, translate_y])).sum(1, keepdim=True)
    return torch.cat([back, shift], 1).permute(2, 0, 1)


def rotations(x: Tensor) -> Tensor:
    """Turn every image counter-clockwise by 0, 90, 180 and 270 degrees.

    Any values, any dtype. (B, C, H, H) -> (4B, C, H, H), the versions of an image together: rows 4i .. 4i + 3 are image
    i. (torch.rot90)
    """
    return turned([x] * 4)


def jigsaw(x: Tensor, order: Tensor) -> Tensor:
    """Cut every image in 2 x 2 patches and let them change places.

    Any values, any dtype, even sides. (B, C, H, W) and `order` (B, 4), permutations of the patches 0 .. 3, counted row
    by row: place p has patch order[p]. The inverse permutation, `order.argsort(1)`, restores the image.
    """
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise Error(f"images of {x.shape[2]} x {x.shape[3]} pixels have no four equal patches: give an even size")
    patches = x.unflatten(3, (2, -1)).unflatten(2, (2, -1)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (B, 4, C, h, w)
    patches = patches[torch.arange(len(x), device=x.device)[:, None], order]
    return patches.unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)


def turned(versions: Sequence[Tensor] | Tensor) -> Tensor:
    """Turn version j of four (B, C, H, H) as `rotations` does.

    Returns (4B, C, H, H), the versions of an image together.
    """
    H, W = versions[0].shape[2:]
    if H != W:
        raise Error(f"images of {H} x {W} pixels cannot be turned by 90 degrees: set size to make them square")
    return torch.stack([x.rot90(quarter, (2, 3)) for quarter, x in enumerate(versions)], 1).flatten(0, 1)


# Colour: values of pixels change, each by itself


def _luminance(x: Tensor) -> Tensor:
    """Return how bright a pixel looks: (B, 3, H, W) -> (B, 1, H, W)."""
    red, green, blue = x.split(1, 1)
    return red.mul(LUMINANCE[0]).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Scale the brightness: factor * x, clamped to [0, 1] (adjust_brightness).

    0 gives black, 1 the image.
    """
    return x.mul(per_image(factor)).clamp_(0, 1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Scale the contrast about the mean luminance (adjust_contrast).

    factor * x + (1 - factor) * (mean luminance of the image), clamped. 0 gives an even grey, 1 the image.
    (adjust_contrast)
    """
    mean = x.mean((2, 3), keepdim=True)
    mean = mean if x.shape[1] == 1 else _luminance(mean)
    return x.mul(per_image(factor)).add_(mean * per_image(1 - factor)).clamp_(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Scale the saturation (adjust_saturation).

    factor * x + (1 - factor) * luminance, clamped; one channel stays as it is. 0 gives a grey image, 1 the image.
    (adjust_saturation)
    """
    if x.shape[1] == 1:
        return x
    return x.mul(per_image(factor)).add_(_luminance(x).mul_(per_image(1 - factor))).clamp_(0, 1)


def hue(x: Tensor, factor: Tensor) -> Tensor:
    """Turn all colours round the colour wheel by `factor` of a full turn (adjust_hue).

    `factor` is in [-0.5, 0.5]; one channel stays as it is. The hue is that of HSV. 1/3 makes red green, 0 gives the
    image. (adjust_hue)
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
    around = torch.empty_like(x)
    for channel, offset in zip(around.split(1, 1), (1, 5 / 3, 4 / 3), strict=True):
        torch.add(turns, offset, out=channel)
    return around.frac_().sub_(0.5).abs_().mul_(6).sub_(1).clamp_(0, 1).mul_(chroma).add_(low)


def greyscale(x: Tensor) -> Tensor:
    """Put the luminance into all three channels (rgb_to_grayscale)."""
    return x if x.shape[1] == 1 else _luminance(x).expand_as(x)


def solarize(x: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values that reach `threshold`, 1 - x (solarize)."""
    return torch.where(x >= per_image(threshold), 1 - x, x)


JITTER = (brightness, contrast, saturation, hue)

# Detail: blurring, and erasing rectangles


def blur(x: Tensor, sigma: Tensor, *, kernel_size: int) -> Tensor:
    """Blur by a Gaussian of `sigma` pixels (gaussian_blur).

    The neighbours are those of an odd `kernel_size` < 2 min(H, W), with the edges reflected. (gaussian_blur)
    """
    offsets = torch.arange(kernel_size, device=x.device) - kernel_size // 2
    kernel = (-0.5 * (offsets / sigma[:, None]) ** 2).softmax(1)
    weights = {n: _reflected(kernel, offsets, n) for n in set(x.shape[2:])}
    return weigh_pixels(x, *(weights[n] for n in x.shape[2:]))


def _reflected(kernel: Tensor, offsets: Tensor, n: int) -> Tensor:
    """Return the matrices (B, n, n) of a correlation along n reflected pixels.

    With `kernel` (B, K) at `offsets` (K,).
    """
    pixels = torch.arange(n, device=kernel.device)
    read = (pixels + offsets[:, None]).abs()
    read = torch.minimum(read, 2 * (n - 1) - read)
    return (kernel @ (read[:, :, None] == pixels).view(len(offsets), -1).to(kernel)).view(-1, n, n)


def erase(x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, value: float = 0.0) -> Tensor:
    """Fill a rectangle with `value` (erase).

    `height` x `width` pixels at `top`, `left` (integers).
    """

    def inside(start: Tensor, length: Tensor, n: int) -> Tensor:
        position = torch.arange(n, device=x.device) - start[:, None]
        return (position >= 0) & (position < length[:, None])

    rows, columns = inside(top, height, x.shape[2]), inside(left, width, x.shape[3])
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], value)


def cutout(x: Tensor, row: Tensor, column: Tensor, *, side: int) -> Tensor:
    """Fill a square of `side` pixels with zeros, cut at the border; any values.

    Centred at integers `row`, `column`. On normalised images zero is the mean colour. As in the code of DeVries and
    Taylor 2017 the square reaches side // 2 to both sides: an odd `side` is one pixel shorter.
    """
    length = torch.full_like(row, side // 2 * 2)
    return erase(x, row - side // 2, column - side // 2, length, length)


# Mixing of two images (CutMix, Yun et al. 2019): any values of pixels


def cutmix_box(height: int, width: int, share: Tensor, row: Tensor, column: Tensor) -> Box:
    """Return a box round `row`, `column` that leaves a `share` of an image outside.

    Of an image of `height` x `width` pixels. Its sides are int(side * sqrt(1 - share)); as in the authors' code an odd
    one is one pixel shorter. It is cut at the border, and then leaves more than `share`. `share`, `row` and `column`
    are scalar tensors. Returns top, left, bottom and right (integers, half open).
    """
    edges = []
    for centre, side in ((row, height), (column, width)):
        half = (side * (1 - share).sqrt()).long() // 2
        edges.append(((centre - half).clamp(0, side), (centre + half).clamp(0, side)))
    (top, bottom), (left, right) = edges
    return top, left, bottom, right


def cutmix(x: Tensor, partner: Tensor, box: Box) -> Tensor:
    """Paste the box of row `partner` (B,) into `x` (..., B, C, H, W).

    `box` is what `cutmix_box` gives.
    """
    top, left, bottom, right = box
    rows, columns = (torch.arange(n, device=x.device) for n in x.shape[-2:])
    inside = ((rows >= top) & (rows < bottom))[:, None] & (columns >= left) & (columns < right)
    return torch.where(inside, x.index_select(x.ndim - 4, partner), x)


# What several operations share


def per_image(parameter: Tensor) -> Tensor:
    """Reshape a parameter (B,) to (B, 1, 1, 1), to broadcast against images."""
    return parameter.view(-1, 1, 1, 1)


def weigh_pixels(x: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Make every pixel a weighted mean, first along its row, then its column.

    vertical @ image @ horizontal^T for images (B, C, H, W) and weights (B, H, H) and (B, W, W): row i of a matrix holds
    the weights of the pixels that output i reads, which sum to 1.
    """
    rows = x.flatten(1, 2) @ horizontal.mT  # the channels of an image share one product
    return (vertical[:, None] @ rows.view(x.shape)).clamp_(0, 1)  # sums of weights are 1 but for rounding
