"""Figures of results: groups of runs, logs, answers of studies, worth of parts."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ..core.errors import Error
from ..core.statistics import by_group
from ..engine.report import interval
from ..engine.result import Result
from ..metrics import METRICS
from .images import LETTER
from .style import (
    CONTROL,
    GREY,
    NAME,
    PALETTE,
    SENTENCE,
    STYLE,
    Scored,
    bare,
    colours,
    cut,
    label_of,
    name_all,
    styled,
    visible,
)

VERDICTS = {"yes": PALETTE[2], "no, worse": PALETTE[3], "at most": "0.35", "the same": "0.35", "open": PALETTE[1]}
LEGEND = 110  # characters that stand side by side below a figure, a line's mark being 8
POINTS: dict[str, Any] = {"lw": 2.2, "marker": "o", "ms": 8, "mec": "white", "capsize": 4, "elinewidth": 1.4}
DASHED: dict[str, Any] = {"color": GREY, "lw": 1.4, "ls": (0, (5, 2.4)), "zorder": 1.5}  # of a control


@styled(STYLE, 12)
def plot_seeds(
    differences: "Sequence[float] | pd.Series[float]", label: str = "difference, points", few: int = 3
) -> plt.Figure:
    """Draw what every `few` of the differences say, a row each, and what all say.

    Dots are seeds, lines means, bars 95 % intervals; orange where the interval includes 0. A Series names
    its seeds.
    """
    if len(values := list(differences)) < 2:
        raise Error(
            f"{len(values)} differences say nothing of seeds: give those of two systems that several were run with"
        )
    seeds = list(differences.index) if isinstance(differences, pd.Series) else list(range(len(values)))
    starts = range(0, len(values) - few + 1, few)
    rows = {f"seeds {', '.join(map(str, seeds[i : i + few]))}": values[i : i + few] for i in starts}
    rows[f"all {len(values)}"] = values
    figure, axis = _rows(rows, 8, 0.42)
    for row, group in enumerate(rows.values()):
        mean, half = interval(group)
        colour = VERDICTS["open" if not abs(mean) > half else "yes" if mean > 0 else "no, worse"]
        axis.plot([mean - half, mean + half], [row, row], color=colour, lw=8, alpha=0.35, solid_capstyle="round")
        axis.plot(group, [row] * len(group), "o", color=colour, mec="white", ms=6)
        axis.plot([mean, mean], [row - 0.25, row + 0.25], color=colour, lw=3)
    reach = 1.15 * max(abs(np.array(values)).max(), 1)
    axis.set(xlabel=label, xlim=(min(-reach / 3, 1.15 * min(values)), reach))  # wider intervals are cut off
    axis.set_title(
        "dots: seeds   line: mean   bar: 95 % interval, orange with 0 in it", fontsize=10, fontweight="normal"
    )
    return figure


def _rows(names: Collection[str], width: float, height: float) -> tuple[plt.Figure, plt.Axes]:
    """Return a figure with a named row for each, so high in inches, and a line at 0."""
    figure, axis = plt.subplots(figsize=(width, height * len(names) + 1.2))
    axis.axvline(0, color="0.4", lw=1.2, ls="--")
    axis.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.6))
    axis.grid(axis="y", visible=False)
    return figure, axis


@styled(STYLE)
def plot_answers(answers: pd.DataFrame) -> plt.Figure:
    """Draw a study's answers: differences with 95 % intervals, coloured by verdict.

    A hollow dot is a yes, but not above pixels.
    """
    words = [verdict.partition(":")[0] for verdict in answers["verdict"]]
    beside = max(map(len, answers["question"]), default=0) + max(map(len, words), default=0)
    figure, axis = _rows(answers["question"], max(9, LETTER * beside + 2.1), 0.42)
    for row, (answer, word) in enumerate(zip(answers.to_dict("records"), words, strict=True)):
        colour = next(c for verdict, c in VERDICTS.items() if word.startswith(verdict))
        half = np.nan_to_num(answer["± 95 %"])
        dot, *_ = axis.errorbar(answer["difference"], row, xerr=half, fmt="o", color=colour, ms=8, lw=2.5, capsize=4)
        if word.startswith("yes,"):
            dot.set(markerfacecolor="white", markeredgewidth=2.2, markersize=7)
        axis.annotate(word, (1.01, row), xycoords=("axes fraction", "data"), va="center", color=colour, fontsize=10)
    axis.set_xlabel("difference in points, with its 95 % interval")
    return figure


@styled(STYLE)
def plot_worth(table: pd.DataFrame) -> plt.Figure:
    """Draw what parts are worth, left out and added alone, beside their cost.

    `table` is that of `studies.ablation.worth`.
    """
    titles = {"left out": "worth in the whole", "added": "worth alone"}
    ways = [way for way in titles if f"points, {way}" in table]
    figure, axis = _rows(table.index, 9, 0.62)
    for i, way in enumerate(ways):
        heights = np.arange(len(table)) + 0.2 * (i - (len(ways) - 1) / 2)
        axis.errorbar(
            table[f"points, {way}"],
            heights,
            xerr=np.nan_to_num(table[f"± 95 %, {way}"]),
            fmt="os"[i],
            color=PALETTE[(0, 4)[i]],
            ms=7,
            lw=2.2,
            capsize=3,
            label=titles[way],  # orange is "open" elsewhere
        )
    for row, cost in enumerate(table.to_dict("records")):
        words = f"{cost['CPU time, %']:+.0f} % time\n{cost['parameters']:+,} parameters"
        axis.annotate(words, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9, color="0.3")
    axis.set_xlabel("points of test accuracy, with 95 % intervals")
    name_all(axis, loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)
    return figure


@styled({**STYLE, "axes.grid": False})
def plot_cells(table: pd.DataFrame, label: str = "test accuracy, %") -> plt.Figure:
    """Draw a grid of two settings (`studies.ablation.cells_of`) as a heat map."""
    from seaborn import heatmap  # it takes a second to load

    figure, axis = plt.subplots(figsize=(1.3 * len(table.columns) + 2.4, 0.8 * len(table) + 1.4))
    heatmap(
        table,
        cmap="cividis",
        annot=True,
        fmt=".1f",
        cbar_kws={"label": label},
        xticklabels=[f"{value:g}" for value in table.columns],
        yticklabels=[f"{value:g}" for value in table.index],
        ax=axis,
    )
    axis.tick_params(axis="y", rotation=0)
    return figure


@styled(STYLE)
def plot_comparison(
    groups: Mapping[str, Sequence[Scored]],
    metric: str = "test/accuracy",
    label: str = "",
    live: Mapping[str, Sequence[Result]] | None = None,
    families: Mapping[str, str] | None = None,
    beside: str = "",
) -> plt.Figure:
    """Draw a row for each group: runs as dots, their mean, its 95 % interval as a bar.

    `groups` are Results, or rows of a study's evidence (`Study.groups`); what was trained just now, `live`, is drawn
    over them as stars. Groups of one of the `families` have one colour; a dotted line marks the mean of the
    group `beside` which the others are to be seen. The control `pixels` is grey: a dashed line at its mean goes through
    the rows that it is the control of.
    """
    groups = {name: results for name, results in groups.items() if not is_control(name) or _has(results, metric)}
    kinds = {name: (families or {}).get(name, name) for name in groups if not is_control(name)}
    by_kind = colours(list(dict.fromkeys(kinds.values())))
    palette = {name: by_kind[kinds[name]] if name in kinds else GREY for name in groups}
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
    means = {name: interval([result[metric] for result in results])[0] for name, results in groups.items()}
    marked = _through(axis, means, beside)
    if families:
        for kind, colour in by_kind.items():
            axis.plot([], [], "o", color=colour, label=kind)
        name_all(figure, loc="outside lower center", ncols=len(by_kind), columnspacing=1, handletextpad=0.1)
    axis.set(
        yticks=range(len(groups)),
        yticklabels=groups,
        ylim=(len(groups) - 0.5, -0.95 if marked else -0.75),
        xlabel=label or label_of(metric),
        xlim=(None, min(axis.get_xlim()[1], 101)),
    )
    axis.grid(axis="y", visible=False)
    stars = not {*groups}.isdisjoint(live or {})
    words = "dots: seeds   line: mean   bar: 95 % interval" + ("   star: trained here" if stars else "")
    axis.set_title(words, fontsize=10, fontweight="normal")
    return figure


def _through(axis: plt.Axes, means: Mapping[str, float], beside: str) -> bool:
    """Draw lines through rows, dotted at `beside`, dashed at controls.

    Returns whether there are any.
    """
    lines = {beside: means[beside]} if beside else {}
    controls = [name for name in means if is_control(name)]
    if beside:
        axis.axvline(means[beside], color="0.4", lw=1.2, ls=":")
    for row, control in enumerate(control_of(name, controls) for name in means):
        if control:
            at = [means[control]] * 2
            axis.plot(at, [row - 0.5, row + 0.5], **DASHED)
            if not row:
                lines[CONTROL] = means[control]
    for name, x in lines.items():  # each on its own side
        left = x == min(lines.values()) and len(lines) > 1
        style = {"ha": "right" if left else "left", "va": "center", "fontsize": 9}
        axis.annotate(name, (x, -0.72), xytext=(-3 if left else 3, 0), textcoords="offset points", color=GREY, **style)
    return bool(lines)


def is_control(name: str) -> bool:
    """Return whether a system of that name is a study's control: "pixels, 20 labels"."""
    return CONTROL in name.split(", ")


