"""Batched image operations: every image of a batch with its own parameters, and no random draws.

Images are float tensors (B, C, H, W) in [0, 1] with C = 1 or 3; parameters are tensors (B,) on the same device, and
`on`, a bool (B,), names the images that an operation is for. Each function computes for every image what the
torchvision function named at the end of its docstring computes, stays in [0, 1], and leaves its input as it was. One
file holds one idea: `geometry` moves pixels, `colour` changes their values, `detail` blurs and erases, `mixing` pastes.
"""

from .colour import JITTER, LUMINANCE, brightness, contrast, greyscale, hue, jitter, saturation, solarize
from .detail import blur, cutout, erase
from .geometry import affine, crop_resize, hflip, jigsaw, pad_crop, rotations, turned
from .mixing import cutmix, cutmix_box

__all__ = [
    "JITTER",
    "LUMINANCE",
    "affine",
    "blur",
    "brightness",
    "contrast",
    "crop_resize",
    "cutmix",
    "cutmix_box",
    "cutout",
    "erase",
    "greyscale",
    "hflip",
    "hue",
    "jigsaw",
    "jitter",
    "pad_crop",
    "rotations",
    "saturation",
    "solarize",
    "turned",
]
