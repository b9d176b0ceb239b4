"""Figures that are redrawn while a control moves: few axes each, so that a picture takes a tenth of a second."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..losses import kd
from ..report import interval
from .style import PALETTE, STYLE, picture

WIDE = {**STYLE, "figure.constrained_layout.use": False, "axes.titleweight": "normal"}


def plot_interval(values: Sequence[float], label: str = "difference, points") -> plt.Figure:
    """What is known after each seed: dots in the order of the seeds, their mean so far and its 95 % interval as a band.

    The band is green where it excludes 0; before the second seed there is none.
    """
    numbers, drawn = np.arange(1, len(values) + 1), list(values)
    means, halves = np.array([interval(drawn[:n]) for n in numbers]).T
    with plt.rc_context(WIDE):
        figure, axis = plt.subplots(figsize=(8, 3.6))
        figure.subplots_adjust(0.09, 0.16, 0.98, 0.9)
        for n in numbers[1:]:
            sure = abs(means[n - 1]) > halves[n - 1]
            axis.bar(
                n, 2 * halves[n - 1], bottom=means[n - 1] - halves[n - 1], width=1, color=PALETTE[2 if sure else 1],
                alpha=0.3, lw=0,
            )  # fmt: skip
        axis.plot(numbers, means, "_", color="0.2", ms=14, mew=2.5)
        axis.plot(numbers, values, "o", color=PALETTE[0], mec="white", ms=7)
        axis.axhline(0, color="0.4", lw=1.2, ls="--")
        reach = 1.6 * max(1.0, float(np.abs(values).max()))
        most = max(20, len(values))
        axis.set(xlim=(0.4, most + 0.6), ylim=(-reach, reach), xlabel="seeds so far", ylabel=label)
        axis.set_xticks(range(1, most + 1, 1 + most // 40))
        told = f"{means[-1]:.1f} ± {halves[-1]:.1f}" if len(values) > 1 else "one seed: no interval"
        axis.set_title(
            f"after {len(values)}: {told}   (dots: seeds, lines: means so far, bands: 95 % intervals)", fontsize=11
        )
    return figure


def plot_temperature(
    image: Tensor, teacher: Tensor, student: Tensor, T: float, classes: Sequence[str], truth: int,
    gradients: tuple[Sequence[float], Sequence[float]],
) -> plt.Figure:  # fmt: skip
    """An image (C, H, W), what teacher and student (logits, K) say of it at T, and the gradient of KD against T."""
    said = {name: (z / T).softmax(0).numpy() for name, z in (("teacher", teacher), ("student", student))}
    with plt.rc_context(WIDE):
        figure, (seen, bars, curve) = plt.subplots(1, 3, figsize=(10, 3.1), width_ratios=[0.7, 2, 1.5])
        figure.subplots_adjust(0.01, 0.18, 0.99, 0.87, wspace=0.25)
        seen.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
        seen.set_title(f"class {classes[truth]}", fontsize=11)
        seen.axis("off")
        for i, (name, p) in enumerate(said.items()):
            entropy = float(-(p * np.log(np.maximum(p, 1e-12))).sum())
            bars.bar(
                np.arange(len(p)) + 0.4 * i - 0.2, p, 0.4, color=PALETTE[i], label=f"{name}, entropy {entropy:.2f}"
            )
        bars.set(ylim=(0, 1), xticks=range(len(classes)), xticklabels=classes, xlabel="class")
        loss = kd(student[None], teacher[None], T).item()
        bars.set_title(f"softmax at T = {T:.3g}   T² KL = {loss:.3f}", fontsize=11)
        bars.legend(fontsize=9)
        curve.plot(*gradients, color="0.3", lw=2)
        curve.plot([T], np.interp([T], *gradients), "o", color=PALETTE[1], ms=9)
        curve.set(xscale="log", xlabel="T", ylim=(0, None))
        curve.set_xticks([1, 10], ["1", "10"])
        curve.set_title("length of the gradient of T² KL", fontsize=11)
    return figure


def plot_montage(rows: Mapping[str, Tensor]) -> plt.Figure:
    """Rows of uint8 images (n, C, H, W) as one picture, each row's name at its left."""
    framed = {name: [picture(pad(image, (1, 1, 1, 1))) for image in images] for name, images in rows.items()}
    strips = [np.concatenate(images, 1) for images in framed.values()]
    whole = np.concatenate(strips, 0)
    height, width = whole.shape[:2]
    with plt.rc_context({**WIDE, "axes.grid": False}):
        scale = 8.4 / width
        figure, axis = plt.subplots(figsize=(9.6, scale * height + 0.1))
        figure.subplots_adjust(0.12, 0.01, 0.995, 0.99)
        axis.imshow(whole, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
        each = height / len(rows)
        axis.set_yticks([each * (i + 0.5) for i in range(len(rows))], list(rows), fontsize=10)
        axis.set_xticks([])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return figure


def plot_circle(points: Tensor, colours: Tensor, history: Sequence[float], loss: float) -> plt.Figure:
    """Embeddings (n, 2) on the unit circle, coloured by the angles (n,) of their images, and the spread so far."""
    turn = torch.linspace(0, 2 * torch.pi, 200)
    with plt.rc_context({**WIDE, "axes.grid": False}):
        figure, (circle, spread) = plt.subplots(1, 2, figsize=(8.4, 3.7), width_ratios=[1, 1.25])
        figure.subplots_adjust(0.02, 0.15, 0.98, 0.9, wspace=0.12)
        circle.plot(turn.cos(), turn.sin(), color="0.8", lw=1)
        circle.scatter(points[:, 0], points[:, 1], c=colours, cmap="twilight_shifted", s=55, ec="0.3", lw=0.4)
        circle.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal")
        circle.axis("off")
        circle.set_title("embeddings; colour: the image", fontsize=11)
        spread.plot(range(len(history)), history, color=PALETTE[0], lw=2)
        spread.plot([len(history) - 1], history[-1:], "o", color=PALETTE[0], ms=7, clip_on=False)
        spread.set(xlabel="step", ylim=(-0.03, 1.03), xlim=(0, max(60, len(history))))
        told = f"      loss {loss:.3f}" if len(history) > 1 else ""  # before the first step there is none
        spread.set_title(f"spread: 1 all around, 0 collapsed{told}", fontsize=11)
        spread.grid(alpha=0.25)
    return figure


def plot_ramp(alpha: Sequence[float], scores: Sequence[float], stop: int, best: int) -> plt.Figure:
    """The weight of distillation and a recorded validation accuracy by epoch; where it stops, and what is kept."""
    epochs = np.arange(1, len(alpha) + 1)
    with plt.rc_context(WIDE):
        figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4), sharex=True, height_ratios=[1, 1.8])
        figure.subplots_adjust(0.09, 0.13, 0.98, 0.92, hspace=0.18)
        above.step(epochs, alpha, where="mid", color=PALETTE[0], lw=2.2)
        above.set(ylim=(-0.05, 1.05), ylabel="alpha")
        seen = np.arange(1, len(scores) + 1)
        below.plot(seen, scores, color="0.75", lw=1.5)
        below.plot(seen[:stop], scores[:stop], color=PALETTE[2], lw=2.2)
        below.plot([best], [scores[best - 1]], "*", color=PALETTE[1], mec="black", ms=17, zorder=3)
        below.axvline(stop, color=PALETTE[3], lw=2, ls="--")
        below.set(xlabel="epoch", ylabel="validation, %", xlim=(0.5, max(len(alpha), len(scores)) + 0.5))
        above.set_title(f"stops after epoch {stop}, keeps epoch {best}: {scores[best - 1]:.1f} %", fontsize=11)
    return figure