def control_of(name: str, controls: Collection[str]) -> str | None:
    """Return the control of a system: of those whose conditions it has, the nearest.

    A condition is a part of a name: "KD, 20 labels" has that of "pixels, 20 labels", and of "pixels".
    """
    parts = set(name.split(", "))
    fitting = {each: set(each.split(", ")) - {CONTROL} for each in controls}
    fitting = {each: len(conditions) for each, conditions in fitting.items() if conditions <= parts}
    return max(fitting, key=lambda each: fitting[each], default=None)


def _has(results: Sequence[Scored], metric: str) -> bool:
    """Return whether rows of evidence, or runs, have a number of that metric."""
    return not any(isinstance(each, Mapping) and not pd.notna(each.get(metric, np.nan)) for each in results)


@styled(STYLE)
def plot_sweep(
    frame: pd.DataFrame, x: str, hue: str | Sequence[str] = (), metric: str = "test/accuracy", label: str = ""
) -> plt.Figure:
    """Draw a metric against a field of runs: means, 95 % intervals, seeds as dots.

    `frame` has a row a run, as `kdlab.table()` and the file of `kdlab sweep --csv`; `x` and `hue`, a field or several,
    are columns of it. Numbers stand on a logarithmic axis where the largest is more than eight times the smallest,
    texts side by side.
    """
    hues = [hue] if isinstance(hue, str) else list(hue)
    systems: dict[str, dict[Any, list[float]]] = {}
    frame = frame[frame[x].notna()] if x in frame else frame
    for (at, *values), scores in by_group(frame, [x, *hues], metric).items():
        systems.setdefault(", ".join(filter(None, map(str, values))), {})[at] = scores
    if not systems:
        raise Error(f"no run has {x} and {metric}: nothing can be drawn")
    marks = list(dict.fromkeys(at for scores in systems.values() for at in scores))
    numeric = all(isinstance(at, int | float | np.number) for at in marks)
    marks = sorted(marks) if numeric else marks
    log = numeric and 0 < 8 * marks[0] < marks[-1]
    centres = np.array(marks if numeric else range(len(marks)), dtype=float)
    centres = np.log(centres) if log else centres
    figure, axis = plt.subplots(figsize=(8, 4.2))
    for i, (name, colour) in enumerate(colours(list(systems)).items()):
        scores = {at: systems[name][at] for at in marks if at in systems[name]}
        at = centres[[marks.index(mark) for mark in scores]] + _apart(centres, i, len(systems))
        at = np.exp(at) if log else at
        means, halves = zip(*(interval(values) for values in scores.values()), strict=True)
        line = {"color": colour, "ls": "-" if numeric else "none", "label": name}
        axis.errorbar(at, means, np.nan_to_num(halves), **POINTS, **line)
        for each, values in zip(at, scores.values(), strict=True):
            axis.plot([each] * len(values), values, ".", color=colour, alpha=0.5)
    axis.set(xscale="log" if log else "linear", xlabel=x, ylabel=label or label_of(metric))
    axis.set_xticks(marks if numeric else centres, [f"{at:g}" if numeric else str(at) for at in marks])
    axis.minorticks_off()
    if not numeric:
        axis.set_xlim(-0.5, len(marks) - 0.5)
    if hues:
        name_all(figure, loc="outside lower center", ncols=min(len(systems), 4))
    axis.set_title("means with 95 % intervals   small dots: seeds", fontsize=10, fontweight="normal")
    return figure


