"""Figures that are redrawn while a control moves, of what a run saw and learned: few artists, images as one array."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from torch import Tensor

from ..engine.report import interval
from .images import halo, on_white
from .light import FREE, LIGHT, SHARES, bars, dots, legend, numeral, plane, put, rule
from .style import PALETTE, colours, label_of, picture
from .texts import NAME, legible

GAP = 255  # white between images


@legible()
def plot_batch(images: Tensor, cosines: Tensor, T: float, epoch: int) -> plt.Figure:
    """Cosines (B, B) of two views of B images (B, C, H, W), and the softmax over each row at temperature T."""
    chances, B = (cosines / T).softmax(1), len(images)
    right = chances.diagonal().mean().item()
    titles = f"cosines of two views, epoch {epoch}", f"softmax at T = {T:.3g}: {right:.2f} on the diagonal"
    shown = [(cosines, (-1, 0, 1), "RdBu_r"), (chances, SHARES, "cividis")]
    low, width, height = 0.02, 0.388, 0.8
    with plt.rc_context(LIGHT):
        figure = plt.figure(figsize=(9, 4.6))
        for left, title, (matrix, marks, colour) in zip((0.06, 0.541), titles, shown, strict=True):
            put(figure, matrix.numpy(), left, low, width, height, colour, marks[0], 1)
            put(figure, _row(images), left, low + height + 0.01, width, 1.1 / B * height)
            figure.text(left, 0.968, title)
            beside, scale = left + width + 0.008, np.linspace(1, marks[0], 256)[:, None]
            put(figure, scale, beside, low, 0.012, height, colour, marks[0], 1)
            for at, mark in zip(np.linspace(low + 0.015, low + height - 0.015, 3), marks, strict=True):
                figure.text(beside + 0.017, at, numeral(mark), va="center")
        side = 1.1 / B * width
        put(figure, _column(images), 0.06 - side, low, side, height)
    return figure


@legible(16)
def plot_map(
    places: Tensor, y: Tensor, classes: Sequence[str], chosen: int, near: Sequence[int], images: Tensor, title: str
) -> plt.Figure:
    """A map (n, 2) of images (n, C, H, W) of classes y, a chosen one with lines to its nearest, which stand beside."""
    with plt.rc_context(LIGHT):
        figure = plt.figure(figsize=(9, 4.6))
        points, low, high = places.numpy(), places.amin(0), places.amax(0)
        to = plane(figure, 0.04, 0.05, 0.68, 0.83, low.tolist(), high.tolist())
        figure.add_artist(dots(places, to, 12, fc=[on_white(int(k)) for k in y], lw=0, alpha=0.8))
        for k, name in enumerate(classes):
            if len(own := points[(y == k).numpy()]):
                middle = np.median(own, 0)
                figure.text(
                    middle[0],
                    middle[1],
                    name,
                    color=on_white(k),
                    fontsize=15,
                    fontweight="bold",
                    ha="center",
                    va="center",
                    path_effects=halo(),
                    zorder=4,
                    transform=to,
                )
        lines = [points[[chosen, other]] for other in near]
        figure.add_artist(LineCollection(lines, colors="0.3", lw=1, transform=to))
        figure.add_artist(Line2D(*points[[chosen]].T, marker="*", color="black", mec="white", ms=17, transform=to))
        figure.text(0.01, 0.938, title)
        left, rows = 0.765, [chosen, *near]
        each = 0.9 / len(rows)
        wide = each * figure.get_figheight() / figure.get_figwidth() * (images.shape[3] + 1) / (images.shape[2] + 1)
        put(figure, _column(images[rows]), left, 0.02, wide, 0.9)
        for i, row in enumerate(rows):
            told = f"class {classes[int(y[row])]}" if i else f"chosen: {classes[int(y[row])]}"
            figure.text(
                left + wide + 0.01,
                0.92 - each * (i + 0.5),
                told,
                va="center",
                color="black" if not i else PALETTE[2 if y[row] == y[chosen] else 3],
            )
    return figure


@legible()
def plot_threshold(
    confidence: Tensor, right: Tensor, threshold: float, passed: Sequence[float], good: Sequence[float], epoch: int
) -> plt.Figure:
    """Confidences (n,) of right and wrong guesses, a threshold on them, and what passes it after each epoch, %."""
    with plt.rc_context(LIGHT):
        figure, (counts, lines) = plt.subplots(1, 2, figsize=(9.4, 3.5))
        figure.subplots_adjust(0.08, 0.16, 0.99, 0.9, wspace=0.2)
        edges = np.linspace(0, 1, 21)
        good_ones, bad_ones = (np.histogram(confidence[which].numpy(), edges)[0] for which in (right, ~right))
        middles, looks = edges[:-1] + 0.025, {"ec": "white", "lw": 0.5}
        bars(counts, middles, good_ones, 0.05, PALETTE[2], **looks)
        bars(counts, middles, bad_ones, 0.05, PALETTE[3], good_ones, **looks)
        counts.axvline(threshold, color="black", lw=2, ls="--")
        counts.set(xlim=(0, 1.005), ylim=(0, 1.05 * max(good_ones + bad_ones)))
        rule(counts, xlabel="confidence", ylabel="unlabelled images")
        told = f"{passed[epoch]:.0f} % pass, {good[epoch]:.1f} % of them right" if passed[epoch] else "none passes"
        counts.set_title(f"after epoch {epoch}: {told}")
        legend(counts, {"right": PALETTE[2], "wrong": PALETTE[3]}, "upper centre")
        names = {"pass, % of all": PALETTE[0], "right, % of those": PALETTE[2]}
        for values, colour in zip((passed, good), names.values(), strict=True):
            lines.plot(values, color=colour, lw=2)
            lines.plot([epoch], [values[epoch]], "o", color=colour, ms=8)
        lines.set_ylim(-3, 103)
        rule(lines, xlabel="epoch")
        lines.set_title(f"at threshold {threshold:.3g}")
        legend(lines, names, "lower right")
    return figure


@legible(NAME, 30)
def plot_feature_maps(image: Tensor, rows: Mapping[str, Tensor], title: str) -> plt.Figure:
    """An image (C, H, W), and rows of feature maps (n, h, w), each row on a scale of its own."""
    strips = []
    for maps in rows.values():
        low, high = maps.min(), maps.max()
        framed = torch.nn.functional.pad((maps - low) / (high - low).clamp(min=1e-6), (0, 1, 0, 1), value=torch.nan)
        strips.append(torch.cat(list(framed), 1))
    height = 0.4 + 1.05 * len(rows)
    with plt.rc_context(LIGHT):
        figure = plt.figure(figsize=(9.4, height))
        top, left = 1 - 0.3 / height, 0.331
        put(figure, image, 0.0, top / 2 - 0.75 / height, 1.5 / 9.4)
        put(figure, torch.cat(strips, 0).numpy(), left, 0.01, 0.664, top - 0.01, "cividis", 0, 1)
        for i, name in enumerate(rows):
            figure.text(
                left - 0.006, top - (top - 0.01) * (i + 0.45) / len(rows), name, ha="right", va="center", fontsize=10
            )
        figure.text(left, top + 0.08 / height, title)
    return figure


@legible(12)
def plot_soft_target(
    image: Tensor,
    target: Tensor,
    truth: int,
    names: Sequence[str],
    exits: Mapping[str, Sequence[float]],
    epoch: int,
    title: str,
) -> plt.Figure:
    """An image (C, H, W), its softened target with the true class dark, and accuracies by exit and epoch.

    The target is one of K classes, which have names, or of K classes in several turns, those of a class together.
    """
    with plt.rc_context(LIGHT):
        figure, (shares, lines) = plt.subplots(1, 2, figsize=(10, 3.3), width_ratios=[1.9, 1.6])
        figure.subplots_adjust(0.22, 0.19, 0.99, 0.87, wspace=0.2)
        put(figure, image, 0.01, 0.28, 0.15)
        k = range(len(target))
        bars(shares, k, target.tolist(), 0.85, ["0.15" if i == truth else "0.65" for i in k])
        turns, few = len(k) // len(names), range(0, len(names), max(1, len(names) // 10))
        shares.set_ylim(0, 1.02)
        marks = {(i + 0.5) * turns - 0.5: names[i] for i in few}
        rule(shares, marks, SHARES, "class" if turns == 1 else f"class, in {turns} turns each", grid="y")
        shares.set_title(title)
        palette = colours(list(exits))
        for name, colour in palette.items():
            lines.plot(exits[name], color=colour, lw=2.5 if name == "classifier" else 1.5)
        known = [exits[name][epoch] for name in palette]
        lines.scatter([epoch] * len(known), known, c=list(palette.values()), s=36, zorder=3)
        lines.set_ylim(0, 102)
        rule(lines, xlabel="epochs trained")
        lines.set_title("test accuracy of each exit, %")
        legend(lines, palette, "lower right", 8.5)
    return figure


@legible()
def plot_budgets(
    curves: Mapping[str, Mapping[float, Sequence[float]]], label: str, log: bool, title: str
) -> plt.Figure:
    """Means with 95 % intervals against a quantity: {system: {x: a value a seed}}."""
    palette, rises = colours(list(curves)), 0.0
    with plt.rc_context(LIGHT):
        figure, axis = plt.subplots(figsize=(8.4, 4))
        figure.subplots_adjust(0.09, 0.14, 0.98, 0.91)
        for name, colour in palette.items():
            x = np.array(sorted(curves[name]))
            means, halves = np.array([interval(curves[name][at]) for at in x.tolist()]).T
            rises += means[-1] - means[0]
            axis.plot(x, means, "o-", color=colour, lw=2, ms=6)
            axis.fill_between(
                x, means - np.nan_to_num(halves), means + np.nan_to_num(halves), color=colour, alpha=0.2, lw=0
            )
        if log:
            axis.set_xscale("log")
        rule(axis, sorted({at for values in curves.values() for at in values}), xlabel=label, ylabel="%")
        axis.set_title(title)
        legend(axis, palette, "lower right" if rises > 0 else "lower left", 9.5)
    return figure


@legible(12)
def plot_readings(image: Tensor, logits: Mapping[str, Tensor], classes: Sequence[str]) -> plt.Figure:
    """What networks read in an image (C, H, W): logits and probabilities of each, side by side."""
    palette = colours(list(logits))
    with plt.rc_context(LIGHT):
        figure, axes = plt.subplots(1, 2, figsize=(9.4, 3))
        figure.subplots_adjust(0.2, 0.17, 0.99, 0.87, wspace=0.15)
        put(figure, image, 0.01, 0.28, 0.14)
        for axis, said in zip(axes, ("logits", "probabilities"), strict=True):
            for i, (name, z) in enumerate(logits.items()):
                values = z.softmax(0) if said == "probabilities" else z
                place = np.arange(len(z)) + 0.4 * i - 0.2 * (len(logits) - 1)
                bars(axis, place, values.tolist(), 0.4, palette[name])
            if said == "probabilities":
                axis.set_ylim(0, FREE)
            rule(axis, dict(enumerate(classes)), SHARES if said == "probabilities" else 6, "class", grid="y")
            axis.set_title(said)
        legend(axes[1], {f"{name}: {classes[int(z.argmax())]}": palette[name] for name, z in logits.items()})
    return figure


@legible()
def plot_browsed(curves: Mapping[str, Sequence[tuple[float, float]]], chosen: str, column: str) -> plt.Figure:
    """Curves (epoch, value) of several runs, the chosen one thick and the others pale; it may have none."""
    others = [points for name, points in curves.items() if name != chosen]
    with plt.rc_context(LIGHT):
        figure, axis = plt.subplots(figsize=(8.4, 3.6))
        figure.subplots_adjust(0.1, 0.15, 0.98, 0.91)
        axis.add_collection(LineCollection(others, colors="0.7", lw=1))
        if chosen in curves:
            axis.plot(*zip(*curves[chosen], strict=True), color=PALETTE[0], lw=2.6, zorder=3)
        axis.autoscale_view()
        rule(axis, xlabel="epoch", ylabel=column)
        axis.set_title(f"{chosen}{'' if chosen in curves else ': not logged'}   (and {len(others)} others)")
    return figure


@legible()
def plot_training(log: Sequence[Mapping[str, float]], epochs: int, metric: str) -> plt.Figure:
    """The loss and a validation metric by epoch, of a log that is still being written."""
    with plt.rc_context(LIGHT):
        figure, axes = plt.subplots(1, 2, figsize=(9.4, 3))
        figure.subplots_adjust(0.07, 0.17, 0.99, 0.88, wspace=0.18)
        for axis, column, colour in zip(axes, ("loss", metric), (PALETTE[0], PALETTE[2]), strict=True):
            points = [(line["epoch"], line[column]) for line in log if is_number(line.get(column))]
            if points:
                axis.plot(*zip(*points, strict=True), "o-", color=colour, lw=2, ms=4)
            else:
                axis.text(0.5, 0.5, "nothing yet", transform=axis.transAxes, ha="center", color="0.5")
            axis.set_xlim(0.5, max(2, epochs) + 0.5)
            rule(axis, xlabel="epoch")
            axis.set_title(label_of(column) + (f": {points[-1][1]:.3g}" if points else ""))
    return figure


def is_number(value: object) -> bool:
    """Whether a value of a log can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _row(images: Tensor) -> np.ndarray:
    return _column(images.transpose(2, 3)).swapaxes(0, 1)


def _column(images: Tensor) -> np.ndarray:
    """uint8 images (n, C, H, W) below one another, white between them."""
    framed = torch.nn.functional.pad(images, (0, 1, 0, 1), value=0 if images.shape[1] == 1 else GAP)
    return np.concatenate([picture(image) for image in framed], 0)
