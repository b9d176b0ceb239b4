"""Random augmentation: a recipe says what is drawn, the operations do it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from . import ops
from .changes import Change, View


@dataclass(frozen=True)
class Recipe(View):
    """How images are changed at random before a network sees them.

    The fields are ranges and probabilities, in the order in which the operations run; the defaults change nothing.
    `recipe(images, generator)` takes uint8 (B, C, H, W) with C = 1 or 3, or float in [0, 1] as another recipe leaves
    it, and returns float (B, C, H, W) in [0, 1] on the same device. Every image gets parameters of its own, all drawn
    from `generator` on the host: the same state draws the same for every device.
    """

    flip: float = 0.0  # probability of swapping left and right
    pad: int = 0  # zeros on every side before a crop to the old size (RandomCrop)
    crop_scale: tuple[float, float] | None = None  # share of the area that a resized crop keeps (RandomResizedCrop)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)  # its width / height
    rotate: float = 0.0  # at most so many degrees, either way (RandomAffine, as are the next three)
    translate: float = 0.0  # at most so much of the side, along both axes; not rounded to pixels
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0  # at most so many degrees, along the horizontal axis
    jitter: tuple[float, float, float, float] | None = None  # brightness, contrast, saturation, hue (ColorJitter)
    jitter_p: float = 1.0
    grey_p: float = 0.0
    blur_p: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # pixels
    solarize_p: float = 0.0  # at threshold 1/2
    noise: float = 0.0  # Gaussian noise has a standard deviation of at most this
    erase_p: float = 0.0  # (RandomErasing)
    erase_scale: tuple[float, float] = (0.02, 0.33)  # share of the area that is erased
    erase_ratio: tuple[float, float] = (0.3, 3.3)  # its height / width

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> list[Change]:
        draw = _Draw(generator, shape)
        changes: list[Change] = []

        def add(op: Callable[..., Tensor], *parameters: Tensor) -> None:
            changes.append(Change((op,), parameters))

        def add_some(op: Callable[..., Tensor], *parameters: Tensor, p: float) -> None:
            changes.append(Change((op,), parameters).only(draw.chance(p)))

        if self.pad:  # while the images are bytes, as is a flip: a quarter of the memory to move
            flip = [draw.chance(self.flip)] if self.flip else []
            shift = draw.integer(2 * self.pad + 1), draw.integer(2 * self.pad + 1)
            add(partial(ops.pad_crop, padding=self.pad), *shift, *flip)
        elif self.flip:
            add_some(ops.hflip, p=self.flip)
        add(_unit)
        if self.crop_scale:
            add(ops.crop_resize, *draw.crop(self.crop_scale, self.crop_ratio))
        if self.rotate or self.translate or self.shear or self.scale != (1, 1):
            add(ops.affine, draw.affine(self.rotate, self.translate, self.scale, self.shear))
        if self.jitter:
            changes += draw.jitter(self.jitter, self.jitter_p)
        if self.grey_p:
            add_some(ops.greyscale, p=self.grey_p)
        if self.blur_p:
            # Three standard deviations, as far as the image goes
            kernel_size = 2 * min(math.ceil(3 * self.blur_sigma[1]), min(draw.height, draw.width) - 1) + 1
            add_some(partial(ops.blur, kernel_size=kernel_size), draw.uniform(*self.blur_sigma), p=self.blur_p)
        if self.solarize_p:
            add_some(ops.solarize, torch.full((draw.count,), 0.5), p=self.solarize_p)
        if self.noise:
            add(_add_noise, draw.uniform(0, self.noise), torch.randn(shape, generator=generator))
        if self.erase_p:
            top, left, height, width, fits = draw.erasing(self.erase_scale, self.erase_ratio)
            add(ops.erase, top, left, height * (draw.chance(self.erase_p) & fits), width)
        return changes


def _unit(images: Tensor) -> Tensor:
    return images if images.is_floating_point() else images / 255


def _add_noise(x: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    return (noise * ops.per_image(std)).add_(x).clamp_(0, 1)


_CLEAN = Recipe()
_DIGITS = Recipe(rotate=10, translate=0.1, scale=(0.9, 1.1), shear=5)
_CIFAR = Recipe(pad=4, flip=0.5)  # He et al. 2016, section 4.2
_IMAGENET = Recipe(crop_scale=(0.08, 1.0), flip=0.5)
_RELEASED = Recipe(flip=0.5, pad=4, rotate=10, jitter=(0.2, 0.2, 0.2, 0.0))


def _family(weak: Recipe, strong: Recipe, second: Recipe | None = None) -> dict[str, Recipe]:
    """Return the recipe of each role that a method's views can have."""
    return {
        "clean": _CLEAN,
        "weak": weak,
        "strong": strong,
        "second": second or strong,  # the other strong view, of methods whose two views differ
        "flip": Recipe(flip=weak.flip),  # what may be drawn once for all versions of an image (SSKD)
        "crop": replace(weak, flip=0.0),  # weak without that
    }


