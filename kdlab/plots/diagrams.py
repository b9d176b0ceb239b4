"""Diagrams: what flows through which network into which loss."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .style import PALETTE, STYLE, bare
from .texts import is_formula, legible

WIDTH, HEIGHT, GAP = 1.5, 0.62, 0.5


@legible(24)
def plot_pipeline(panels: Mapping[str, tuple[Sequence[Sequence[str]], str]]) -> plt.Figure:
    """A panel a method, {title: (lanes, loss)}: boxes of each lane from left to right, then the loss that joins them.

    A name in brackets, "[projector]", is a network and drawn as a box, the same network in the same colour;
    "~[projector]" is dashed: no gradient reaches it. Other names (views, embeddings) stand without a box.
    """
    networks = dict.fromkeys(
        box.removeprefix("~") for lanes, _ in panels.values() for lane in lanes for box in lane if box.endswith("]")
    )
    colours = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(networks)}
    longest = max(len(lane) for lanes, _ in panels.values() for lane in lanes)
    rows = sum(len(lanes) for lanes, _ in panels.values())
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = plt.subplots(
            len(panels),
            1,
            figsize=(1.35 * (longest + 1), 0.75 * rows + 0.55 * len(panels)),
            squeeze=False,
            height_ratios=[len(lanes) for lanes, _ in panels.values()],
        )
        for axis, (title, (lanes, loss)) in zip(axes[:, 0], panels.items(), strict=True):
            end = longest * (WIDTH + GAP)
            for row, lane in enumerate(lanes):
                for i, box in enumerate(lane):
                    left = i * (WIDTH + GAP)
                    _box(axis, left, -row, box, colours.get(box.removeprefix("~")))
                    if i:
                        _arrow(axis, left - GAP, -row, left, -row)
                middle = -(len(lanes) - 1) / 2
                _arrow(axis, len(lane) * (WIDTH + GAP) - GAP, -row, end, middle)
            _box(axis, end, middle, loss, (0.25, 0.25, 0.25))
            axis.set(xlim=(-0.1, end + WIDTH + 0.1), ylim=(-len(lanes) + 0.45, 0.55), title=title)
            bare(axis)
    return figure


def _box(axis: plt.Axes, left: float, y: float, text: str, colour: tuple[float, ...] | None) -> None:
    follows = text.startswith("~")
    if colour is not None:
        axis.add_patch(
            FancyBboxPatch(
                (left, y - HEIGHT / 2),
                WIDTH,
                HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.12",
                fc=(*colour[:3], 0.06 if follows else 0.22),
                ec=colour,
                lw=1.8,
                ls="--" if follows else "-",
            )
        )
    shown = text.removeprefix("~").strip("[]")
    axis.annotate(shown, (left + WIDTH / 2, y), ha="center", va="center", fontsize=10, parse_math=is_formula(shown))


def _arrow(axis: plt.Axes, x: float, y: float, to_x: float, to_y: float) -> None:
    axis.add_patch(
        FancyArrowPatch((x + 0.04, y), (to_x - 0.04, to_y), arrowstyle="-|>", mutation_scale=11, color="0.35")
    )
