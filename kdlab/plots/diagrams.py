"""Diagrams: the path of data through networks into losses, and of networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from ..models import Network, branches
from .style import PALETTE, PICTURES, STYLE, bare, is_formula, styled

WIDTH, HEIGHT, GAP = 1.5, 0.62, 0.5


@styled({**STYLE, "axes.grid": False}, 24)
def plot_pipeline(panels: Mapping[str, tuple[Sequence[Sequence[str]], str]]) -> plt.Figure:
    """Draw methods as lanes of boxes that end in a loss: {title: (lanes, loss)}.

    A name in brackets, "[projector]", is a network and drawn as a box, the same network in the same colour;
    "~[projector]" is dashed: no gradient reaches it. Other names (views, embeddings) stand without a box.
    """
    networks = dict.fromkeys(
        box.removeprefix("~") for lanes, _ in panels.values() for lane in lanes for box in lane if box.endswith("]")
    )
    colours = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(networks)}
    longest = max(len(lane) for lanes, _ in panels.values() for lane in lanes)
    rows = sum(len(lanes) for lanes, _ in panels.values())
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
                    _arrow(axis, left - GAP + 0.04, -row, left - 0.04, -row)
            middle = -(len(lanes) - 1) / 2
            _arrow(axis, len(lane) * (WIDTH + GAP) - GAP + 0.04, -row, end - 0.04, middle)
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


def _arrow(axis: plt.Axes, x: float, y: float, to_x: float, to_y: float, colour: Any = "0.35") -> None:
    axis.add_patch(FancyArrowPatch((x, y), (to_x, to_y), arrowstyle="-|>", mutation_scale=11, color=colour))


@styled({**PICTURES, "figure.constrained_layout.use": False})
def plot_branches(net: Network, outputs: int, side: int) -> plt.Figure:
    """Draw a network's stages, and behind each the branch that repeats the rest.

    Boxes name channels x side of their maps, where `side` pixels come in; a height of two equal stages is equal.
    """
    count = len(net.blueprints)
    margins = {"left": 0.01, "bottom": 0.02, "right": 0.99, "top": 0.98}
    figure, axis = plt.subplots(figsize=(2.1 * (count + 3), 1.15 * (count + 1) + 0.6), gridspec_kw=margins)

    def box(x: float, y: float, text: str, colour: tuple[float, ...], filled: bool = True) -> None:
        face = (*colour, 0.25 if filled else 0)
        axis.add_patch(Rectangle((x - 0.4, y - 0.3), 0.8, 0.6, fc=face, ec=colour, lw=2))
        axis.text(x, y, text, ha="center", va="center", fontsize=10)

    sides = [side]
    for stage in net.blueprints:
        sides.append(-(-sides[-1] // stage.stride))
    box(0, 0, f"stem\n{net.stem_width} x {side}²", (0.4, 0.4, 0.4))
    for i, stage in enumerate(net.blueprints):
        box(i + 1, 0, f"stage {i + 1}\n{stage.width} x {sides[i + 1]}²", PALETTE[0])
        _arrow(axis, i + 0.4, 0, i + 0.6, 0)
    box(count + 2, 0, f"classifier\n{net.num_classes} classes", PALETTE[2])
    _arrow(axis, count + 0.4, 0, count + 1.6, 0)
    for i, branch in enumerate(branches(net, outputs)):
        y, end, width = i - count, i + 1.0, sides[i + 1]
        axis.plot([end, end], [-0.3, y], color=PALETTE[1], lw=1.5, zorder=0)
        rest = list(enumerate(net.blueprints))[i + 1 :] or [(count - 1, net.extra)]
        for x, (number, stage) in enumerate(rest, i + 2):
            width = -(-width // stage.stride)
            _arrow(axis, end, y, x - 0.4, y, PALETTE[1])
            box(x, y, f"stage {number + 1}'\n{stage.width} x {width}²", PALETTE[1], filled=False)
            end = x + 0.4
        _arrow(axis, end, y, count + 1.6, y, PALETTE[1])
        box(count + 2, y, f"branch {i + 1}\n{outputs} joint labels", PALETTE[3])
        parameters = f"{sum(p.numel() for p in branch.parameters()):,}\nparameters"
        axis.text(count + 2.5, y, parameters, va="center", fontsize=9, color="0.35")
    axis.text(-0.4, -count / 2 - 0.5, "used in training only", fontsize=10, color=PALETTE[1], va="center")
    axis.set(xlim=(-0.5, count + 3.4), ylim=(-count - 0.5, 0.5))
    bare(axis)
    return figure
