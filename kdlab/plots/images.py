"""Figures of images and of features."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from .style import PALETTE, PICTURES, STYLE, bare, picture
from .texts import CLASS, legible


@legible(CLASS, 40)
def plot_embedding(panels: Mapping[str, Tensor], y: Tensor, classes: Sequence[str]) -> plt.Figure:
    """Feature vectors (n, D) of each panel in two dimensions (t-SNE), one colour a class, its name at its median."""
    from sklearn.manifold import TSNE

    labels = y.numpy()
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.6), squeeze=False)
        for axis, (title, features) in zip(axes[0], panels.items(), strict=True):
            flat = TSNE(
                init="pca", perplexity=min(25, max(1, (len(features) - 1) // 3)), max_iter=500, random_state=0, n_jobs=1
            ).fit_transform(features.numpy())
            for label in range(len(classes)):
                points = flat[labels == label]
                axis.scatter(*points.T, s=9, color=on_white(label), alpha=0.75, linewidths=0)
            places = _apart(np.stack([np.median(flat[labels == label], 0) for label in range(len(classes))]))
            for label, name in enumerate(classes):
                axis.annotate(
                    name,
                    places[label],
                    ha="center",
                    va="center",
                    fontsize=15,
                    fontweight="bold",
                    color=on_white(label),
                    path_effects=halo(),
                )
            axis.set(xticks=[], yticks=[], title=title)
            axis.spines[:].set_visible(False)
    return figure


def on_white(label: int) -> tuple[float, ...]:
    """The palette's colour of a class, darker where it would vanish on white."""
    colour = np.array(PALETTE[label % len(PALETTE)])
    bright = float(colour @ (0.299, 0.587, 0.114))
    return tuple(colour * min(1.0, 0.6 / bright))


def _apart(places: np.ndarray, least: float = 0.09) -> np.ndarray:
    """Points (n, 2), pushed apart where two are nearer than the share `least` of the whole extent."""
    moved, reach = places.astype(float), least * np.ptp(places, axis=0).max()
    for _ in range(50):
        apart = moved[:, None] - moved[None]
        distance = np.linalg.norm(apart, axis=2) + np.eye(len(moved)) * reach
        push = np.clip(reach - distance, 0, None) / np.maximum(distance, 1e-9)
        if not push.any():
            break
        moved += 0.5 * (apart * push[..., None]).sum(1)
    return moved


def halo() -> list[Any]:
    """What sets text off from the points behind it."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=4, foreground="white")]


@legible(18)
def plot_images(images: Tensor, captions: Sequence[str], columns: int = 8, title: str = "") -> plt.Figure:
    """uint8 images (n, C, H, W) in a grid, a caption above each."""
    rows, side = max(1, -(-len(images) // columns)), min(1.2, 10 / columns)  # inches
    with plt.rc_context(PICTURES):
        figure, axes = plt.subplots(
            rows, columns, figsize=(side * columns, (side + 0.3) * rows + 0.3 * bool(title)), squeeze=False
        )
        for axis in axes.flat:
            bare(axis)
        for axis, image, caption in zip(axes.flat, images, captions, strict=False):
            axis.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
            axis.set_title(caption, fontsize=9)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure
