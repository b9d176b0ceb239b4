"""Figures of distillation: soft targets, feature maps, schedules, early stopping."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from torch import Tensor

from ..engine.report import interval
from ..engine.result import Result
from .style import PALETTE, PICTURES, STYLE, Powers, Scored, colours, label_of, name_all, show_image, styled

Line = tuple[Sequence[float], Sequence[float]]
Numbers = Sequence[float] | np.ndarray | pd.Series


@styled({**STYLE, "axes.titlelocation": "center"}, 14)
def plot_softened(
    image: Tensor, logits: Tensor, classes: Sequence[str], temperatures: Sequence[float], truth: int
) -> plt.Figure:
    """Draw an image (C, H, W), and its logits (K,) softened by each temperature.

    Bars are softmax(logits / T), that of the true class orange; an inset shows the small ones on a log scale.
    """
    bar = [PALETTE[1] if k == truth else PALETTE[0] for k in range(len(classes))]
    n = len(temperatures)
    ticks, labels = list(range(len(classes))), list(classes)
    if len(classes) > 12 or max(map(len, classes)) > 2:  # names do not fit below a narrow panel
        ticks = ticks[:: max(1, len(classes) // 5)]
        labels = [str(k) for k in ticks]
    figure, axes = plt.subplots(1, n + 1, figsize=(1.8 + 2.1 * n, 2.9), width_ratios=[0.85] + [1] * n)
    show_image(axes[0], image)
    axes[0].set_title(f"class {classes[truth]}")
    for axis, T in zip(axes[1:], temperatures, strict=True):
        p = (logits / T).softmax(0)
        entropy = -(p * p.clamp(min=1e-12).log()).sum().item()
        axis.bar(range(len(classes)), p.tolist(), color=bar)
        axis.set(ylim=(0, 1.18), yticks=(0, 0.5, 1), title=f"T = {T:g}", xticks=ticks, xticklabels=labels)
        axis.text(0.5, 0.98, f"entropy {entropy:.2f}", transform=axis.transAxes, ha="center", va="top", fontsize=10)
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


@styled(STYLE)
def plot_lines(
    lines: Mapping[str, Line], xlabel: str, ylabel: str, title: str = "", log: bool = False, steps: bool = False
) -> plt.Figure:
    """Draw named curves (x, y); `log` is for both axes, `steps` for stairs."""
    dashes = ["-", "--", "-.", ":"]
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


@styled({**STYLE, "axes.grid": False})
def plot_agreement(images: Tensor, rows: Mapping[str, Tensor]) -> plt.Figure:
    """Draw images (n, C, H, W) above rows of maps (n, h, w) of cosines.

    They are blue where two networks agree, else red; the mean of each map stands in it.
    """
    n = len(images)
    figure, axes = plt.subplots(len(rows) + 1, n, figsize=(1.05 * n + 2.6, 1.1 * (len(rows) + 1)), squeeze=False)
    for axis, image in zip(axes[0], images, strict=True):
        show_image(axis, image)
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


@styled(STYLE)
def plot_early_stopping(results: Sequence[Result], alpha: Sequence[float] = ()) -> plt.Figure:
    """Draw the metric that early stopping watched, a line for each run.

    A star is the epoch that was kept. With `alpha`, a value for each epoch, a panel below shows it.
    """
    heights = [3, 1] if len(alpha) else [1]
    figure, axes = plt.subplots(
        len(heights), 1, figsize=(8, 5 if len(alpha) else 3.8), sharex=True, squeeze=False, height_ratios=heights
    )
    top, score = axes[0, 0], results[0]["selected_on"]
    logs = [result.log() for result in results]
    for result, log, colour in zip(results, logs, PALETTE, strict=False):
        draw_stopping(top, log.epoch, log[score], result["best_epoch"], colour, f"seed {result.config.seed}")
        top.plot(log.epoch.iloc[-1:], log[score].iloc[-1:], "|", color=colour, ms=14, mew=3)
    half = max(log.epoch.max() for log in logs) // 2
    late = np.concatenate([log.loc[log.epoch > half, score] for log in logs])
    if len(logs) > 2 and np.ptp(late) > 0:  # the plateau, where the choice is made; one line needs no second look
        zoom = top.inset_axes([0.3, 0.12, 0.42, 0.45])
        for result, log, colour in zip(results, logs, PALETTE, strict=False):
            draw_stopping(zoom, log.epoch, log[score], result["best_epoch"], colour)
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


def draw_stopping(
    axis: plt.Axes, epochs: Numbers, scores: Numbers, best: int, colour: tuple[float, ...], label: str = ""
) -> None:
    """Draw a metric by epoch until training stops; a star is the epoch that is kept."""
    axis.plot(epochs, scores, color=colour, lw=1.8, label=label)
    kept = np.asarray(scores)[np.asarray(epochs) == best]
    axis.plot([best], kept, "*", color=colour, mec="black", mew=0.8, ms=16, zorder=3)


@styled(STYLE, 18, 30)
def plot_paired(
    pairs: Mapping[str, tuple[Sequence[Scored], Sequence[Scored]]],
    names: tuple[str, str],
    metric: str = "test/accuracy",
    label: str = "",
) -> plt.Figure:
    """Draw each seed's metric in two versions of systems, joined by a line."""
    figure, axes = plt.subplots(1, len(pairs), figsize=(3.1 * len(pairs) + 0.6, 3.6), sharey=True, squeeze=False)
    for axis, (title, versions), colour in zip(axes[0], pairs.items(), PALETTE, strict=False):
        by_seed = [{_seed_of(r): r[metric] for r in version} for version in versions]
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


