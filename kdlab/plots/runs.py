"""Figures of runs: groups compared, curves, one run's log."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from ..engine.report import interval
from ..engine.result import Result
from ..metrics import METRICS
from .style import STYLE, Scored, bare, colours, label_of
from .texts import NAME, cut, legible, name_all, visible


@legible()
def plot_comparison(
    groups: Mapping[str, Sequence[Scored]],
    metric: str = "test/accuracy",
    label: str = "",
    live: Mapping[str, Sequence[Result]] | None = None,
    families: Mapping[str, str] | None = None,
    beside: str = "",
) -> plt.Figure:
    """A row per group: every run as a dot, the mean and its 95 % interval as a bar.

    `groups` are Results, or rows of a study's evidence (`Study.groups`); what was trained just now, `live`, is drawn
    over them as stars. Groups of one of the `families` have one colour; a line through all rows marks the mean of the
    group `beside` which the others are to be seen.
    """
    kinds = {name: (families or {}).get(name, name) for name in groups}
    by_kind = colours(list(dict.fromkeys(kinds.values())))
    palette = {name: by_kind[kind] for name, kind in kinds.items()}
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 0.55 * len(groups) + 1.1))
        for row, (name, results) in enumerate(groups.items()):
            values = [result[metric] for result in results]
            mean, half = interval(values)
            if np.isfinite(half):  # one run has no interval
                axis.plot(
                    [mean - half, mean + half], [row, row], color=palette[name], lw=6, alpha=0.3, solid_capstyle="round"
                )
            many = len(values) > 6
            axis.plot(
                values,
                [row] * len(values),
                "o",
                color=palette[name],
                mec="white",
                ms=6 if many else 8,
                alpha=0.6 if many else 1,
            )
            axis.plot([mean, mean], [row - 0.22, row + 0.22], color=palette[name], lw=3)
            now = [result[metric] for result in (live or {}).get(name, ())]
            axis.plot(now, [row] * len(now), "*", color="0.15", mec="white", ms=14, zorder=5)
            axis.annotate(
                f"{mean:.1f}",
                (mean, row - 0.25),
                ha="center",
                va="bottom",
                fontsize=10,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            )
        if beside:
            axis.axvline(interval([result[metric] for result in groups[beside]])[0], color="0.4", lw=1.2, ls="--")
        if families:
            for kind, colour in by_kind.items():
                axis.plot([], [], "o", color=colour, label=kind)
            name_all(figure, loc="outside lower center", ncols=len(by_kind), columnspacing=1, handletextpad=0.1)
        axis.set(yticks=range(len(groups)), yticklabels=groups, ylim=(len(groups) - 0.5, -0.75))
        axis.set_xlabel(label or label_of(metric))
        axis.set_xlim(right=min(axis.get_xlim()[1], 101))
        axis.grid(axis="y", visible=False)
        stars = not {*groups}.isdisjoint(live or {})
        told = "dots: seeds   line: mean   bar: 95 % interval" + ("   star: trained here" if stars else "")
        axis.set_title(told, fontsize=10, fontweight="normal")
    return figure


@legible()
def plot_curves(groups: Mapping[str, Sequence[Result]], column: str = "val/accuracy", label: str = "") -> plt.Figure:
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
        axis.set(xlabel="images seen in this stage, thousands", ylabel=label or label_of(column))
        name_all(axis, loc="lower right")
    return figure


@legible()
def plot_log(result: Result) -> plt.Figure:
    """One run: its loss terms against epochs, and a panel for the metrics of each unit, as the log's columns name them.

    Columns loss/TERM are drawn together, with the weighted sum where there are several; columns val/METRIC (test/METRIC
    where early stopping watched the test set) share a panel where they have one unit.
    """
    log = result.log()
    names = [str(name) for name in log.columns]
    terms = {cut(visible(name.removeprefix("loss/")), NAME): log[name] for name in names if name.startswith("loss/")}
    panels = metric_panels(names)
    with plt.rc_context(STYLE):
        columns = min(3, 1 + len(panels))
        rows = -(-(1 + len(panels)) // columns)
        figure, axes = plt.subplots(rows, columns, figsize=(1 + 4 * columns, 3.4 * rows), squeeze=False)
        first, *others = axes.flat
        for name, colour in colours(list(terms)).items():
            first.plot(log.epoch, terms[name], color=colour, lw=2, label=name)
        if len(terms) > 1:
            first.plot(log.epoch, log.loss, color="0.35", lw=1, ls="--", label="weighted sum")
        first.set(xlabel="epoch", ylabel="loss", title="Loss terms")
        name_all(first)
        for axis, (label, names) in zip(others, panels.items(), strict=False):
            for name, colour in colours(names).items():
                score = log.dropna(subset=name)
                axis.plot(score.epoch, score[name], color=colour, lw=2, marker="o", ms=4, label=name.partition("/")[2])
            axis.set(xlabel="epoch", ylabel=label, title="Validation" if names[0].startswith("val/") else "Test")
            if len(names) > 1:
                name_all(axis)
        for axis in others[len(panels) :]:
            bare(axis)
    return figure


def metric_panels(columns: Sequence[str]) -> dict[str, list[str]]:
    """The metric columns among a log's, by the label of their axis: one for each unit, one each without a unit."""
    panels: dict[str, list[str]] = {}
    for column in columns:
        part, _, name = column.partition("/")
        if part in ("val", "test"):
            metric = METRICS.get(name.partition("/")[0])
            unit = metric.unit if metric else ""
            panels.setdefault(unit or name, []).append(column)
    labelled = {}
    for unit, names in panels.items():
        name = names[0].partition("/")[2]
        labelled[unit if len(names) > 1 or unit == name else f"{name}, {unit}"] = names
    return labelled
