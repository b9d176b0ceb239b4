"""Figures that are redrawn while a control moves: few artists each, so that a picture takes a tenth of a second."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.lines import Line2D
from torch import Tensor
from torch.nn.functional import pad

from ..engine.report import interval
from ..losses import kd
from .light import FREE, LIGHT, SHARES, bars, dots, legend, plane, put, rule
from .style import PALETTE, picture
from .texts import NAME, legible


@legible()
def plot_interval(values: Sequence[float], label: str = "difference, points") -> plt.Figure:
    """What is known after each seed: dots in the order of the seeds, their mean so far and its 95 % interval as a band.

    The band is green where it excludes 0, and cut off where it is much wider than the values; before the second seed
    there is none.
    """
    numbers, drawn = np.arange(1, len(values) + 1), list(values)
    means, halves = np.array([interval(drawn[:n]) for n in numbers]).T
    with plt.rc_context(LIGHT):
        figure, axis = plt.subplots(figsize=(8, 3.6))
        figure.subplots_adjust(0.09, 0.16, 0.98, 0.9)
        bands = [PALETTE[2 if abs(mean) > half else 1] for mean, half in zip(means[1:], halves[1:], strict=True)]
        bars(axis, numbers[1:], 2 * halves[1:], 1, bands, means[1:] - halves[1:], alpha=0.3)
        axis.plot(numbers, means, "_", color="0.2", ms=14, mew=2.5)
        axis.plot(numbers, values, "o", color=PALETTE[0], mec="white", ms=7)
        axis.axhline(0, color="0.4", lw=1.2, ls="--")
        reach = 1.6 * max(1.0, float(np.abs(values).max()))
        most = max(20, len(values))
        axis.set(xlim=(0.4, most + 0.6), ylim=(-reach, reach))
        every = 5 * (1 + most // 40)
        rule(axis, [1, *range(every, most + 1, every)], xlabel="seeds so far", ylabel=label)
        told = f"{means[-1]:.1f} ± {halves[-1]:.1f}" if len(values) > 1 else "one seed: no interval"
        cut = ", cut at the edges" if (abs(means) + halves)[1:].max(initial=0) > reach else ""
        axis.set_title(f"after {len(values)}: {told}   (dots: seeds, lines: means so far, bands: 95 % intervals{cut})")
    return figure


@legible(12)
def plot_temperature(
    image: Tensor,
    teacher: Tensor,
    student: Tensor,
    T: float,
    classes: Sequence[str],
    truth: int,
    gradients: tuple[Sequence[float], Sequence[float]],
) -> plt.Figure:
    """An image (C, H, W), what teacher and student (logits, K) say of it at T, and the gradient of KD against T."""
    said = {name: (z / T).softmax(0).numpy() for name, z in (("teacher", teacher), ("student", student))}
    with plt.rc_context(LIGHT):
        figure, (chances, curve) = plt.subplots(1, 2, figsize=(10, 3.1), width_ratios=[2, 1.5])
        figure.subplots_adjust(0.22, 0.18, 0.99, 0.87, wspace=0.2)
        put(figure, image, 0.01, 0.22, 0.15)
        figure.text(0.01, 0.8, f"class {classes[truth]}")
        names = {}
        for i, (name, p) in enumerate(said.items()):
            entropy = float(-(p * np.log(np.maximum(p, 1e-12))).sum())
            names[f"{name}, entropy {entropy:.2f}"] = PALETTE[i]
            bars(chances, np.arange(len(p)) + 0.4 * i - 0.2, p, 0.4, PALETTE[i])
        chances.set_ylim(0, FREE)
        rule(chances, dict(enumerate(classes)), SHARES, "class", grid="y")
        loss = kd(student[None], teacher[None], T).item()
        chances.set_title(f"softmax at T = {T:.3g}   T² KL = {loss:.3f}")
        legend(chances, names)
        curve.plot(*gradients, color="0.3", lw=2)
        curve.plot([T], np.interp([T], *gradients), "o", color="0.1", ms=9)
        curve.set(xscale="log", ylim=(0, 1.08 * max(gradients[1])))
        rule(curve, [0.5, 1, 2, 5, 10, 20, 50], xlabel="T")
        curve.set_title("length of the gradient of T² KL")
    return figure


@legible(NAME, 14)
def plot_montage(rows: Mapping[str, Tensor]) -> plt.Figure:
    """Rows of uint8 images (n, C, H, W) as one picture, each row's name at its left."""
    framed = {name: [picture(pad(image, (1, 1, 1, 1))) for image in images] for name, images in rows.items()}
    whole = np.concatenate([np.concatenate(images, 1) for images in framed.values()], 0)
    height, width = whole.shape[:2]
    with plt.rc_context(LIGHT):
        figure = plt.figure(figsize=(9.6, 8.4 * height / width + 0.1))
        put(figure, whole, 0.12, 0.01, 0.875, 0.98)
        for i, name in enumerate(rows):
            figure.text(0.113, 0.99 - 0.98 * (i + 0.5) / len(rows), name, ha="right", va="center", fontsize=10)
    return figure


