"""Augmentation: one image again and again, every range a slider."""

from typing import Any

import matplotlib.pyplot as plt
import torch

from ..data import ImageSet
from ..data.augment import AUGMENTATIONS, Recipe
from ..plots import plot_strips
from .frame import Explorer, Slider, explore, in_gallery

PREDICT = (
    "Turn up one range at a time until you can no longer read the image. Which of them can a network be asked to "
    "ignore, and which one makes another digit of it?"
)
COUNT = 9


@in_gallery("augmentation", "01_data_and_views", "teacher.images")
def augmentation(
    images: ImageSet,
    image: int = 0,
    rotate: float = 26.0,
    translate: float = 0.15,
    scale: float = 0.3,
    shear: float = 17.0,
    contrast: float = 0.4,
    noise: float = 0.15,
    erase: float = 0.25,
    flip: float = 0.0,
    again: int = 0,
) -> Explorer:
    """Show two rows of strong views of one training image, and one row of weak ones.

    `scale` and `contrast` are how far their factors may lie from 1. The start is the strong recipe for digits.
    """
    weak = AUGMENTATIONS[images.style]["weak"]

    def draw(image: int, again: int, **ranges: Any) -> plt.Figure:
        copies = images.train_x[image][None].expand(COUNT, -1, -1, -1).contiguous()
        recipe = Recipe(
            rotate=ranges["rotate"],
            translate=ranges["translate"],
            shear=ranges["shear"],
            noise=ranges["noise"],
            scale=(1 - ranges["scale"], 1 + ranges["scale"]),
            erase_p=ranges["erase"],
            flip=ranges["flip"],
            jitter=(ranges["contrast"], ranges["contrast"], 0.0, 0.0) if ranges["contrast"] else None,
        )
        rows = {"image": copies}
        for i, (name, each) in enumerate({"weak": weak, "view 1": recipe, "view 2": recipe}.items()):
            views = each(copies, torch.Generator().manual_seed(3 * again + i))
            rows[name] = (255 * views).round().to(torch.uint8)
        return plot_strips(rows)

    return explore(
        draw,
        "kdlab.widgets.augmentation(images, {})",
        PREDICT,
        image=Slider(image, 0, min(200, len(images.train_x)) - 1),
        again=Slider(again, 0, 20, label="draw again"),
        rotate=Slider(rotate, 0.0, 90.0, 1.0, label="rotate, degrees"),
        translate=Slider(translate, 0.0, 0.5, 0.01, label="translate, share"),
        scale=Slider(scale, 0.0, 0.6, 0.01),
        shear=Slider(shear, 0.0, 45.0, 1.0, label="shear, degrees"),
        contrast=Slider(contrast, 0.0, 1.0, 0.05, label="brightness, contrast"),
        noise=Slider(noise, 0.0, 0.5, 0.01),
        erase=Slider(erase, 0.0, 1.0, 0.05, label="erase, probability"),
        flip=Slider(flip, 0.0, 1.0, 0.05, label="flip, probability"),
    )