def _apart(centres: np.ndarray, i: int, lines: int) -> float:
    """Return how far line i of several stands beside the marks: intervals can be seen."""
    apart = min(0.05 * min(np.diff(centres), default=1), 0.012 * np.ptp(centres) or 1)
    return apart * (i - (lines - 1) / 2)


@styled(STYLE)
def plot_curve(table: pd.DataFrame, label: str = "") -> plt.Figure:
    """Draw a metric against the steps of training: means and 95 % intervals.

    `table` is that of `Study.curve`: a line for each label, a dashed line for each control. Numbers of seeds
    stand beside the labels.
    """
    unit = "steps" if "steps" in table else "epochs"
    points = table[table[unit].notna()].astype({unit: float})
    marks = sorted(points[unit].unique())
    lines = {str(name): line for name, line in points.groupby("label", sort=False)}
    legend = {name: f"{name} (n = {_one_or_all(list(line['n']))})" for name, line in lines.items()}
    columns = min(len(legend), max(1, LEGEND // (8 + max(map(len, legend.values())))))
    figure, axis = plt.subplots(figsize=(8, 4 + 0.25 * -(-len(legend) // columns)))
    for i, (name, colour) in enumerate(colours(list(legend)).items()):
        line = lines[name]
        at = np.exp(np.log(line[unit]) + _apart(np.log(marks), i, len(legend)))
        axis.errorbar(at, line["mean"], np.nan_to_num(line["± 95 %"]), color=colour, label=legend[name], **POINTS)
    for control in table[table[unit].isna()].to_dict("records"):
        axis.axhline(control["mean"], **DASHED)
        words = f"{control['label']} (n = {control['n']})"
        anchor = {"xycoords": ("axes fraction", "data"), "xytext": (0, 2), "textcoords": "offset points"}
        axis.annotate(words, (1, control["mean"]), ha="right", va="bottom", fontsize=9, color=GREY, **anchor)
    axis.set(xscale="log", xlabel=f"{unit} of training", ylabel=label or label_of(table["metric"].iloc[0]))
    axis.set_xticks(marks, [f"{at:,.0f}" for at in marks])
    axis.minorticks_off()
    name_all(figure, loc="outside lower center", ncols=columns)
    axis.set_title("means with 95 % intervals over seeds", fontsize=10, fontweight="normal")
    return figure


def _one_or_all(counts: Sequence[int]) -> str:
    return ", ".join(map(str, counts if len({*counts}) > 1 else counts[:1]))


def plot_curves(groups: Mapping[str, Sequence[Result]], column: str = "val/accuracy", label: str = "") -> plt.Figure:
    """Draw a column of the logs against images seen: runs, and means of groups."""
    return plot_diagnostics(groups, {column: label or label_of(column)})


@styled(STYLE, NAME, SENTENCE)  # keys of `columns` are looked for in logs
def plot_diagnostics(groups: Mapping[str, Sequence[Result]], columns: Mapping[str, str]) -> plt.Figure:
    """Draw columns of the logs, {column: label}, against images seen, in panels.

    Runs are thin, the mean of a group is thick.
    """
    dashes = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]
    wide = min(2, len(columns))
    rows = -(-len(columns) // wide)
    size = (4.8 * wide, 2.9 * rows + 0.5) if wide > 1 else (8, 4.4)
    figure, axes = plt.subplots(rows, wide, figsize=size, sharex=True, squeeze=False)
    for axis in axes.flat[len(columns) :]:
        axis.remove()
    for axis, (column, label) in zip(axes.flat, columns.items(), strict=False):
        for i, (name, colour) in enumerate(colours(list(groups)).items()):
            logs = [run.log().dropna(subset=column) for run in groups[name]]
            per_epoch = groups[name][0]["images_seen"] / groups[name][0]["epochs"] / 1000
            images, curves = logs[0].epoch.to_numpy() * per_epoch, np.stack([log[column] for log in logs])
            axis.plot(images, curves.T, color=colour, lw=0.9, alpha=0.3)
            axis.plot(images, curves.mean(0), color=colour, lw=2.5, ls=dashes[i % 5], label=cut(name, NAME))
        axis.set_ylabel(label)
    for axis in axes.flat[max(0, len(columns) - wide) : len(columns)]:
        axis.set_xlabel("images seen in this stage, thousands")
        axis.tick_params(labelbottom=True)
    beside = int(11 * size[0] / (7 + min(NAME, max(map(len, groups)))))  # names that fit above the panels
    name_all(figure, [axes[0, 0]], loc="outside upper center", ncols=max(1, beside))
    return figure


@styled(STYLE)
def plot_log(result: Result) -> plt.Figure:
    """Draw the log of a run: its loss terms, and its metrics, a panel for each unit.

    Columns loss/TERM are drawn together, with the weighted sum where there are several; columns val/METRIC (test/METRIC
    where early stopping watched the test set) share a panel where they have one unit.
    """
    log = result.log()
    names = [str(name) for name in log.columns]
    terms = {cut(visible(name.removeprefix("loss/")), NAME): log[name] for name in names if name.startswith("loss/")}
    panels = metric_panels(names)
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
    for axis, (unit, names) in zip(others, panels.items(), strict=False):
        for name, colour in colours(names).items():
            score = log.dropna(subset=name)
            axis.plot(score.epoch, score[name], color=colour, lw=2, marker="o", ms=4, label=name.partition("/")[2])
        first_name = names[0].partition("/")[2]
        label = unit if len(names) > 1 or unit == first_name else f"{first_name}, {unit}"
        axis.set(xlabel="epoch", ylabel=label, title="Validation" if names[0].startswith("val/") else "Test")
        if len(names) > 1:
            name_all(axis)
    for axis in others[len(panels) :]:
        bare(axis)
    return figure


def metric_panels(columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the metric columns of a log by unit, or by name where it has none."""
    panels: dict[str, list[str]] = {}
    for column in columns:
        part, _, name = column.partition("/")
        if part in ("val", "test"):
            metric = METRICS.get(name.partition("/")[0])
            panels.setdefault((metric.unit if metric else "") or name, []).append(column)
    return panels
