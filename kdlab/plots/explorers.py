"""Figures that explorers redraw while a control moves.

They have fixed margins: to lay a figure out costs as much time as to draw it, and a picture that moves should move
nothing but its data.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle
from torch import Tensor

from ..engine.report import interval
from ..losses import kd
from .distillation import draw_stopping
from .images import draw_map, joined, plot_strips
from .style import CONTROL, GREY, NAME, PALETTE, STYLE, bare, colours, label_of, name_all, show_image, styled

MOVING = {
    **STYLE,
    "figure.constrained_layout.use": False,
    "axes.titleweight": "normal",
    "axes.titlesize": 11,
    "axes.titley": 1.0,  # where a title would else be sought by measuring all ticks
}
FREE = 1.25  # up to here an axis of probabilities has room for a legend above all bars


@styled(MOVING)
def plot_interval(values: Sequence[float], label: str = "difference, points") -> plt.Figure:
    """Draw differences in the order of the seeds, their mean so far and its interval.

    A band is a 95 % interval: green where it excludes 0, and cut off where it is much wider than the values. One seed
    has none.
    """
    numbers, drawn = np.arange(1, len(values) + 1), list(values)
    means, halves = np.array([interval(drawn[:n]) for n in numbers]).T
    figure, axis = plt.subplots(figsize=(8, 3.6), gridspec_kw={"left": 0.09, "bottom": 0.16, "right": 0.98, "top": 0.9})
    bands = [PALETTE[2 if abs(mean) > half else 1] for mean, half in zip(means[1:], halves[1:], strict=True)]
    axis.bar(numbers[1:], 2 * halves[1:], 1, means[1:] - halves[1:], color=bands, alpha=0.3)
    axis.plot(numbers, means, "_", color="0.2", ms=14, mew=2.5)
    axis.plot(numbers, values, "o", color=PALETTE[0], mec="white", ms=7)
    axis.axhline(0, color="0.4", lw=1.2, ls="--")
    reach = 1.6 * max(1.0, float(np.abs(values).max()))
    most = max(20, len(values))
    every = 5 * (1 + most // 40)
    result = f"{means[-1]:.1f} ± {halves[-1]:.1f}" if len(values) > 1 else "one seed: no interval"
    cut = ", cut at the edges" if (abs(means) + halves)[1:].max(initial=0) > reach else ""
    axis.set(
        xlim=(0.4, most + 0.6),
        ylim=(-reach, reach),
        xticks=[1, *range(every, most + 1, every)],
        xlabel="seeds so far",
        ylabel=label,
        title=f"after {len(values)}: {result}   (dots: seeds, lines: means so far, bands: 95 % intervals{cut})",
    )
    return figure


@styled(MOVING, 12)
def plot_temperature(
    image: Tensor,
    teacher: Tensor,
    student: Tensor,
    T: float,
    classes: Sequence[str],
    truth: int,
    gradients: tuple[Sequence[float], Sequence[float]],
) -> plt.Figure:
    """Draw an image (C, H, W), two networks' softened logits (K,) and KD's gradient.

    `gradients` are temperatures and the length of the gradient at each; a dot marks T.
    """
    softened = {}
    for name, z in (("teacher", teacher), ("student", student)):
        p = (z / T).softmax(0).numpy()
        entropy = float(-(p * np.log(np.maximum(p, 1e-12))).sum())
        softened[f"{name}, entropy {entropy:.2f}"] = p
    figure, (left, chances, curve) = _beside(image, [1, 2, 1.5], classes)
    left.set_title(f"class {classes[truth]}")
    _draw_classes(chances, softened, classes)
    loss = kd(student[None], teacher[None], T).item()
    chances.set(ylim=(0, FREE), title=f"softmax at T = {T:.3g}   T² KL = {loss:.3f}")
    curve.plot(*gradients, color="0.3", lw=2)
    curve.plot([T], np.interp([T], *gradients), "o", color="0.1", ms=9)
    curve.set(
        xscale="log",
        ylim=(0, 1.08 * max(gradients[1]) or 1),  # of a network with itself there is no gradient
        xlabel="T",
        title="length of the gradient of T² KL",
    )
    curve.set_xticks([0.5, 1, 2, 5, 10, 20, 50], ["0.5", "1", "2", "5", "10", "20", "50"])
    curve.minorticks_off()
    return figure


@styled(MOVING, 12)
def plot_readings(image: Tensor, logits: Mapping[str, Tensor], classes: Sequence[str]) -> plt.Figure:
    """Draw what networks read in an image (C, H, W): logits and probabilities of each."""
    figure, (_, left, right) = _beside(image, [1, 2, 2], classes)
    _draw_classes(left, {name: z.numpy() for name, z in logits.items()}, classes, named=False)
    left.set_title("logits")
    answers = {f"{name}: {classes[int(z.argmax())]}": z.softmax(0).numpy() for name, z in logits.items()}
    _draw_classes(right, answers, classes)
    right.set(ylim=(0, FREE), title="probabilities")
    return figure


@styled(MOVING, 12)
def plot_soft_target(
    image: Tensor,
    target: Tensor,
    truth: int,
    names: Sequence[str],
    exits: Mapping[str, Sequence[float]],
    epoch: int,
    title: str,
) -> plt.Figure:
    """Draw an image (C, H, W), its softened target, and accuracies by exit and epoch.

    The target is one of K classes, which have names, or of K classes in several turns, those of a class together; the
    true one is dark.
    """
    turns = len(target) // len(names)
    every = range(0, len(names), max(1, len(names) // 10))
    palette = colours(list(exits))
    figure, (_, shares, lines) = _beside(image, [1, 2.2, 2], names)
    tints = ["0.15" if i == truth else "0.65" for i in range(len(target))]
    shares.bar(range(len(target)), target.tolist(), 0.85, color=tints)
    _name_classes(shares, [(i + 0.5) * turns - 0.5 for i in every], [names[i] for i in every])
    shares.set(ylim=(0, 1.02), yticks=(0, 0.5, 1), title=title)
    if turns > 1:
        shares.set_xlabel(f"class, in {turns} turns each")
    for name, colour in palette.items():
        _draw_moment(lines, exits[name], epoch, colour, name, lw=2.5 if name == "classifier" else 1.5)
    lines.set(ylim=(0, 102), xlabel="epochs trained", title="test accuracy of each exit, %")
    name_all(lines, loc="lower right", fontsize=8.5)
    return figure


def _beside(image: Tensor, widths: Sequence[float], classes: Sequence[str]) -> tuple[plt.Figure, list[plt.Axes]]:
    """Return a figure with an image at its left, and its panels.

    Long class names get more room below.
    """
    long = max(map(len, classes)) > 3
    figure, axes = plt.subplots(
        1,
        len(widths),
        figsize=(10, 3.9 if long else 3.1),
        width_ratios=widths,
        gridspec_kw={"left": 0.01, "bottom": 0.36 if long else 0.18, "right": 0.99, "top": 0.88, "wspace": 0.2},
    )
    show_image(axes[0], image)
    return figure, list(axes)


def _draw_classes(
    axis: plt.Axes, systems: Mapping[str, np.ndarray], classes: Sequence[str], named: bool = True
) -> None:
    """Draw a value for each class and system as bars side by side."""
    for i, (name, colour) in enumerate(colours(list(systems)).items()):
        shift = 0.4 * i - 0.2 * (len(systems) - 1)
        axis.bar(np.arange(len(classes)) + shift, systems[name], 0.4, color=colour, label=name)
    every = range(0, len(classes), 1 + len(classes) // 20)
    _name_classes(axis, every, [classes[k] for k in every])
    if named:
        axis.set_yticks((0, 0.5, 1))
        name_all(axis, loc="upper left", fontsize=10, borderaxespad=0.2)


def _name_classes(axis: plt.Axes, ticks: Sequence[float], names: Sequence[str]) -> None:
    """Name classes below their bars, long names aslant."""
    slant: dict[str, Any] = {"rotation": 40, "ha": "right"} if max(map(len, names)) > 3 else {}
    axis.set_xticks(ticks, names, **slant)
    axis.set_xlabel("class")
    axis.grid(axis="x", visible=False)


def _draw_moment(axis: plt.Axes, values: Sequence[float], at: int, colour: tuple, name: str, lw: float = 2) -> None:
    """Draw a line of values by epoch, with a dot at one of them."""
    axis.plot(values, color=colour, lw=lw, label=name)
    axis.plot([at], [values[at]], "o", color=colour, ms=7)


@styled(MOVING)
def plot_circle(points: Tensor, angles: Tensor, history: Sequence[float], loss: float) -> plt.Figure:
    """Draw embeddings (n, 2) on the unit circle by angles (n,), and the spread so far."""
    figure, (circle, spread) = plt.subplots(
        1,
        2,
        figsize=(8.4, 3.7),
        width_ratios=[3, 4],
        gridspec_kw={"left": 0.02, "bottom": 0.15, "right": 0.98, "top": 0.9, "wspace": 0.15},
    )
    circle.add_patch(Circle((0, 0), 1, fill=False, ec="0.8", zorder=0.5))
    circle.scatter(*points.T.numpy(), 55, angles.numpy(), cmap="twilight_shifted", edgecolors="0.3", linewidths=0.4)
    circle.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal", title="embeddings; colour: the image")
    bare(circle)
    spread.plot(range(len(history)), history, color=PALETTE[0], lw=2)
    spread.plot([len(history) - 1], history[-1:], "o", color=PALETTE[0], ms=7, clip_on=False)
    ending = f"      loss {loss:.3f}" if len(history) > 1 else ""  # before the first step there is none
    spread.set(
        ylim=(-0.03, 1.03),
        xlim=(0, max(60, len(history))),
        xlabel="step",
        title=f"spread: 1 all around, 0 collapsed{ending}",
    )
    return figure


@styled(MOVING)
def plot_ramp(alpha: Sequence[float], scores: Sequence[float], stop: int, best: int) -> plt.Figure:
    """Draw the weight of distillation and a recorded accuracy by epoch."""
    epochs, recorded = np.arange(1, len(alpha) + 1), np.arange(1, len(scores) + 1)
    figure, (above, below) = plt.subplots(
        2,
        1,
        figsize=(8, 4),
        sharex=True,
        height_ratios=[1, 1.8],
        gridspec_kw={"left": 0.09, "bottom": 0.13, "right": 0.98, "top": 0.92, "hspace": 0.18},
    )
    above.step(epochs, alpha, where="mid", color=PALETTE[0], lw=2.2)
    above.set(
        ylim=(-0.05, 1.05),
        yticks=(0, 0.5, 1),
        ylabel="alpha",
        title=f"stops after epoch {stop}, keeps epoch {best}: {scores[best - 1]:.1f} %",
    )
    below.plot(recorded, scores, color="0.75", lw=1.5)
    draw_stopping(below, recorded[:stop], scores[:stop], best, PALETTE[2])
    below.axvline(stop, color=PALETTE[3], lw=2, ls="--")
    below.set(xlim=(0.5, max(len(alpha), len(scores)) + 0.5), xlabel="epoch", ylabel="validation, %")
    return figure


@styled({**MOVING, "axes.grid": False})
def plot_batch(images: Tensor, cosines: Tensor, T: float, epoch: int) -> plt.Figure:
    """Draw cosines (B, B) of two views of images (B, C, H, W), and their softmax."""
    chances, B = (cosines / T).softmax(1), len(images)
    right = chances.diagonal().mean().item()
    panels = {
        f"cosines of two views, epoch {epoch}": (cosines, -1, "RdBu_r"),
        f"softmax at T = {T:.3g}: {right:.2f} on the diagonal": (chances, 0, "cividis"),
    }
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 4.2), gridspec_kw={"left": 0.005, "bottom": 0.025, "right": 0.98, "top": 0.94, "wspace": 0.04}
    )
    for axis, (title, (matrix, low, colour_map)) in zip(axes, panels.items(), strict=True):
        drawn = axis.imshow(matrix.numpy(), cmap=colour_map, vmin=low, vmax=1, extent=(0, B, B, 0))
        show_image(axis, joined(images, 1), (0, B, -0.1, -1.1))
        show_image(axis, joined(images, 0), (-1.1, -0.1, B, 0))
        axis.set(xlim=(-1.1, B), ylim=(B, -1.1), title=title)
        bare(axis)
        figure.colorbar(
            drawn,
            ax=axis,
            ticks=(low, (low + 1) / 2, 1),
            shrink=B / (B + 1.1),
            anchor=(0, 0),
            pad=0.02,
            aspect=30,
        )
    return figure


@styled({**MOVING, "axes.grid": False}, 16)
def plot_map(
    points: Tensor, y: Tensor, classes: Sequence[str], chosen: int, near: Sequence[int], images: Tensor, title: str
) -> plt.Figure:
    """Draw a map (n, 2) of images (n, C, H, W), with lines from one to its nearest.

    Beside it stand these images; a class is green if it is that of the chosen one.
    """
    rows = [chosen, *near]
    figure, (axis, strip) = plt.subplots(
        1,
        2,
        figsize=(9, 4.6),
        width_ratios=[3, 1],
        gridspec_kw={"left": 0.01, "bottom": 0.02, "right": 0.99, "top": 0.92, "wspace": 0.02},
    )
    draw_map(axis, points.numpy(), y.numpy(), classes)
    axis.add_collection(LineCollection([points[[chosen, other]].numpy() for other in near], colors="0.3", lw=1))
    axis.plot(*points[chosen].numpy(), "*", color="black", mec="white", ms=17)
    axis.set(title=title)
    _, _, H, W = images.shape
    show_image(strip, joined(images[rows], 0), (0, W / H, len(rows), 0))
    for i, row in enumerate(rows):
        name = classes[int(y[row])]
        tint = PALETTE[2 if y[row] == y[chosen] else 3] if i else "black"
        strip.text(W / H + 0.1, i + 0.5, f"class {name}" if i else f"chosen: {name}", va="center", color=tint)
    strip.set(xlim=(0, W / H + 2), anchor="W")
    bare(strip)
    return figure


@styled(MOVING)
def plot_threshold(
    confidence: Tensor, right: Tensor, threshold: float, passed: Sequence[float], good: Sequence[float], epoch: int
) -> plt.Figure:
    """Draw confidences (n,) of right and wrong guesses, and what passes a threshold.

    `passed` is the share that does after each epoch, `good` the share of these that are right, both in %.
    """
    figure, (counts, lines) = plt.subplots(
        1, 2, figsize=(9.4, 3.5), gridspec_kw={"left": 0.08, "bottom": 0.16, "right": 0.99, "top": 0.9, "wspace": 0.2}
    )
    guesses = {"right": confidence[right].numpy(), "wrong": confidence[~right].numpy()}
    bins = np.linspace(0, 1, 21)
    counts.hist(
        list(guesses.values()), bins, histtype="stepfilled", stacked=True, color=PALETTE[2:4], label=list(guesses)
    )
    counts.axvline(threshold, color="black", lw=2, ls="--")
    shares = f"{passed[epoch]:.0f} % pass, {good[epoch]:.1f} % of them right" if passed[epoch] else "none passes"
    counts.set(xlim=(0, 1.005), xlabel="confidence", ylabel="unlabelled images", title=f"after epoch {epoch}: {shares}")
    counts.legend(loc="upper center")
    _draw_moment(lines, passed, epoch, PALETTE[0], "pass, % of all")
    _draw_moment(lines, good, epoch, PALETTE[2], "right, % of those")
    lines.set(ylim=(-3, 103), xlabel="epoch", title=f"at threshold {threshold:.3g}")
    lines.legend(loc="lower right")
    return figure


@styled(MOVING, NAME, 30)
def plot_feature_maps(image: Tensor, rows: Mapping[str, Tensor], title: str) -> plt.Figure:
    """Draw an image (C, H, W) and rows of feature maps (n, h, w), each on its scale."""
    tints = torch.tensor(plt.get_cmap("cividis")(range(256), bytes=True)[:, :3])
    coloured = {"image": image[None]}
    for name, maps in rows.items():
        low, high = maps.min(), maps.max()
        levels = (255 * (maps - low) / (high - low).clamp(min=1e-6)).round().long()
        coloured[name] = tints[levels].permute(0, 3, 1, 2)
    return plot_strips(coloured, title=title)


@styled(MOVING)
def plot_budgets(
    curves: Mapping[str, Mapping[float, Sequence[float]]], label: str, log: bool, title: str
) -> plt.Figure:
    """Draw means with 95 % intervals against a quantity: {system: {x: values}}.

    The control `pixels` is a dashed grey line.
    """
    rises = 0.0
    figure, axis = plt.subplots(
        figsize=(8.4, 4), gridspec_kw={"left": 0.09, "bottom": 0.14, "right": 0.98, "top": 0.91}
    )
    palette = colours([name for name in curves if name != CONTROL])
    for name in curves:
        colour = palette.get(name, GREY)
        x = sorted(curves[name])
        means, halves = np.nan_to_num([interval(curves[name][at]) for at in x]).T
        rises += means[-1] - means[0]
        axis.plot(x, means, "o--" if name == CONTROL else "o-", color=colour, lw=2, ms=6, label=name)
        axis.fill_between(x, means - halves, means + halves, color=colour, alpha=0.2, lw=0)
    marks = sorted({at for values in curves.values() for at in values})
    axis.set(xscale="log" if log else "linear", xlabel=label, ylabel="%", title=title)
    axis.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axis.minorticks_off()
    name_all(axis, loc="lower right" if rises > 0 else "lower left", fontsize=9.5)
    return figure


@styled(MOVING)
def plot_browsed(curves: Mapping[str, Sequence[tuple[float, float]]], chosen: str, column: str) -> plt.Figure:
    """Draw curves (epoch, value) of several runs; the chosen one, if any, is thick."""
    others = [points for name, points in curves.items() if name != chosen]
    figure, axis = plt.subplots(
        figsize=(8.4, 3.6), gridspec_kw={"left": 0.1, "bottom": 0.15, "right": 0.98, "top": 0.91}
    )
    axis.add_collection(LineCollection(others, colors="0.7", lw=1))
    if chosen in curves:
        axis.plot(*zip(*curves[chosen], strict=True), color=PALETTE[0], lw=2.6, zorder=3)
    axis.autoscale_view()
    axis.set(
        xlabel="epoch",
        ylabel=column,
        title=f"{chosen}{'' if chosen in curves else ': not logged'}   (and {len(others)} others)",
    )
    return figure


@styled(MOVING)
def plot_training(log: Sequence[Mapping[str, float]], epochs: int, metric: str) -> plt.Figure:
    """Draw the loss and a validation metric of a log that is still being written."""
    figure, axes = plt.subplots(
        1, 2, figsize=(9.4, 3), gridspec_kw={"left": 0.07, "bottom": 0.17, "right": 0.99, "top": 0.88, "wspace": 0.18}
    )
    for axis, column, colour in zip(axes, ("loss", metric), (PALETTE[0], PALETTE[2]), strict=True):
        points = [(line["epoch"], line[column]) for line in log if is_number(line.get(column))]
        if points:
            axis.plot(*zip(*points, strict=True), "o-", color=colour, lw=2, ms=4)
        else:
            axis.text(0.5, 0.5, "nothing yet", transform=axis.transAxes, ha="center", color="0.5")
        axis.set(
            xlim=(0.5, max(2, epochs) + 0.5),
            xlabel="epoch",
            title=label_of(column) + (f": {points[-1][1]:.3g}" if points else ""),
        )
    return figure


def is_number(value: object) -> bool:
    """Return whether a value of a log can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