def _seed_of(scored: Scored) -> int:
    """Return the seed of a run, or of a row of evidence."""
    return scored["seed"] if isinstance(scored, Mapping) else scored.config.seed


@styled(STYLE)
def plot_selection(ranks: Sequence[int], kept: Mapping[float, Sequence[int]], names: Sequence[str]) -> plt.Figure:
    """Draw the rank of the true answer in each row, and the rows that ratios keep."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 0.3 * len(ranks) + 1.3), sharey=True, width_ratios=[2, 3])
    tints = [PALETTE[2] if rank == 0 else PALETTE[1] for rank in ranks]
    left.barh(range(len(ranks)), [rank + 0.08 for rank in ranks], color=tints)
    left.set(
        yticks=range(len(ranks)),
        yticklabels=names,
        ylim=(len(ranks) - 0.4, -0.6),
        xticks=range(max(ranks) + 1),
        xlabel="entries above the true one",
        title="Rank of the true answer",
    )
    for column, rows in enumerate(kept.values()):
        right.plot([column] * len(ranks), range(len(ranks)), "s", ms=11, mfc="none", mec="0.85")
        for row in rows:
            right.plot(column, row, "s", ms=11, color=tints[row])
    counts = [f"{ratio:g}\n{len(rows)} rows" for ratio, rows in kept.items()]
    right.set(
        xticks=range(len(kept)),
        xticklabels=counts,
        xlabel="ratio",
        xlim=(-0.6, len(kept) - 0.4),
        title="Rows that teach",
    )
    right.grid(visible=False)
    return figure


@styled(PICTURES, 12, 40)
def plot_targets(
    targets: Mapping[str, Tensor],
    images: Tensor,
    names: Sequence[str],
    weights: Sequence[float],
    moments: Sequence[int],
) -> plt.Figure:
    """Draw how the targets (T, K) of images (C, H, W) soften, top to bottom.

    Each image has a panel; the last one has the weights (T,) of past predictions.
    """
    panels = len(targets)
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
        show_image(inset, image)
        axis.text(0.24, 1.1, title, transform=axis.transAxes, fontweight="bold", fontsize=12)
    axes[0].set(yticks=range(len(moments)), yticklabels=[t + 1 for t in moments], ylabel="epoch")
    figure.colorbar(shown, ax=axes[:-1], label="target probability", pad=0.02)
    axes[-1].barh(range(len(weights)), weights, color=PALETTE[1])
    axes[-1].set(xlim=(0, 1), xlabel="weight of the past")
    axes[-1].spines[["left"]].set_visible(False)
    return figure


@styled(STYLE)
def plot_depth(systems: Mapping[str, Sequence[Sequence[float]]], names: Sequence[str]) -> plt.Figure:
    """Draw test accuracies by depth: {system: rows of runs, with a value an exit}.

    They are means with 95 % intervals; a line may end early. "name, kind" gives one colour to each name and one dash to
    each kind.
    """
    kinds = list(dict.fromkeys(name.partition(", ")[2] for name in systems))
    palette = colours(list(dict.fromkeys(name.partition(", ")[0] for name in systems)))
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
