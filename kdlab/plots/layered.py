"""Figures of rotated versions, of matrices that relate them, of branches, and of what a past prediction softens."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from ..engine.report import interval
from ..models import Network, branches
from .style import PALETTE, PICTURES, STYLE, Scored, bare, colours, label_of, picture
from .texts import legible, name_all


@legible(20)
def plot_versions(
    images: Tensor, rows: Sequence[str], columns: Sequence[str], notes: Sequence[str] = (), title: str = ""
) -> plt.Figure:
    """uint8 images (n, C, H, W), row by row, in a grid with named rows and columns; `notes` stand below each."""
    with plt.rc_context(PICTURES):
        side = 1.25
        figure, axes = plt.subplots(
            len(rows),
            len(columns),
            squeeze=False,
            figsize=(side * len(columns) + 1.3, (side + 0.22 * bool(notes)) * len(rows) + 0.3 + 0.35 * bool(title)),
        )
        for i, (axis, image) in enumerate(zip(axes.flat, images, strict=True)):
            axis.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(visible=True, color="0.8")
            if notes:
                axis.set_xlabel(notes[i], fontsize=10, labelpad=2)
        for axis, name in zip(axes[0], columns, strict=True):
            axis.set_title(name, fontsize=10.5)
        for axis, name in zip(axes[:, 0], rows, strict=True):
            axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10.5)
        if title:
            figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure


@legible(16, 30)
def plot_similarity(panels: Mapping[str, Tensor], images: Tensor, turns: Sequence[str]) -> plt.Figure:
    """Matrices (rB, B) of cosines between r transformed versions of each of B images and the images themselves.

    The images stand above their columns; a frame marks the true column of each row, a dot the largest entry.
    """
    B, low = len(images), min(float(A.min()) for A in panels.values())
    with plt.rc_context(PICTURES):
        figure, axes = plt.subplots(1, len(panels), figsize=(3.1 * len(panels) + 1.2, 6.2), squeeze=False)
        for axis, (name, A) in zip(axes[0], panels.items(), strict=True):
            per = len(A) // B
            shown = axis.imshow(A.numpy(), cmap="cividis", vmin=min(0.0, low), vmax=1, aspect="auto")
            for column, image in enumerate(images):
                frame = Rectangle((column - 0.5, per * column - 0.5), 1, per, fill=False, ec="white", lw=2.5)
                frame.set_path_effects([withStroke(linewidth=5, foreground="black")])  # to be seen on yellow
                axis.add_patch(frame)
                inset = axis.inset_axes([column / B, 1.01, 1 / B, 0.09])
                inset.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
                bare(inset)
            axis.plot(A.argmax(1), range(len(A)), "o", color=PALETTE[1], mec="white", ms=7)
            hit = 100 * float(np.mean(A.argmax(1).numpy() == np.arange(len(A)) // per))
            axis.set(xticks=[], yticks=[], xlabel=f"{hit:.0f} % of the rows right")
            axis.text(0.5, 1.12, name, transform=axis.transAxes, ha="center", va="bottom", fontweight="bold")
        axes[0, 0].set_yticks(range(len(turns) * B), [*turns] * B, fontsize=9)
        axes[0, 0].set_ylabel("transformed version")
        figure.colorbar(shown, ax=axes[0], label="cosine", shrink=0.7)
    return figure


@legible()
def plot_selection(ranks: Sequence[int], kept: Mapping[float, Sequence[int]], names: Sequence[str]) -> plt.Figure:
    """Left: the rank of the true answer in every row. Right: which rows each ratio keeps."""
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(9.5, 0.3 * len(ranks) + 1.3), sharey=True, width_ratios=[2, 3]
        )
        tints = [PALETTE[2] if rank == 0 else PALETTE[1] for rank in ranks]
        left.barh(range(len(ranks)), [rank + 0.08 for rank in ranks], color=tints)
        left.set(yticks=range(len(ranks)), yticklabels=names, xlabel="entries above the true one")
        left.set_xticks(range(max(ranks) + 1))
        left.set_ylim(len(ranks) - 0.4, -0.6)
        left.set_title("Rank of the true answer")
        for column, rows in enumerate(kept.values()):
            right.plot([column] * len(ranks), range(len(ranks)), "s", ms=11, mfc="none", mec="0.85")
            for row in rows:
                right.plot(column, row, "s", ms=11, color=tints[row])
        counts = [f"{ratio:g}\n{len(rows)} rows" for ratio, rows in kept.items()]
        right.set(xticks=range(len(kept)), xticklabels=counts, xlabel="ratio", xlim=(-0.6, len(kept) - 0.4))
        right.grid(visible=False)
        right.set_title("Rows that teach")
    return figure


@legible()
def plot_against(
    systems: Mapping[str, Mapping[float, Sequence[Scored]]],
    xlabel: str,
    metric: str = "test/accuracy",
    label: str = "",
) -> plt.Figure:
    """`metric` against a quantity, a line per system: {system: {x: runs}}. Bars are 95 % intervals, dots seeds."""
    palette = colours(list(systems))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 4.2))
        places = sorted({x for points in systems.values() for x in points})
        step = min(np.diff(places), default=1.0) * 0.045
        for i, (name, points) in enumerate(systems.items()):
            shift = step * (i - (len(systems) - 1) / 2)
            x = np.array(sorted(points))
            means, halves = zip(*(interval([run[metric] for run in points[at]]) for at in x), strict=True)
            axis.errorbar(
                x + shift,
                means,
                np.nan_to_num(halves),
                color=palette[name],
                lw=2.2,
                marker="o",
                ms=7,
                mec="white",
                capsize=4,
                elinewidth=1.4,
                label=name,
            )
            for at in x:
                values = [run[metric] for run in points[at]]
                axis.plot([at + shift] * len(values), values, ".", color=palette[name], alpha=0.45, ms=6)
        axis.set(xlabel=xlabel, ylabel=label or label_of(metric), xticks=places)
        name_all(axis)
        axis.set_title("large dots: means   small: seeds   bars: 95 % intervals", fontsize=10, fontweight="normal")
    return figure


@legible()
def plot_branches(net: Network, outputs: int, side: int, teaching: bool = False) -> plt.Figure:
    """The stages of a network, and behind each the branch that repeats the remaining ones; `side` pixels come in.

    Boxes name channels x side of their maps; a height of two equal stages is equal. `teaching` adds who teaches whom in
    LSSKD: the network's features all branches, the deepest branch the others.
    """
    count, extra = len(net.blueprints), net.extra
    parameters = [sum(p.numel() for p in branch.parameters()) for branch in branches(net, outputs)]
    with plt.rc_context({**PICTURES, "figure.constrained_layout.use": False}):
        figure, axis = plt.subplots(figsize=(2.1 * (count + 3), 1.15 * (count + 1) + 0.6))
        figure.subplots_adjust(0.01, 0.02, 0.99, 0.98)

        def box(x: float, y: float, text: str, colour: tuple[float, ...], filled: bool = True) -> None:
            axis.add_patch(
                Rectangle((x - 0.4, y - 0.3), 0.8, 0.6, fc=(*colour, 0.25 if filled else 0), ec=colour, lw=2)
            )
            axis.text(x, y, text, ha="center", va="center", fontsize=10)

        def arrow(start: tuple[float, float], end: tuple[float, float], colour: Any = "0.35") -> None:
            axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=colour))

        def lesson(start: float, end: float, colour: tuple[float, ...], shift: float) -> None:
            axis.add_patch(
                FancyArrowPatch(
                    (count + 2.4, start + shift),
                    (count + 2.4, end + shift),
                    arrowstyle="-|>",
                    mutation_scale=11,
                    ls="--",
                    color=colour,
                    connectionstyle=f"arc3,rad={-0.28 / (start - end) ** 0.5}",
                )
            )

        sides = [side]
        for stage in net.blueprints:
            sides.append(-(-sides[-1] // stage.stride))
        box(0, 0, f"stem\n{net.stem_width} x {side}²", (0.4, 0.4, 0.4))
        for i, stage in enumerate(net.blueprints):
            box(i + 1, 0, f"stage {i + 1}\n{stage.width} x {sides[i + 1]}²", PALETTE[0])
            arrow((i + 0.4, 0), (i + 0.6, 0))
        box(count + 2, 0, f"classifier\n{net.num_classes} classes", PALETTE[2])
        arrow((count + 0.4, 0), (count + 1.6, 0))
        for i in range(count):
            y = -(count - i)
            rest = list(enumerate(net.blueprints))[i + 1 :] or [(count - 1, extra)]
            at = sides[i + 1]
            axis.plot([i + 1, i + 1], [-0.3, y], color=PALETTE[1], lw=1.5, zorder=0)
            for place, (number, stage) in enumerate(rest):
                at = -(-at // stage.stride)
                x = i + 2 + place
                box(x, y, f"stage {number + 1}'\n{stage.width} x {at}²", PALETTE[1], filled=False)
                arrow((x - 1 if place == 0 else x - 0.6, y), (x - 0.4, y), PALETTE[1])
            arrow((i + 1 + len(rest) + 0.4, y), (count + 1.6, y), PALETTE[1])
            box(count + 2, y, f"branch {i + 1}\n{outputs} joint labels", PALETTE[3])
            axis.text(
                count + 2.5 + 0.75 * teaching,
                y,
                f"{parameters[i]:,}\nparameters",
                va="center",
                fontsize=9,
                color="0.35",
            )
            if teaching:
                lesson(0, y, PALETTE[2], 0.05)
            if teaching and y < -1:
                lesson(-1, y, PALETTE[3], -0.02)
        if teaching:
            axis.text(count + 2.62, -0.45, "features", fontsize=9, color=PALETTE[2])
            axis.text(count + 2.62, -1.5, "KL", fontsize=9, color=PALETTE[3])
        axis.text(-0.4, -count / 2 - 0.5, "used in training only", fontsize=10, color=PALETTE[1], va="center")
        axis.set(xlim=(-0.5, count + 3.4 + 0.75 * teaching), ylim=(-count - 0.5, 0.5))
        bare(axis)
    return figure


@legible(12, 40)
def plot_targets(
    targets: Mapping[str, Tensor],
    images: Tensor,
    names: Sequence[str],
    weights: Sequence[float],
    moments: Sequence[int],
) -> plt.Figure:
    """How targets soften: an image (C, H, W) and its targets (T, K) a panel, top to bottom; right: weights (T,)."""
    panels = len(targets)
    with plt.rc_context(PICTURES):
        figure, axes = plt.subplots(
            1,
            panels + 1,
            figsize=(4.1 * panels + 2, 0.34 * len(moments) + 2.2),
            sharey=True,
            width_ratios=[3] * panels + [1.3],
        )
        for axis, image, (title, matrix) in zip(axes, images, targets.items(), strict=False):
            shown = axis.imshow(matrix.numpy(), cmap="cividis", vmin=0, vmax=1, aspect="auto")
            for t, row in enumerate(matrix.tolist() if len(names) <= 12 else []):
                for k, p in enumerate(row):
                    if p >= 0.02:
                        axis.text(
                            k,
                            t,
                            f"{p:.2f}".lstrip("0"),
                            ha="center",
                            va="center",
                            fontsize=8.5,
                            color="black" if p > 0.55 else "white",
                        )
            every = range(0, len(names), max(1, len(names) // 10))
            axis.set(xticks=every, xticklabels=[names[k] for k in every], xlabel="class")
            inset = axis.inset_axes([0, 1.03, 0.2, 0.26])
            inset.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
            bare(inset)
            axis.text(0.24, 1.1, title, transform=axis.transAxes, fontweight="bold", fontsize=12)
        axes[0].set(yticks=range(len(moments)), yticklabels=[t + 1 for t in moments], ylabel="epoch")
        figure.colorbar(shown, ax=axes[:-1], label="target probability", pad=0.02)
        axes[-1].barh(range(len(weights)), weights, color=PALETTE[1])
        axes[-1].set(xlim=(0, 1), xlabel="weight of the past")
        axes[-1].spines[["left"]].set_visible(False)
    return figure


@legible()
def plot_depth(systems: Mapping[str, Sequence[Sequence[float]]], names: Sequence[str]) -> plt.Figure:
    """Test accuracy by depth, as means with 95 % intervals: {system: a row per run, a value per exit}.

    A line may end early. "name, kind" gives one colour to each name and one dash to each kind.
    """
    kinds = list(dict.fromkeys(name.partition(", ")[2] for name in systems))
    palette = colours(list(dict.fromkeys(name.partition(", ")[0] for name in systems)))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 4.2))
        for i, (name, runs) in enumerate(systems.items()):
            who, _, kind = name.partition(", ")
            exits = list(zip(*runs, strict=True))
            x = np.arange(len(exits)) + 0.07 * (i - (len(systems) - 1) / 2)
            means, halves = zip(*(interval(values) for values in exits), strict=True)
            axis.errorbar(
                x,
                means,
                np.nan_to_num(halves),
                color=palette[who],
                lw=2.2,
                ls=["-", "--", ":"][kinds.index(kind) % 3],
                marker="os^"[kinds.index(kind) % 3],
                ms=8,
                mec="white",
                capsize=4,
                elinewidth=1.4,
                label=name,
            )
            for at, values in zip(x, exits, strict=True):
                axis.plot([at] * len(values), values, ".", color=palette[who], alpha=0.5)
        axis.set(xticks=range(len(names)), xticklabels=names, ylabel="test accuracy, %")
        name_all(figure, loc="outside lower center", ncols=2)
        axis.set_title("means with 95 % intervals   small dots: seeds", fontsize=10, fontweight="normal")
    return figure