def _ssl(
    jitter: tuple[float, float, float, float],
    crop: tuple[float, float] = (0.08, 1.0),
    blur: float = 0.5,
    solarize: float = 0.0,
) -> Recipe:
    """Return the recipe that self-supervised methods share, after SimCLR (2020)."""
    return Recipe(crop_scale=crop, flip=0.5, jitter=jitter, jitter_p=0.8, grey_p=0.2, blur_p=blur, solarize_p=solarize)


# Family -> role -> recipe
AUGMENTATIONS: dict[str, dict[str, Recipe]] = {
    "none": _family(_CLEAN, _CLEAN),
    # No flips, which would make other characters; constants of our own, first tried on digits of 12 to 16 pixels
    "digits": _family(
        _DIGITS,
        Recipe(
            rotate=26,
            translate=0.15,
            scale=(0.75, 1.3),
            shear=17,
            jitter=(0.4, 0.4, 0.0, 0.0),
            noise=0.15,
            erase_p=0.25,
            erase_scale=(0.02, 0.1),
        ),
    ),
    # The same with strong views that lack something, for an ablation
    "digits_weak": _family(_DIGITS, _DIGITS),
    "digits_geometry": _family(_DIGITS, Recipe(rotate=26, translate=0.15, scale=(0.75, 1.3), shear=17)),
    "digits_pixels": _family(
        _DIGITS, Recipe(jitter=(0.4, 0.4, 0.0, 0.0), noise=0.15, erase_p=0.25, erase_scale=(0.02, 0.1))
    ),
    # Strong is SimCLR (Chen et al. 2020) with the jitter and the grey of MoCo's CIFAR demonstration, solo-learn's blur
    # (p 0.5, sigma 0.1 to 2 pixels, as PIL blurs) and a crop that keeps at least a fifth of the area
    "colour": _family(_CIFAR, _ssl((0.4, 0.4, 0.4, 0.1), crop=(0.2, 1.0))),
    # The same for images of 16 pixels: shifts and blurs at most half as far
    "colour_small": _family(
        replace(_CIFAR, pad=2), replace(_ssl((0.4, 0.4, 0.4, 0.1), crop=(0.2, 1.0)), blur_sigma=(0.1, 1.0))
    ),
    # The next three are solo-learn's for CIFAR, where crops are resized bicubically, here bilinearly
    "simclr": _family(_CIFAR, _ssl((0.8, 0.8, 0.8, 0.2))),
    "moco": _family(_CIFAR, _ssl((0.4, 0.4, 0.4, 0.1))),
    # lightly's benchmark on CIFAR-10, for all methods: MoCo's without blur
    "lightly": _family(_CIFAR, _ssl((0.4, 0.4, 0.4, 0.1), blur=0.0)),
    "byol": _family(_CIFAR, *(_ssl((0.4, 0.4, 0.2, 0.1), blur=0.0, solarize=p) for p in (0.0, 0.2))),
    # ImageNet's (PyTorch's example; Chen et al. 2020, SimCLR), where crops are drawn as photographs are decoded. What
    # turns images draws one crop for all four versions, as torchdistill does
    "photographs": {
        **_family(_IMAGENET, _ssl((0.8, 0.8, 0.8, 0.2))),
        "flip": _IMAGENET,
        "crop": _CLEAN,
    },
    # Tf-KD's training (Yuan et al. 2020): colour with rotations of up to 15 degrees
    "rotated": _family(replace(_CIFAR, rotate=15), _ssl((0.4, 0.4, 0.4, 0.1), crop=(0.2, 1.0))),
    # The one transform of the SS-KD script (2025), which rotates before it crops and reads the nearest pixel; here the
    # crop comes first and the rotation is bilinear
    "as_released": _family(_RELEASED, _RELEASED),
}


