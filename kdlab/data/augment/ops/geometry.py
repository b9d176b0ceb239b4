"""Operations that move pixels: mirrored, shifted, turned, stretched."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ....core.errors import Error
from .helpers import change_some, weigh_pixels


def hflip(x: Tensor, on: Tensor) -> Tensor:
    """Swap left and right where `on`. Any dtype. (horizontal_flip)"""
    return change_some(x, on, lambda images: images.flip(3))


def pad_crop(x: Tensor, top: Tensor, left: Tensor, padding: int) -> Tensor:
    """Shift an image by up to `padding` pixels, with zeros from outside; any dtype.

    Pads with `padding` zeros on all sides, then crops H x W at integers `top`, `left` in [0, 2 padding]. (pad, crop)
    """
    B, C, H, W = x.shape
    padded = F.pad(x, [padding] * 4)
    rows = top[:, None] + torch.arange(H, device=x.device)
    columns = left[:, None] + torch.arange(W, device=x.device)
    pixels = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).view(B, 1, H * W).expand(B, C, H * W)
    return padded.flatten(2).gather(2, pixels).view(B, C, H, W)


def crop_resize(x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Cut out a box and stretch it to the size of the image, bilinearly.

    The box has `height` x `width` pixels at `top`, `left` (integers). (resized_crop)
    """
    return weigh_pixels(x, _stretch(top, height, x.shape[2]), _stretch(left, width, x.shape[3]))


def _stretch(start: Tensor, length: Tensor, n: int) -> Tensor:
    """(B, n, n): row i weighs the pixels that output i reads when [start, start + length) is stretched to n."""
    pixels = torch.arange(n, device=start.device)
    position = ((pixels + 0.5) * (length / n)[:, None] - 0.5).clamp_(min=0).minimum(length[:, None] - 1)  # in the box
    distance = position[:, :, None] - (pixels - start[:, None])[:, None, :]
    return distance.abs_().neg_().add_(1).clamp_(min=0)


def affine(
    x: Tensor, angle: Tensor, translate_x: Tensor, translate_y: Tensor, scale: Tensor, shear_x: Tensor, shear_y: Tensor
) -> Tensor:
    """Shear, scale and rotate about the centre, then translate; bilinear, with zeros from outside. (affine)

    Angles are in degrees, positive clockwise; translations are in pixels, positive right and down. Equal to torchvision
    with its default fill=None: an explicit fill=0 makes it weigh the pixels at the border twice.
    """
    B, _, H, W = x.shape
    turn, shear_x, shear_y = torch.stack([angle, shear_x, shear_y]).deg2rad_()
    cos, sin = turn.cos(), turn.sin()
    # An output pixel looks back through the inverses of rotation, vertical shear, horizontal shear and scale, in turn
    along_x, along_y = torch.stack([cos, sin]), torch.stack([-sin, cos])
    along_y = along_y.addcmul(shear_y.tan(), along_x)
    along_x = along_x.addcmul(shear_x.tan(), along_y)
    half = torch.tensor([W / 2, H / 2], device=x.device).view(2, 1, 1)  # grid_sample measures in half sides
    back = torch.stack([along_x, along_y]).div_(scale * half)  # (2, 2, B)
    shift = -(back * torch.stack([translate_x, translate_y])).sum(1, keepdim=True)
    # One product for the batch, each coordinate in a plane of its own: a fraction of the time of affine_grid
    columns, rows = (torch.arange(n, device=x.device) - (n - 1) / 2 for n in (W, H))
    centred = torch.stack([columns.expand(H, W), rows[:, None].expand(H, W), columns.new_ones(H, W)]).view(3, H * W)
    grid = torch.cat([back, shift], 1).mT @ centred  # (2, B, H W)
    grid = grid.view(2, B, H, W).permute(1, 2, 3, 0)
    return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False).clamp_(0, 1)


def rotations(x: Tensor) -> Tensor:
    """Every image in four versions, turned counter-clockwise by 0, 90, 180 and 270 degrees; any values, any dtype.

    (B, C, H, H) -> (4B, C, H, H), the versions of an image together: rows 4i .. 4i + 3 are image i. (torch.rot90)
    """
    return turned([x] * 4)


def jigsaw(x: Tensor, order: Tensor) -> Tensor:
    """Every image cut in 2 x 2 patches, which change places; any values, any dtype, even sides.

    (B, C, H, W) and `order` (B, 4), permutations of the patches 0 .. 3, counted row by row: place p has patch
    order[p]. The inverse permutation, `order.argsort(1)`, restores the image.
    """
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise Error(f"images of {x.shape[2]} x {x.shape[3]} pixels have no four equal patches: give an even size")
    patches = x.unflatten(3, (2, -1)).unflatten(2, (2, -1)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (B, 4, C, h, w)
    patches = patches[torch.arange(len(x), device=x.device)[:, None], order]
    return patches.unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)


def turned(versions: Sequence[Tensor] | Tensor) -> Tensor:
    """Four versions (B, C, H, H) of a batch, version j turned as `rotations` does.

    Returns (4B, C, H, H), the versions of an image together.
    """
    H, W = versions[0].shape[2:]
    if H != W:
        raise Error(f"images of {H} x {W} pixels cannot be turned by 90 degrees: set size to make them square")
    return torch.stack([x.rot90(quarter, (2, 3)) for quarter, x in enumerate(versions)], 1).flatten(0, 1)
