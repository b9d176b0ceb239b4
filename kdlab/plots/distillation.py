"""Figures of distillation: softened classes, maps compared, pseudo-labels, schedules, and early stopping."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

from ..engine.result import Result
from .style import PALETTE, STYLE, Scored, bare, colours, label_of, picture, seed_of
from .texts import Powers, legible, name_all

Line = tuple[Sequence[float], Sequence[float]]


@legible(14)
def plot_softened(
    image: Tensor, logits: Tensor, classes: Sequence[str], temperatures: Sequence[float], truth: int
) -> plt.Figure:
    """An image (C, H, W), and softmax(logits / T) of its logits (K,) as bars, a panel a T; the true class in orange."""
    bar = [PALETTE[1] if k == truth else PALETTE[0] for k in range(len(classes))]
    n = len(temperatures)
    with plt.rc_context({**STYLE, "axes.titlelocation": "center"}):
        figure, axes = plt.subplots(1, n + 1, figsize=(1.8 + 2.1 * n, 2.9), width_ratios=[0.85] + [1] * n)
        axes[0].imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
        axes[0].set(title=f"class {classes[truth]}")
        bare(axes[0])
        for axis, T in zip(axes[1:], temperatures, strict=True):
            p = (logits / T).softmax(0)
            entropy = -(p * p.clamp(min=1e-12).log()).sum().item()
            axis.bar(range(len(classes)), p.tolist(), color=bar)
            axis.set(ylim=(0, 1.18), yticks=(0, 0.5, 1), title=f"T = {T:g}")
            axis.text(0.5, 0.98, f"entropy {entropy:.2f}", transform=axis.transAxes, ha="center", va="top", fontsize=10)
            axis.set_xticks(*_ticks(classes))
            axis.tick_params(axis="x", labelsize=9)
            left = 0.2 if 2 * truth >= len(classes) else 0.44  # not over the bar of the true class
            low = axis.inset_axes([left, 0.42, 0.54, 0.42])  # the small ones, which the bars do not show
            low.bar(range(len(classes)), p.tolist(), color=bar)
            low.set(yscale="log", ylim=(1e-5, 2), xticks=[], yticks=(1e-4, 1e-2, 1))
            low.yaxis.set_major_formatter(Powers())
            low.tick_params(labelsize=7)
            low.minorticks_off()
            axis.set_yticklabels(axis.get_yticklabels() if axis is axes[1] else [])
            axis.grid(axis="x", visible=False)
        figure.supxlabel("class", fontsize=11)
        axes[1].set_ylabel("probability")
    return figure


def _ticks(classes: Sequence[str]) -> tuple[list[int], list[str]]:
    """Class names where they fit below a narrow panel, else every fifth number of a class."""
    if len(classes) <= 12 and max(map(len, classes)) <= 2:
        return list(range(len(classes))), list(classes)
    every = list(range(0, len(classes), max(1, len(classes) // 5)))
    return every, [str(k) for k in every]


@legible()
def plot_lines(
    lines: Mapping[str, Line], xlabel: str, ylabel: str, title: str = "", log: bool = False, steps: bool = False
) -> plt.Figure:
    """Named curves (x, y) in one panel, each with its colour and dashes; `log` for both axes, `steps` for stairs."""
    dashes = ["-", "--", "-.", ":"]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 3.6))
        for i, ((name, (x, y)), colour) in enumerate(zip(lines.items(), colours(list(lines)).values(), strict=True)):
            style = "steps-post" if steps else "default"
            axis.plot(x, y, color=colour, lw=2.5, ls=dashes[i % len(dashes)], label=name, drawstyle=style)
        axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
        if log:
            axis.set(xscale="log", yscale="log")
            for each in (axis.xaxis, axis.yaxis):
                each.set_major_formatter(Powers())
                each.set_minor_formatter(Powers(labelOnlyBase=False))
        name_all(axis)
    return figure


@legible()
def plot_agreement(images: Tensor, rows: Mapping[str, Tensor]) -> plt.Figure:
    """Images (n, C, H, W) above rows of maps (n, h, w) of cosines: blue where two networks agree, else red.

    The mean of each map stands in it.
    """
    with plt.rc_context({**STYLE, "axes.grid": False}):
        n = len(images)
        figure, axes = plt.subplots(len(rows) + 1, n, figsize=(1.05 * n + 2.6, 1.1 * (len(rows) + 1)), squeeze=False)
        for axis, image in zip(axes[0], images, strict=True):
            axis.imshow(picture(image), cmap="gray_r", vmin=0, vmax=255)
        for line, maps in zip(axes[1:], rows.values(), strict=True):
            for axis, m in zip(line, maps, strict=True):
                drawn = axis.imshow(m.numpy(), cmap="RdBu", vmin=-1, vmax=1)
                dark = abs(m.mean().item()) > 0.6
                axis.text(
                    0.5,
                    0.5,
                    f"{m.mean().item():.2f}",
                    transform=axis.transAxes,
                    ha="center",
                    va="center",
                    fontsize=10,
                    color="white" if dark else "black",
                )
        for line, name in zip(axes, ["image", *rows], strict=True):
            line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        figure.colorbar(drawn, ax=axes[1:], label="cosine over channels", fraction=0.03, pad=0.02)
    return figure


@legible()
def plot_early_stopping(results: Sequence[Result], alpha: Sequence[float] = ()) -> plt.Figure:
    """The metric that was watched, after each epoch: a line a run, a star at the epoch that was kept.

    With `alpha`, a value an epoch, a panel below shows it.
    """
    with plt.rc_context(STYLE):
        heights = [3, 1] if len(alpha) else [1]
        figure, axes = plt.subplots(
            len(heights), 1, figsize=(8, 5 if len(alpha) else 3.8), sharex=True, squeeze=False, height_ratios=heights
        )
        top, score = axes[0, 0], results[0]["selected_on"]
        logs = [result.log() for result in results]
        for result, log, colour in zip(results, logs, PALETTE, strict=False):
            best = result["best_epoch"]
            top.plot(log.epoch, log[score], color=colour, lw=1.8, label=f"seed {result.config.seed}")
            kept = log.loc[log.epoch == best, score]
            top.plot([best], kept, "*", color=colour, mec="black", mew=0.8, ms=17, zorder=3)
            top.plot(log.epoch.iloc[-1:], log[score].iloc[-1:], "|", color=colour, ms=14, mew=3)
        half = max(log.epoch.max() for log in logs) // 2
        late = np.concatenate([log.loc[log.epoch > half, score] for log in logs])
        if len(logs) > 2 and np.ptp(late) > 0:  # the plateau, where the choice is made; one line needs no second look
            zoom = top.inset_axes([0.3, 0.12, 0.42, 0.45])
            for result, log, colour in zip(results, logs, PALETTE, strict=False):
                zoom.plot(log.epoch, log[score], color=colour, lw=1.5)
                zoom.plot(
                    [result["best_epoch"]],
                    log.loc[log.epoch == result["best_epoch"], score],
                    "*",
                    color=colour,
                    mec="black",
                    mew=0.8,
                    ms=13,
                )
            margin = 0.15 * np.ptp(late)
            zoom.set(xlim=(half, None), ylim=(late.min() - margin, late.max() + margin))
            zoom.tick_params(labelsize=8)
        top.set_ylabel(label_of(score))
        top.set_title("star: weights that are kept   bar: training stops", fontsize=10, fontweight="normal")
        name_all(top, loc="lower right")
        if len(alpha):
            axes[1, 0].step(range(1, len(alpha) + 1), alpha, where="mid", color="0.3", lw=2)
            axes[1, 0].set(ylabel="alpha", ylim=(-0.05, 1.05))
        axes[-1, 0].set(xlabel="epoch")
    return figure


@legible(18, 30)
def plot_paired(
    pairs: Mapping[str, tuple[Sequence[Scored], Sequence[Scored]]],
    names: tuple[str, str],
    metric: str = "test/accuracy",
    label: str = "",
) -> plt.Figure:
    """For each system a panel: every seed's `metric` in two versions of it, joined by a line, and both means."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(pairs), figsize=(3.1 * len(pairs) + 0.6, 3.6), sharey=True, squeeze=False)
        for axis, (title, versions), colour in zip(axes[0], pairs.items(), PALETTE, strict=False):
            by_seed = [{seed_of(r): r[metric] for r in version} for version in versions]
            for seed in by_seed[0]:
                axis.plot([0, 1], [scores[seed] for scores in by_seed], "o-", color=colour, lw=1.5, mec="white", ms=9)
            for x, scores in enumerate(by_seed):
                mean = float(np.mean(list(scores.values())))
                axis.plot([x - 0.14, x + 0.14], [mean, mean], color="black", lw=2.5)
                axis.annotate(f"{mean:.1f}", (x + (-0.18, 0.18)[x], mean), ha=("right", "left")[x], va="center")
            axis.set(xlim=(-0.6, 1.6), xticks=[0, 1], xticklabels=names, title=title)
            axis.grid(axis="x", visible=False)
        axes[0, 0].set_ylabel(label or label_of(metric))
    return figure
