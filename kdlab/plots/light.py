"""Parts of figures that are redrawn while a control moves: ticks, bars, a legend and images as few artists.

A tick of matplotlib is five artists, which an axis measures again and again, so that ten labelled bars take a
twentieth of a second; a patch for each bar, a legend that looks for its place, and axes that only hold an image cost
as much again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import CircleCollection, LineCollection, PolyCollection
from matplotlib.image import BboxImage
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, BboxTransform, Transform, TransformedBbox
from torch import Tensor

from .style import STYLE, picture

LIGHT = {
    **STYLE,
    "figure.constrained_layout.use": False,
    "axes.grid": False,
    "axes.titleweight": "normal",
    "axes.titlesize": 11,
    "axes.titley": 1.0,  # where a title would else be sought by measuring all ticks
}
TICK, PAD, DIGIT = 3.5, 7, 7  # points: length of a tick, from an axis to its labels, width of a digit of them
SHARES = (0.0, 0.5, 1.0)
FREE = 1.25  # up to here an axis of shares has room for a legend of two lines above all bars
Marks = Sequence[float] | Mapping[float, str] | int  # places, with labels of their own, or about how many
Numbers = Sequence[float] | np.ndarray
Colour = str | tuple[float, ...]


def rule(axis: plt.Axes, x: Marks = 7, y: Marks = 6, xlabel: str = "", ylabel: str = "", grid: str = "xy") -> None:
    """Two axes with ticks, labels and a grid, for what is drawn by now: limits and scales are to stand."""
    limits = axis.get_xlim(), axis.get_ylim()
    (across, x_names), (up, y_names) = (_marks(given, *ends) for given, ends in zip((x, y), limits, strict=True))
    corner = [ends[0] for ends in limits]
    placed = axis.transScale + axis.transLimits
    across = [float(placed.transform((at, corner[1]))[0]) for at in across]
    up = [float(placed.transform((corner[0], at))[1]) for at in up]
    axis.set_axis_off()
    one_x, one_y = _point(axis)
    lines = [[(0, at), (1, at)] for at in up if "y" in grid] + [[(at, 0), (at, 1)] for at in across if "x" in grid]
    ticks = [[(-TICK * one_x, at), (0, at)] for at in up] + [[(at, -TICK * one_y), (at, 0)] for at in across]
    common = {"lw": 0.8, "transform": axis.transAxes, "clip_on": False}
    axis.add_collection(LineCollection(lines, colors="0.69", alpha=0.25, zorder=0.5, **common), autolim=False)
    drawn = [[(0, 0), (1, 0)], [(0, 0), (0, 1)], *ticks]
    axis.add_collection(LineCollection(drawn, colors="black", zorder=2.5, **common), autolim=False)
    for at, name in zip(across, x_names, strict=True):
        axis.text(at, -PAD * one_y, name, ha="center", va="top", transform=axis.transAxes)
    for at, name in zip(up, y_names, strict=True):
        axis.text(-PAD * one_x, at, name, ha="right", va="center_baseline", transform=axis.transAxes)
    if xlabel:
        axis.text(0.5, -3.4 * PAD * one_y, xlabel, ha="center", va="top", transform=axis.transAxes)
    if ylabel:
        left = 1.6 * PAD + DIGIT * max(map(len, y_names), default=0)
        axis.text(-left * one_x, 0.5, ylabel, ha="right", va="center", rotation=90, transform=axis.transAxes)


def bars(
    axis: plt.Axes,
    x: Numbers,
    heights: Numbers,
    width: float,
    colour: Colour | Sequence[Colour],
    bottom: Numbers | float = 0.0,
    lw: float = 0,
    **looks: Any,
) -> None:
    """Bars of one width around each x, from their bottoms up, in one colour or one each."""
    middle = np.asarray(x, dtype=float)
    boxes = _boxes(middle - width / 2, np.broadcast_to(bottom, middle.shape), width, np.asarray(heights))
    axis.add_collection(PolyCollection(boxes, facecolors=colour, lw=lw, **looks))
    axis.autoscale_view()


def legend(axis: plt.Axes, names: Mapping[str, Colour], place: str = "upper left", size: float = 10) -> None:
    """Names in a corner, or in the middle ("upper left", "lower centre"), a square of its colour beside each."""
    one_x, one_y = _point(axis)
    right, low = "right" in place, "lower" in place
    beside = 0.35 if "centre" in place else 1 - 6 * one_x if right else 6 * one_x
    rows = 1.5 * size * one_y * (np.arange(len(names)) + 0.7)
    heights = rows[::-1] if low else 1 - rows
    side = 0.8 * size
    left = np.full(len(names), beside - right * side * one_x)
    boxes = _boxes(left, heights - side / 2 * one_y, side * one_x, side * one_y)
    axis.add_collection(
        PolyCollection(boxes, facecolors=list(names.values()), transform=axis.transAxes, zorder=4), autolim=False
    )
    for name, height in zip(names, heights, strict=True):
        gap = (side + 5) * one_x * (-1 if right else 1)
        axis.text(
            beside + gap,
            height,
            name,
            ha="right" if right else "left",
            va="center_baseline",
            fontsize=size,
            transform=axis.transAxes,
        )


def put(
    figure: plt.Figure,
    shown: Tensor | np.ndarray,
    left: float,
    bottom: float,
    width: float,
    height: float = 0.0,
    cmap: str = "gray_r",
    low: float = 0,
    high: float = 255,
) -> None:
    """An image (C, H, W), or its picture, in a box of the figure, without axes; square where no height is given."""
    height = height or width * figure.get_figwidth() / figure.get_figheight()
    box = TransformedBbox(Bbox.from_bounds(left, bottom, width, height), figure.transFigure)
    image = BboxImage(box, cmap=cmap)
    image.set_clim(low, high)
    image.set_data(picture(shown) if isinstance(shown, Tensor) else shown)
    figure.add_artist(image)


def plane(
    figure: plt.Figure,
    left: float,
    bottom: float,
    width: float,
    height: float,
    low: Sequence[float],
    high: Sequence[float],
) -> BboxTransform:
    """From points between two corners to a box of the figure, for artists without axes."""
    box = TransformedBbox(Bbox.from_bounds(left, bottom, width, height), figure.transFigure)
    return BboxTransform(Bbox([low, high]), box)


def dots(places: Tensor, to: Transform, size: float, **looks: Any) -> CircleCollection:
    """Dots at places (n, 2) of a plane; `size` is that of `scatter`, the square of a diameter in points."""
    shown = {"offsets": places.numpy(), "offset_transform": to}
    return CircleCollection([np.pi / 4 * size], **shown, **looks)


def numeral(value: float) -> str:
    """A number as axes show it."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _marks(given: Marks, low: float, high: float) -> tuple[list[float], list[str]]:
    if isinstance(given, Mapping):
        return list(given), list(given.values())
    if isinstance(given, int):
        found = MaxNLocator(given, steps=[1, 2, 5, 10]).tick_values(low, high)
        given = [at for at in map(float, found) if low <= at <= high]
    return list(given), [numeral(at) for at in given]


def _point(axis: plt.Axes) -> np.ndarray:
    """A typographic point as shares of the axes' width and height."""
    return axis.figure.dpi / 72 / np.array(axis.bbox.size)


def _boxes(left: np.ndarray, bottom: np.ndarray, width: float, height: np.ndarray | float) -> list[np.ndarray]:
    """Corners (4, 2) of each box."""
    right, top = left + width, bottom + height
    corners = [np.stack(each, 1) for each in ((left, bottom), (right, bottom), (right, top), (left, top))]
    return list(np.stack(corners, 1))