class _Draw:
    """Draws random parameters for a batch on the host, each a tensor (B,)."""

    def __init__(self, generator: torch.Generator, shape: Sequence[int]) -> None:
        self.generator = generator
        self.count, self.channels, self.height, self.width = shape

    def uniform(self, low: float, high: float, *more: int) -> Tensor:
        """Draw (B, *more) uniform numbers between `low` and `high`."""
        return torch.empty(self.count, *more).uniform_(low, high, generator=self.generator)

    def integer(self, below: Tensor | int) -> Tensor:
        """Draw integers, uniform over 0 .. below - 1."""
        return (self.uniform(0, 1) * below).long()

    def chance(self, p: float) -> Tensor:
        """Draw True with probability p."""
        return self.uniform(0, 1) < p

    def affine(self, rotate: float, translate: float, scale: tuple[float, float], shear: float) -> Tensor:
        """Draw the matrix of `ops.affine`, without a vertical shear."""
        dx, dy = translate * self.width, translate * self.height
        shift = self.uniform(-dx, dx), self.uniform(-dy, dy)
        angle, along_x = self.uniform(-rotate, rotate), self.uniform(-shear, shear)
        size = self.height, self.width
        return ops.affine_matrix(angle, *shift, self.uniform(*scale), along_x, torch.zeros_like(along_x), *size)

    def jitter(self, strengths: Sequence[float], p: float) -> list[Change]:
        """Draw ColorJitter: four operations, each image in its own order.

        Brightness, contrast and saturation by factors from [1 - s, 1 + s] that are not below 0, the hue by [-s, s]; an
        operation of strength 0 is left out. Saturation and hue do nothing to one channel.
        """
        ranges = [(max(0.0, 1 - s), 1 + s) for s in strengths[:3]] + [(-strengths[3], strengths[3])]
        factors = [self.uniform(*r) if s else torch.zeros(self.count) for r, s in zip(ranges, strengths, strict=True)]
        order, on = self.uniform(0, 1, 4).argsort(1), self.chance(p)
        active = torch.tensor([bool(s) and (op < 2 or self.channels == 3) for op, s in enumerate(strengths)])
        order = order[active[order]].view(self.count, int(active.sum()))
        factor = torch.stack(factors, 1).gather(1, order)
        steps = zip(factor.unbind(1), order.unbind(1), strict=True)
        return [Change(ops.JITTER, (each,), op).only(on) for each, op in steps]

    def crop(self, scale: tuple[float, float], ratio: tuple[float, float]) -> ops.Box:
        """Draw top, left, height and width of RandomResizedCrop.

        Where ten draws fail, its largest central box.
        """
        H, W = self.height, self.width
        top, left, height, width, fits = self._box(scale, ratio, lambda h, w: (h > 0) & (h <= H) & (w > 0) & (w <= W))
        h, w = min(H, round(W / ratio[0])), min(W, round(H * ratio[1]))
        top, left = torch.where(fits, top, (H - h) // 2), torch.where(fits, left, (W - w) // 2)
        return top, left, torch.where(fits, height, h), torch.where(fits, width, w)

    def erasing(self, scale: tuple[float, float], ratio: tuple[float, float]) -> tuple[Tensor, ...]:
        """Draw top, left, height, width of RandomErasing, and if a box was found.

        Torchvision tries ten.
        """
        upright = 1 / ratio[1], 1 / ratio[0]  # RandomErasing's ratio is height / width
        return self._box(scale, upright, lambda h, w: (h < self.height) & (w < self.width))

    def _box(
        self, scale: tuple[float, float], ratio: tuple[float, float], fits: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, ...]:
        """Draw ten boxes, as torchvision does, and return the first that fits, and if any.

        It lies at a uniform position. The boxes are uniform in area and in log(width / height).
        """
        area = self.uniform(*scale, 10).mul_(self.height * self.width)
        stretch = self.uniform(math.log(ratio[0]) / 2, math.log(ratio[1]) / 2, 10).exp_()  # square root of the ratio
        side = area.sqrt_()
        height, width = (side / stretch).round_(), (side * stretch).round_()
        fit = fits(height, width)
        first = fit.byte().argmax(1, keepdim=True)
        height, width, one_fits = (each.gather(1, first)[:, 0] for each in (height.long(), width.long(), fit))
        return self.integer(self.height - height + 1), self.integer(self.width - width + 1), height, width, one_fits
