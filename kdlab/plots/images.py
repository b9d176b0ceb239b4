"""Figures of images and of features."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor
from torch.nn.functional import pad

from .style import CLASS, PALETTE, PICTURES, STYLE, bare, show_image, styled

ROWS = {**PICTURES, "figure.constrained_layout.use": False}
LINE, LETTER = 0.2, 0.09  # inches: of a line of text, and of a letter of a row's name
FRAMES: dict[bool | None, dict[str, Any]] = {  # by whether an image is what it should be, where that is asked
    None: {"ec": "0.85", "lw": 0.8},
    True: {"ec": PALETTE[2], "lw": 2.2},
    False: {"ec": PALETTE[1], "lw": 2.2, "ls": "--"},
}


@styled({**STYLE, "axes.grid": False}, CLASS, 40)
def plot_embedding(panels: Mapping[str, Tensor], y: Tensor, classes: Sequence[str]) -> plt.Figure:
    """Draw t-SNE maps of features (n, D), each class in its colour, with its name."""
    from sklearn.manifold import TSNE

    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.6), squeeze=False)
    for axis, (title, features) in zip(axes[0], panels.items(), strict=True):
        perplexity = min(25, max(1, (len(features) - 1) // 3))
        tsne = TSNE(init="pca", perplexity=perplexity, max_iter=500, random_state=0, n_jobs=1)
        draw_map(axis, tsne.fit_transform(features.numpy()), y.numpy(), classes)
        axis.set_title(title)
    return figure


def draw_map(axis: plt.Axes, points: np.ndarray, y: np.ndarray, classes: Sequence[str]) -> None:
    """Draw points (n, 2) coloured by class y (n,), with each name at its median."""
    tints = np.array([PALETTE[label % len(PALETTE)] for label in range(len(classes))])
    bright = tints @ (0.299, 0.587, 0.114)
    tints *= np.minimum(1, 0.6 / bright)[:, None]  # darker where a class would vanish on white
    axis.scatter(*points.T, s=11, color=tints[y], alpha=0.75, linewidths=0)
    present = np.unique(y)
    medians = _apart(np.stack([np.median(points[y == label], 0) for label in present]))
    halo = [withStroke(linewidth=4, foreground="white")]  # sets names off from the points behind them
    font = {"ha": "center", "va": "center", "fontsize": 15, "fontweight": "bold", "path_effects": halo}
    for label, median in zip(present, medians, strict=True):
        axis.annotate(classes[label], median, color=tints[label], **font)
    bare(axis)


def _apart(points: np.ndarray, least: float = 0.09) -> np.ndarray:
    """Push points (n, 2) apart where two are nearer than `least` of the whole extent."""
    moved, reach = points.astype(float), least * np.ptp(points, axis=0).max()
    for _ in range(50):
        apart = moved[:, None] - moved[None]
        distance = np.linalg.norm(apart, axis=2) + np.eye(len(moved)) * reach
        push = np.clip(reach - distance, 0, None) / np.maximum(distance, 1e-9)
        if not push.any():
            break
        moved += 0.5 * (apart * push[..., None]).sum(1)
    return moved


class _Row(NamedTuple):
    name: str
    images: Tensor  # uint8 (n, C, H, W)
    above: Sequence[str] = ()  # texts
    below: Sequence[str] = ()
    right: Sequence[bool | None] = ()
    box: tuple[float, float, float, float] | None = None  # top, left, bottom, right, in pixels


@styled(ROWS, 18)
def plot_images(images: Tensor, captions: Sequence[str], columns: int = 8, title: str = "") -> plt.Figure:
    """Draw uint8 images (n, C, H, W) in a grid, a caption above each."""
    starts = range(0, len(images), columns)
    rows = [_Row("", images[i : i + columns], captions[i : i + columns]) for i in starts]
    return _draw_rows(rows, min(1.2, 10 / columns), title)


@styled(ROWS, 18, 40)
def plot_strips(
    rows: Mapping[str, Tensor],
    columns: Sequence[str] = (),
    notes: Sequence[str] = (),
    right: Mapping[str, Sequence[bool | None]] | None = None,
    boxes: Mapping[str, tuple[float, float, float, float]] | None = None,
    title: str = "",
) -> plt.Figure:
    """Draw named rows of uint8 images (n, C, H, W); columns have names above.

    `notes` stand below the last row. `right`, for rows by name, frames an image in green (true) or dashed orange
    (false); `boxes` draws a box (top, left, bottom, right, in pixels) into every image of a row.
    """
    answers, framed = right or {}, boxes or {}
    drawn = [_Row(name, images, (), (), answers.get(name, ()), framed.get(name)) for name, images in rows.items()]
    drawn[0] = drawn[0]._replace(above=columns)
    drawn[-1] = drawn[-1]._replace(below=notes)
    return _draw_rows(drawn, min(1.1, 8.4 / max(map(len, rows.values()))), title)


@styled(ROWS, 20)
def plot_versions(
    images: Tensor, rows: Sequence[str], columns: Sequence[str], notes: Sequence[str] = (), title: str = ""
) -> plt.Figure:
    """Draw uint8 images (n, C, H, W) in a grid with named rows and columns.

    `notes`, one an image, stand below each.
    """
    drawn = []
    for i, (name, versions) in enumerate(zip(rows, images.split(len(columns)), strict=True)):
        below = notes[i * len(columns) : (i + 1) * len(columns)]
        drawn.append(_Row(name, versions, () if i else columns, below))
    return _draw_rows(drawn, 1.25, title)


def _draw_rows(rows: Sequence[_Row], side: float, title: str) -> plt.Figure:
    """Draw rows of images; the unit of the axis is the inch, a cell is `side` wide.

    A row is one picture: an axis for each image would take ten times as long.
    """
    left = LETTER * max(len(row.name) for row in rows) + 0.1
    figure, axis = plt.subplots(gridspec_kw={"left": 0, "bottom": 0, "right": 1, "top": 1})
    axis.text(0.06, 0.06, title, va="top", fontsize=12, fontweight="bold")
    y, frames = 0.06 + 0.3 * bool(title), []
    for row in rows:
        count, _, H, W = row.images.shape
        gap = _gap(W)
        unit = side / (W + gap)  # inches of a pixel
        y += _height(row.above)
        end = y + H * unit
        axis.text(left - 0.06, (y + end) / 2, row.name, ha="right", va="center", fontsize=10.5)
        show_image(axis, joined(row.images, 1), (left, left + count * side, end + gap * unit, y))
        for i in range(count):
            x = left + i * side
            answer = row.right[i] if i < len(row.right) else None
            frames.append(Rectangle((x, y), W * unit, H * unit, fill=False, **FRAMES[answer]))
            if row.box:
                top, edge, bottom, right = (unit * each for each in row.box)
                corner = x + edge, y + top
                frames.append(Rectangle(corner, right - edge, bottom - top, fill=False, ec=PALETTE[1], lw=1.6))
        for texts, at, align in ((row.above, y - 0.04, "bottom"), (row.below, end + 0.04, "top")):
            for i, text in enumerate(texts):
                axis.text(left + i * side + W * unit / 2, at, text, ha="center", va=align, fontsize=9)
        y = end + _height(row.below) + 0.06
    axis.add_collection(PatchCollection(frames, match_original=True))
    width = left + max(len(row.images) for row in rows) * side
    figure.set_size_inches(width, y)
    axis.set(xlim=(0, width), ylim=(y, 0), aspect="auto")
    bare(axis)
    return figure


def _height(texts: Sequence[str]) -> float:
    """Return the inches that a row of texts needs."""
    lines = [1 + text.count("\n") for text in texts if text]
    return LINE * max(lines) + 0.04 if lines else 0


def _gap(side: int) -> int:
    """Return the pixels between two images of so many."""
    return max(1, side // 16)


def joined(images: Tensor, axis: int) -> np.ndarray:
    """Return uint8 images (n, C, H, W) as one picture, joined along axis 0 or 1."""
    gap = _gap(images.shape[3])
    framed = pad(images, (0, gap, 0, gap), value=0 if images.shape[1] == 1 else 255)
    return np.concatenate([*framed.permute(0, 2, 3, 1).squeeze(3).numpy()], axis)
