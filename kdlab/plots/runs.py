"""Figures of runs: groups compared, curves, one run's log."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from ..experiment import Result
from ..report import interval
from .style import PALETTE, STYLE, colours


def plot_comparison(
    groups: Mapping[str, Sequence[Result]], metric: str = "test_accuracy", label: str = "test accuracy, %"
) -> plt.Figure:
    """A row per group: every run as a dot, the mean and its 95 % interval as a bar with whiskers."""
    palette = colours(list(groups))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 0.55 * len(groups) + 1.1))
        for row, (name, results) in enumerate(groups.items()):
            values = [result[metric] for result in results]
            mean, half = interval(values)
            if half == half:
                axis.plot(
                    [mean - half, mean + half], [row, row], color=palette[name], lw=6, alpha=0.3, solid_capstyle="round"
                )
            axis.plot(values, [row] * len(values), "o", color=palette[name], mec="white", ms=8)
            axis.plot([mean, mean], [row - 0.22, row + 0.22], color=palette[name], lw=3)
            axis.annotate(f"{mean:.1f}", (mean, row - 0.25), ha="center", va="bottom", fontsize=10)
        axis.set(yticks=range(len(groups)), yticklabels=groups, xlabel=label, ylim=(len(groups) - 0.5, -0.75))
        axis.set_xlim(right=min(axis.get_xlim()[1], 101))
        axis.grid(axis="y", visible=False)
        axis.set_title("dots: seeds   line: mean   bar: 95 % interval", fontsize=10, fontweight="normal")
    return figure


def plot_curves(
    groups: Mapping[str, Sequence[Result]], column: str = "val_accuracy", label: str = "validation accuracy, %"
) -> plt.Figure:
    """`column` of the logs against images seen: a thin line per run, a thick one for the mean of each group."""
    palette = colours(list(groups))
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 4.2))
        for name, results in groups.items():
            logs = [result.log().dropna(subset=column) for result in results]
            seen = logs[0].epoch.to_numpy() / results[0].config.epochs * results[0]["images_seen"] / 1000
            curves = np.stack([log[column].to_numpy() for log in logs])
            axis.plot(seen, curves.T, color=palette[name], lw=1, alpha=0.3)
            axis.plot(seen, curves.mean(0), color=palette[name], lw=2.5, label=name)
        axis.set(xlabel="images seen in this stage, thousands", ylabel=label)
        axis.legend(loc="lower right")
    return figure


def plot_log(result: Result) -> plt.Figure:
    """One run: loss terms against epochs, and beside them the validation score."""
    log = result.log()
    scores = [name for name in log if name.startswith("val_")]
    terms = [
        name
        for name in log
        if name not in ("epoch", "lr", "loss", "seconds", "images_per_second", "method_mb", *scores)
    ]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2 if scores else 1, figsize=(9, 3.4), squeeze=False)
        for name, colour in colours(terms).items():
            axes[0, 0].plot(log.epoch, log[name], color=colour, lw=2, label=name)
        if len(terms) > 1:
            axes[0, 0].plot(log.epoch, log.loss, color="0.35", lw=1, ls="--", label="weighted sum")
        axes[0, 0].set(xlabel="epoch", ylabel="loss", title="Loss terms")
        axes[0, 0].legend()
        for name in scores:
            score = log.dropna(subset=name)
            axes[0, 1].plot(score.epoch, score[name], color=PALETTE[2], lw=2, marker="o", ms=4)
            axes[0, 1].set(xlabel="epoch", ylabel=f"{name.removeprefix('val_')} on validation, %", title="Validation")
    return figure
