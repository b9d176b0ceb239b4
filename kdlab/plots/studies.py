"""Figures of studies: how sure seeds make, answers, and what parts are worth."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ..core.errors import Error
from ..engine.report import interval
from .style import PALETTE, STYLE
from .texts import legible, name_all

VERDICTS = {"yes": PALETTE[2], "no, worse": PALETTE[3], "at most": "0.35", "the same": "0.35", "open": PALETTE[1]}


@legible(12)
def plot_seeds(
    differences: "Sequence[float] | pd.Series[float]", label: str = "difference, points", few: int = 3
) -> plt.Figure:
    """What `few` seeds would have said, and what all say: a row for every `few` of the differences, then one for all.

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
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 0.42 * len(rows) + 1.2))
        axis.axvline(0, color="0.4", lw=1.2, ls="--")
        for row, group in enumerate(rows.values()):
            mean, half = interval(group)
            colour = VERDICTS["open" if not abs(mean) > half else "yes" if mean > 0 else "no, worse"]
            axis.plot([mean - half, mean + half], [row, row], color=colour, lw=8, alpha=0.35, solid_capstyle="round")
            axis.plot(group, [row] * len(group), "o", color=colour, mec="white", ms=6)
            axis.plot([mean, mean], [row - 0.25, row + 0.25], color=colour, lw=3)
        reach = 1.15 * max(abs(np.array(values)).max(), 1)
        axis.set(yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.4, -0.6), xlabel=label)
        axis.set_xlim(min(-reach / 3, 1.15 * min(values)), reach)  # wider intervals are cut off
        axis.grid(axis="y", visible=False)
        axis.set_title(
            "dots: seeds   line: mean   bar: 95 % interval, orange with 0 in it", fontsize=10, fontweight="normal"
        )
    return figure


@legible()
def plot_answers(answers: pd.DataFrame) -> plt.Figure:
    """A study's answers: the difference of every question with its 95 % interval, coloured by the verdict."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(9, 0.42 * len(answers) + 1.2))
        axis.axvline(0, color="0.4", lw=1.2, ls="--")
        for row, asked in enumerate(answers.to_dict("records")):
            colour = next(c for verdict, c in VERDICTS.items() if asked["verdict"].startswith(verdict))
            half = np.nan_to_num(asked["± 95 %"])
            axis.errorbar(asked["difference"], row, xerr=half, fmt="o", color=colour, ms=8, lw=2.5, capsize=4)
            axis.annotate(
                asked["verdict"].partition(":")[0],
                (1.01, row),
                xycoords=("axes fraction", "data"),
                va="center",
                color=colour,
                fontsize=10,
            )
        axis.set(yticks=range(len(answers)), yticklabels=answers["question"], ylim=(len(answers) - 0.5, -0.6))
        axis.set_xlabel("difference in points, with its 95 % interval")
        axis.grid(axis="y", visible=False)
    return figure


@legible()
def plot_worth(table: pd.DataFrame) -> plt.Figure:
    """What parts are worth (`studies.ablation.worth`): left out of the whole, and added alone, with what they cost."""
    titles = {"left out": "worth in the whole", "added": "worth alone"}
    ways = [way for way in titles if f"points, {way}" in table]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(9, 0.62 * len(table) + 1.4))
        axis.axvline(0, color="0.4", lw=1.2, ls="--")
        for i, way in enumerate(ways):
            places = np.arange(len(table)) + 0.2 * (i - (len(ways) - 1) / 2)
            axis.errorbar(
                table[f"points, {way}"],
                places,
                xerr=np.nan_to_num(table[f"± 95 %, {way}"]),
                fmt="os"[i],
                color=PALETTE[(0, 4)[i]],
                ms=7,
                lw=2.2,
                capsize=3,
                label=titles[way],  # orange is "open" elsewhere
            )
        for row, cost in enumerate(table.to_dict("records")):
            told = f"{cost['CPU time, %']:+.0f} % time\n{cost['parameters']:+,} parameters"
            axis.annotate(told, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9, color="0.3")
        axis.set(yticks=range(len(table)), yticklabels=table.index, ylim=(len(table) - 0.5, -0.6))
        axis.set_xlabel("points of test accuracy, with 95 % intervals")
        axis.grid(axis="y", visible=False)
        name_all(axis, loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)
    return figure


@legible()
def plot_cells(table: pd.DataFrame, label: str = "test accuracy, %") -> plt.Figure:
    """A grid of two settings (`studies.ablation.cells_of`) as a heat map with its numbers."""
    from seaborn import heatmap  # it takes a second to load

    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, axis = plt.subplots(figsize=(1.3 * len(table.columns) + 2.4, 0.8 * len(table) + 1.4))
        names = [[f"{value:g}" for value in values] for values in (table.columns, table.index)]
        heatmap(
            table,
            cmap="cividis",
            annot=True,
            fmt=".1f",
            cbar_kws={"label": label},
            xticklabels=names[0],
            yticklabels=names[1],
            ax=axis,
        )
        axis.tick_params(axis="y", rotation=0)
    return figure
