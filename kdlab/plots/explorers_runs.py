"""Figures that are redrawn while a control moves, of what a run saw and learned: few axes, images as one array."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from ..report import interval
from .explorers import WIDE
from .images import halo, on_white
from .style import PALETTE, colours, label_of, picture

BARE = {**WIDE, "axes.grid": False}
GAP = 255  # white between images


def plot_batch(images: Tensor, cosines: Tensor, T: float, epoch: int) -> plt.Figure:
    """Cosines (B, B) of two views of B images (B, C, H, W), and the softmax over each row at temperature T."""
    chances, B = (cosines / T).softmax(1), len(images)
    right = chances.diagonal().mean().item()
    titles = f"cosines of two views, epoch {epoch}", f"softmax at T = {T:.3g}: {right:.2f} on the diagonal"
    with plt.rc_context(BARE):
        figure, axes = plt.subplots(1, 2, figsize=(9, 4.6))
        figure.subplots_adjust(0.06, 0.02, 0.93, 0.84, wspace=0.24)
        shown = [(cosines, -1, "RdBu_r"), (chances, 0, "cividis")]
        for axis, title, (matrix, low, colour) in zip(axes, titles, shown, strict=True):
            drawn = axis.imshow(matrix.numpy(), vmin=low, vmax=1, cmap=colour, aspect="auto")
            axis.set(xticks=[], yticks=[])
            box = axis.get_position()
            figure.text(box.x0, 0.955, title, fontsize=11)
            figure.colorbar(drawn, cax=figure.add_axes((box.x1 + 0.008, box.y0, 0.012, box.height)))
            above = axis.inset_axes([0, 1.01, 1, 1.1 / B])
            above.imshow(_row(images), cmap="gray_r", vmin=0, vmax=255, aspect="auto")
            above.axis("off")
        side = axes[0].inset_axes([-1.1 / B, 0, 1.1 / B, 1])
        side.imshow(_column(images), cmap="gray_r", vmin=0, vmax=255, aspect="auto")
        side.axis("off")
    return figure


def plot_map(
    places: Tensor, y: Tensor, classes: Sequence[str], chosen: int, near: Sequence[int], images: Tensor, title: str
) -> plt.Figure:  # fmt: skip
    """A map (n, 2) of images (n, C, H, W) of classes y, a chosen one with lines to its nearest, which stand beside."""
    with plt.rc_context(BARE):
        figure, (plane, strip) = plt.subplots(1, 2, figsize=(9, 4.6), width_ratios=[3.2, 1])
        figure.subplots_adjust(0.01, 0.02, 0.99, 0.92, wspace=0.02)
        points, colour = places.numpy(), np.array([on_white(int(k)) for k in y])
        plane.scatter(*points.T, c=colour, s=12, lw=0, alpha=0.8)
        for k, name in enumerate(classes):
            if len(own := points[(y == k).numpy()]):
                plane.text(
                    *np.median(own, 0), name, color=on_white(k), fontsize=15, fontweight="bold", ha="center",
                    va="center", path_effects=halo(), zorder=4,
                )  # fmt: skip
        for other in near:
            plane.plot(*points[[chosen, other]].T, color="0.3", lw=1)
        plane.plot(*points[chosen], "*", color="black", mec="white", ms=17)
        plane.axis("off")
        plane.set_title(title, fontsize=11)
        strip.imshow(_column(images[[chosen, *near]]), cmap="gray_r", vmin=0, vmax=255)
        strip.set_anchor("W")  # what is free is at its right, for the names
        height = images.shape[2] + 1
        for i, row in enumerate([chosen, *near]):
            right = y[row] == y[chosen]
            told = f"class {classes[int(y[row])]}" if i else f"chosen: {classes[int(y[row])]}"
            strip.text(
                images.shape[3] + 1, height * (i + 0.5), told, va="center", fontsize=11,
                color="black" if not i else PALETTE[2] if right else PALETTE[3],
            )  # fmt: skip
        strip.axis("off")
    return figure


def plot_threshold(
    confidence: Tensor, right: Tensor, threshold: float, passed: Sequence[float], good: Sequence[float], epoch: int
) -> plt.Figure:  # fmt: skip
    """Confidences (n,) of right and wrong guesses, a threshold on them, and what passes it after each epoch, %."""
    with plt.rc_context(WIDE):
        figure, (bars, lines) = plt.subplots(1, 2, figsize=(9.4, 3.5))
        figure.subplots_adjust(0.08, 0.16, 0.99, 0.9, wspace=0.2)
        edges = np.linspace(0, 1, 21)
        counts = [np.histogram(confidence[which].numpy(), edges)[0] for which in (right, ~right)]
        bars.bar(edges[:-1], counts[0], 0.05, align="edge", color=PALETTE[2], label="right", ec="white", lw=0.5)
        bars.bar(
            edges[:-1], counts[1], 0.05, counts[0], align="edge", color=PALETTE[3], label="wrong", ec="white", lw=0.5
        )
        bars.axvline(threshold, color="black", lw=2, ls="--")
        bars.set(xlabel="confidence", ylabel="unlabelled images", xlim=(0, 1.005))
        told = f"{passed[epoch]:.0f} % pass, {good[epoch]:.1f} % of them right" if passed[epoch] else "none passes"
        bars.set_title(f"after epoch {epoch}: {told}", fontsize=11)
        bars.legend(loc="upper center", fontsize=10)
        for values, name, colour in ((passed, "pass, % of all", PALETTE[0]), (good, "right, % of those", PALETTE[2])):
            lines.plot(values, color=colour, lw=2, label=name)
            lines.plot([epoch], [values[epoch]], "o", color=colour, ms=8)
        lines.set(xlabel="epoch", ylim=(-3, 103))
        lines.set_title(f"at threshold {threshold:.3g}", fontsize=11)
        lines.legend(loc="lower right", fontsize=10)
    return figure


def plot_feature_maps(image: Tensor, rows: Mapping[str, Tensor], title: str) -> plt.Figure:
    """An image (C, H, W), and rows of feature maps (n, h, w), each row on a scale of its own."""
    with plt.rc_context(BARE):
        figure, axes = plt.subplots(1, 2, figsize=(9.4, 0.4 + 1.05 * len(rows)), width_ratios=[1, 4.2])
        figure.subplots_adjust(0.0, 0.01, 0.995, 0.99 - 0.3 / (0.4 + len(rows)), wspace=0.42)
        axes[0].imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
        axes[0].axis("off")
        strips = []
        for maps in rows.values():
            low, high = maps.min(), maps.max()
            framed = torch.nn.functional.pad((maps - low) / (high - low).clamp(min=1e-6), (0, 1, 0, 1), value=torch.nan)
            strips.append(torch.cat(list(framed), 1))
        whole = torch.cat(strips, 0).numpy()
        axes[1].imshow(whole, cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        each = whole.shape[0] / len(rows)
        axes[1].set_yticks([each * (i + 0.45) for i in range(len(rows))], list(rows), fontsize=10)
        axes[1].set_xticks([])
        axes[1].tick_params(length=0)
        axes[1].spines[:].set_visible(False)
        axes[1].set_title(title, fontsize=11)
    return figure


def plot_soft_target(
    image: Tensor, target: Tensor, truth: int, names: Sequence[str], exits: Mapping[str, Sequence[float]], epoch: int,
    title: str,
) -> plt.Figure:  # fmt: skip
    """An image (C, H, W), its softened target with the true one in orange, and accuracies by exit and epoch.

    The target is one of K classes, which have names, or of K classes in several turns, those of a class together.
    """
    with plt.rc_context(WIDE):
        figure, (seen, bars, lines) = plt.subplots(1, 3, figsize=(10, 3.3), width_ratios=[0.7, 1.9, 1.6])
        figure.subplots_adjust(0.01, 0.19, 0.99, 0.87, wspace=0.24)
        seen.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
        seen.axis("off")
        k = np.arange(len(target))
        bars.bar(k, target.numpy(), 0.85, color=[PALETTE[1] if i == truth else PALETTE[0] for i in k])
        turns, few = len(k) // len(names), range(0, len(names), max(1, len(names) // 10))
        bars.set_xticks([(i + 0.5) * turns - 0.5 for i in few], [names[i] for i in few])
        bars.set(ylim=(0, 1.02), xlabel="class" if turns == 1 else f"class, in {turns} turns each")
        bars.set_title(title, fontsize=11)
        for name, colour in colours(list(exits)).items():
            lines.plot(exits[name], color=colour, lw=2.5 if name == "classifier" else 1.5, label=name)
            lines.plot([epoch], [exits[name][epoch]], "o", color=colour, ms=6)
        lines.set(xlabel="epoch", ylim=(0, 102))
        lines.set_title("test accuracy of each exit, %", fontsize=11)
        lines.legend(fontsize=8.5, loc="lower right")
    return figure


def plot_budgets(
    curves: Mapping[str, Mapping[float, Sequence[float]]], label: str, log: bool, title: str
) -> plt.Figure:
    """Means with 95 % intervals against a quantity: {system: {x: a value a seed}}."""
    with plt.rc_context(WIDE):
        figure, axis = plt.subplots(figsize=(8.4, 4))
        figure.subplots_adjust(0.09, 0.14, 0.98, 0.91)
        for name, colour in colours(list(curves)).items():
            x = np.array(sorted(curves[name]))
            means, halves = np.array([interval(curves[name][at]) for at in x.tolist()]).T
            axis.plot(x, means, "o-", color=colour, lw=2, ms=6, label=name)
            axis.fill_between(
                x, means - np.nan_to_num(halves), means + np.nan_to_num(halves), color=colour, alpha=0.2, lw=0
            )
        if log:
            axis.set_xscale("log")
        ticks = sorted({at for values in curves.values() for at in values})
        axis.set_xticks(ticks, [f"{at:g}" for at in ticks])
        axis.minorticks_off()
        axis.set(xlabel=label, ylabel="%")
        axis.set_title(title, fontsize=11)
        axis.legend(fontsize=9.5)
    return figure


def plot_readings(image: Tensor, logits: Mapping[str, Tensor], classes: Sequence[str]) -> plt.Figure:
    """What networks read in an image (C, H, W): logits and probabilities of each, side by side."""
    palette = colours(list(logits))
    with plt.rc_context(WIDE):
        figure, (seen, *axes) = plt.subplots(1, 3, figsize=(9.4, 3), width_ratios=[0.7, 2, 2])
        figure.subplots_adjust(0.01, 0.17, 0.99, 0.87, wspace=0.18)
        seen.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
        seen.axis("off")
        for axis, said in zip(axes, ("logits", "probabilities"), strict=True):
            for i, (name, z) in enumerate(logits.items()):
                values = z.softmax(0) if said == "probabilities" else z
                place = np.arange(len(z)) + 0.4 * i - 0.2 * (len(logits) - 1)
                axis.bar(place, values.numpy(), 0.4, color=palette[name], label=f"{name}: {classes[int(z.argmax())]}")
            axis.set(xticks=range(len(classes)), xticklabels=classes, xlabel="class")
            axis.set_title(said, fontsize=11)
        axes[1].set_ylim(0, 1.02)
        axes[1].legend(fontsize=10)
    return figure


def plot_browsed(curves: Mapping[str, Sequence[tuple[float, float]]], chosen: str, column: str) -> plt.Figure:
    """Curves (epoch, value) of several runs, the chosen one thick and the others pale; it may have none."""
    with plt.rc_context(WIDE):
        figure, axis = plt.subplots(figsize=(8.4, 3.6))
        figure.subplots_adjust(0.1, 0.15, 0.98, 0.91)
        for name, points in curves.items():
            mine = name == chosen
            axis.plot(
                *zip(*points, strict=True), color=PALETTE[0] if mine else "0.7", lw=2.6 if mine else 1, zorder=2 + mine
            )
        axis.set(xlabel="epoch", ylabel=column)
        others = len(curves) - (chosen in curves)
        axis.set_title(f"{chosen}{'' if chosen in curves else ': not logged'}   (and {others} others)", fontsize=10.5)
    return figure


def plot_training(log: Sequence[Mapping[str, float]], epochs: int, metric: str) -> plt.Figure:
    """The loss and a validation metric by epoch, of a log that is still being written."""
    with plt.rc_context(WIDE):
        figure, axes = plt.subplots(1, 2, figsize=(9.4, 3))
        figure.subplots_adjust(0.07, 0.17, 0.99, 0.88, wspace=0.18)
        for axis, column, colour in zip(axes, ("loss", metric), (PALETTE[0], PALETTE[2]), strict=True):
            points = [(line["epoch"], line[column]) for line in log if column in line]
            if points:
                axis.plot(*zip(*points, strict=True), "o-", color=colour, lw=2, ms=4)
            else:
                axis.text(0.5, 0.5, "nothing yet", transform=axis.transAxes, ha="center", color="0.5")
            axis.set(xlim=(0.5, max(2, epochs) + 0.5), xlabel="epoch")
            axis.set_title(label_of(column) + (f": {points[-1][1]:.3g}" if points else ""), fontsize=11)
    return figure


def _row(images: Tensor) -> np.ndarray:
    return _column(images.transpose(2, 3)).swapaxes(0, 1)


def _column(images: Tensor) -> np.ndarray:
    """uint8 images (n, C, H, W) below one another, white between them."""
    framed = torch.nn.functional.pad(images, (0, 1, 0, 1), value=0 if images.shape[1] == 1 else GAP)
    return np.concatenate([picture(image) for image in framed], 0)