@legible()
def plot_circle(points: Tensor, colours: Tensor, history: Sequence[float], loss: float) -> plt.Figure:
    """Embeddings (n, 2) on the unit circle, coloured by the angles (n,) of their images, and the spread so far."""
    turn = torch.linspace(0, 2 * torch.pi, 200)
    with plt.rc_context(LIGHT):
        figure, spread = plt.subplots(figsize=(8.4, 3.7))
        figure.subplots_adjust(0.475, 0.15, 0.98, 0.9)
        side = 0.75 * figure.get_figheight() / figure.get_figwidth()
        to = plane(figure, 0.055, 0.15, side, 0.75, (-1.15, -1.15), (1.15, 1.15))
        figure.add_artist(Line2D(turn.cos(), turn.sin(), color="0.8", lw=1, zorder=0.5, transform=to))
        figure.add_artist(dots(points, to, 55, array=colours.numpy(), cmap="twilight_shifted", ec="0.3", lw=0.4))
        figure.text(0.055, 0.922, "embeddings; colour: the image")
        spread.plot(range(len(history)), history, color=PALETTE[0], lw=2)
        spread.plot([len(history) - 1], history[-1:], "o", color=PALETTE[0], ms=7, clip_on=False)
        spread.set(ylim=(-0.03, 1.03), xlim=(0, max(60, len(history))))
        rule(spread, xlabel="step")
        told = f"      loss {loss:.3f}" if len(history) > 1 else ""  # before the first step there is none
        spread.set_title(f"spread: 1 all around, 0 collapsed{told}")
    return figure


@legible()
def plot_ramp(alpha: Sequence[float], scores: Sequence[float], stop: int, best: int) -> plt.Figure:
    """The weight of distillation and a recorded validation accuracy by epoch; where it stops, and what is kept."""
    epochs = np.arange(1, len(alpha) + 1)
    with plt.rc_context(LIGHT):
        figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4), height_ratios=[1, 1.8])
        figure.subplots_adjust(0.09, 0.13, 0.98, 0.92, hspace=0.18)
        above.step(epochs, alpha, where="mid", color=PALETTE[0], lw=2.2)
        seen = np.arange(1, len(scores) + 1)
        below.plot(seen, scores, color="0.75", lw=1.5)
        below.plot(seen[:stop], scores[:stop], color=PALETTE[2], lw=2.2)
        below.plot([best], [scores[best - 1]], "*", color=PALETTE[1], mec="black", ms=17, zorder=3)
        below.axvline(stop, color=PALETTE[3], lw=2, ls="--")
        below.set_xlim(0.5, max(len(alpha), len(scores)) + 0.5)
        above.set(xlim=below.get_xlim(), ylim=(-0.05, 1.05))
        rule(above, [], SHARES, ylabel="alpha")
        rule(below, xlabel="epoch", ylabel="validation, %")
        above.set_title(f"stops after epoch {stop}, keeps epoch {best}: {scores[best - 1]:.1f} %")
    return figure
