"""Figures of batches, similarities, queues, and what self-supervision learns."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from .style import CLASS, NAME, PALETTE, PICTURES, STYLE, colours, name_all, show_image, styled


@styled(PICTURES, 16, 40)
def plot_cosines(
    panels: Mapping[str, Tensor], groups: Sequence[str] = (), counts: Sequence[int] = (), shared: bool = True
) -> plt.Figure:
    """Draw square matrices of cosines, with white lines between groups of rows.

    `groups` name `counts` neighbouring rows each. One scale for all, or (not `shared`) a scale a panel, which shows
    what lies within a narrow range.
    """
    low, edges = min(float(m.min()) for m in panels.values()), np.cumsum(counts)
    figure, axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels) + 0.9, 3.7), squeeze=False)
    for axis, (name, matrix) in zip(axes[0], panels.items(), strict=True):
        least = min(0.0, low) if shared else float(matrix.min())
        shown = axis.imshow(matrix.numpy(), cmap="cividis", vmin=least, vmax=1, interpolation="nearest")
        if not shared:
            figure.colorbar(shown, ax=axis, shrink=0.7)
        for edge in edges[:-1]:
            axis.axhline(edge - 0.5, color="white", lw=0.8)
            axis.axvline(edge - 0.5, color="white", lw=0.8)
        axis.set(xticks=[], yticks=[], title=name)
    if len(edges):
        middle = edges - np.asarray(counts) / 2 - 0.5
        axes[0, 0].set_yticks(middle, groups)
        for axis in axes[0]:
            axis.set_xticks(middle, groups)
            axis.tick_params(length=0)
    if shared:
        figure.colorbar(shown, ax=axes[0], label="cosine", shrink=0.8)
    return figure


@styled({**PICTURES, "axes.titlelocation": "left"}, CLASS, 30)
def plot_parts(draws: Mapping[str, Sequence[tuple[str, Sequence[str]]]], classes: Sequence[str]) -> plt.Figure:
    """Draw what a batch is made of: {sampling: [(part, classes of its images)]}.

    An image is a square with its class, or "?" where it is unlabelled.
    """
    widest = max(sum(len(labels) for _, labels in parts) + len(parts) for parts in draws.values())
    figure, axis = plt.subplots(
        figsize=(min(10, 0.34 * widest + 1.5 + 0.09 * max(0, max(map(len, draws)) - 12)), 0.85 * len(draws) + 0.3)
    )
    for row, parts in enumerate(draws.values()):
        x = 0
        for part, labels in parts:
            for label in labels:
                colour = "0.88" if label == "?" else PALETTE[classes.index(label) % len(PALETTE)]
                axis.add_patch(Rectangle((x, row), 0.92, 0.5, color=colour))
                tint = "0.2" if label == "?" or sum(to_rgb(colour)) > 1.6 else "white"
                text = label if len(label) < 3 else label[:2]
                axis.text(x + 0.46, row + 0.25, text, ha="center", va="center", fontsize=8.5, color=tint)
                x += 1
            axis.text(x - len(labels), row - 0.06, part, fontsize=9, va="bottom")
            x += 1
    axis.set(
        xlim=(-0.2, widest),
        ylim=(len(draws) - 0.35, -0.4),
        xticks=[],
        yticks=np.arange(len(draws)) + 0.25,
        yticklabels=draws,
    )
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return figure


@styled(STYLE)
def plot_queue(ages: Tensor, similarity: Mapping[str, Sequence[float]]) -> plt.Figure:
    """Draw the age of the keys of a queue, and lines against the age of a key.

    `ages` (steps, places) are in steps; NaN is a vector that is still random.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), width_ratios=[3, 2])
    colour_map = plt.get_cmap("viridis_r").with_extremes(bad="0.9")
    shown = left.imshow(np.ma.masked_invalid(ages.numpy()), cmap=colour_map, aspect="auto", interpolation="nearest")
    left.set(xlabel="place in the queue", ylabel="training step", title="Age of the keys")
    left.grid(visible=False)
    left.legend(handles=[Patch(color="0.9", label="random vector")], loc="upper right", frameon=True)
    figure.colorbar(shown, ax=left, label="age, steps")
    for (name, values), tint in zip(similarity.items(), colours(list(similarity)).values(), strict=True):
        right.plot(range(len(values)), values, color=tint, lw=2.5, marker="o", ms=4, label=name)
    right.set(xlabel="age of the key, steps", ylabel="cosine with what the encoder says now", title="Staleness")
    name_all(right)
    return figure


@styled(STYLE, NAME, 30)
def plot_pair_cosines(panels: Mapping[str, Mapping[str, Tensor]]) -> plt.Figure:
    """Draw histograms of cosines, {panel: {kind of pair: values}}, with their means.

    Each is scaled to area 1.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels) + 0.4, 3.3), sharex=True, squeeze=False)
    low = min(float(v.min()) for kinds in panels.values() for v in kinds.values())
    bins = np.linspace(min(low, 0), 1, 26)
    for axis, (title, kinds) in zip(axes[0], panels.items(), strict=True):
        for (name, values), colour in zip(kinds.items(), colours(list(kinds)).values(), strict=True):
            axis.hist(values.numpy(), bins, density=True, histtype="step", color=colour, lw=2, label=name)
            axis.axvline(float(values.mean()), color=colour, lw=1.2, ls="--")
        axis.set(title=title, xlabel="cosine", yticks=[])
        axis.grid(axis="y", visible=False)
    axes[0, 0].set_ylabel("share of the pairs")
    name_all(axes[0, -1], loc="upper left", bbox_to_anchor=(1, 1), fontsize=10)
    return figure


@styled(PICTURES, 16, 30)
def plot_similarity(panels: Mapping[str, Tensor], images: Tensor, turns: Sequence[str]) -> plt.Figure:
    """Draw cosines (rB, B) of r transformed versions of B images with the images.

    The images stand above their columns; a frame marks the true column of each row, a dot the largest entry.
    """
    B, low = len(images), min(float(A.min()) for A in panels.values())
    figure, axes = plt.subplots(1, len(panels), figsize=(3.1 * len(panels) + 1.2, 6.2), squeeze=False)
    for axis, (name, A) in zip(axes[0], panels.items(), strict=True):
        per = len(A) // B
        shown = axis.imshow(A.numpy(), cmap="cividis", vmin=min(0.0, low), vmax=1, aspect="auto")
        for column, image in enumerate(images):
            frame = Rectangle((column - 0.5, per * column - 0.5), 1, per, fill=False, ec="white", lw=2.5)
            frame.set_path_effects([withStroke(linewidth=5, foreground="black")])  # to be seen on yellow
            axis.add_patch(frame)
            inset = axis.inset_axes([column / B, 1.01, 1 / B, 0.09])
            show_image(inset, image)
        axis.plot(A.argmax(1), range(len(A)), "o", color=PALETTE[1], mec="white", ms=7)
        hit = 100 * float(np.mean(A.argmax(1).numpy() == np.arange(len(A)) // per))
        axis.set(xticks=[], yticks=[], xlabel=f"{hit:.0f} % of the rows right")
        axis.text(0.5, 1.12, name, transform=axis.transAxes, ha="center", va="bottom", fontweight="bold")
    axes[0, 0].set_yticks(range(len(turns) * B), [*turns] * B, fontsize=9)
    axes[0, 0].set_ylabel("transformed version")
    figure.colorbar(shown, ax=axes[0], label="cosine", shrink=0.7)
    return figure
