"""Figures by class: numbers of images, confusion matrices, accuracies."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from torch import Tensor

from ..core.errors import Error
from ..engine.report import wilson
from ..engine.result import Result
from .style import CLASS, PICTURES, STYLE, colours, name_all, styled

MANY = 20  # classes; beyond them cells have no numbers
NAMED = 110  # classes; beyond them a page has no room for their names


@styled(STYLE, CLASS, 24)
def plot_balance(counts: Mapping[str, Sequence[int]], classes: Sequence[str]) -> plt.Figure:
    """Draw the images of each class as stacked bars: {split: a number for each class}."""
    figure, axis = plt.subplots(figsize=(8, 3.4))
    below = np.zeros(len(classes))
    for (name, numbers), colour in zip(counts.items(), colours(list(counts)).values(), strict=True):
        axis.bar(range(len(classes)), numbers, 0.8, below, color=colour, label=name)
        below += np.asarray(numbers)
    axis.grid(axis="x", visible=False)
    axis.set(xlabel="class", ylabel="images")
    if len(classes) <= MANY:
        _name_classes(axis, classes, "x")
    name_all(axis, ncols=len(counts), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _name_classes(axis: plt.Axes, classes: Sequence[str], which: str, **font: float) -> None:
    """Name the ticks of the axis `which` ("x" or "y") by class."""
    turn = {"rotation": 45, "ha": "right"} if max(map(len, classes)) > 3 else {}
    turn = {"rotation": 90} if len(classes) > MANY else turn
    getattr(axis, f"set_{which}ticks")(range(len(classes)), classes, **(turn if which == "x" else {}), **font)


def plot_confusion(
    panels: Result | Mapping[str, Result | Tensor | pd.DataFrame],
    classes: Sequence[str] = (),
    rows: str = "true class",
    columns: str = "predicted class",
    percent: bool = False,
) -> plt.Figure:
    """Draw matrices (K, K) of counts on one scale, with numbers while there is room.

    A Result stands for its confusion on the test images. `classes` may be left out where the first matrix is a table
    with names (`Result.confusion`) or a Result; all of these have the same names then. `percent`: shares of each row's
    images, the colours for what is wrong only; what is right, on the diagonal, is grey.
    """
    named = {f"{panels.config.model}, {panels.config.method}": panels} if isinstance(panels, Result) else panels
    tables = {name: each.confusion() if isinstance(each, Result) else each for name, each in named.items()}
    return _draw_confusion(tables, classes, rows, columns, percent)


@styled(PICTURES, CLASS, 40)  # which reads the names of classes in tables, and none in a Result
def _draw_confusion(
    tables: Mapping[str, Tensor | pd.DataFrame], classes: Sequence[str], rows: str, columns: str, percent: bool
) -> plt.Figure:
    """Draw the figure of `plot_confusion`."""
    first = next(iter(tables.values()))
    names = [str(name) for name in (first.columns if isinstance(first, pd.DataFrame) and not classes else classes)]
    if not classes:
        _check_classes({name: list(t.columns) for name, t in tables.items() if isinstance(t, pd.DataFrame)})
    counts = {name: np.asarray(matrix) for name, matrix in tables.items()}
    shown, K = dict(counts), len(names)
    for name, matrix in counts.items() if percent else ():  # shares of a row, without the diagonal
        shares = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        shown[name] = np.ma.masked_array(shares, np.eye(K, dtype=bool))
    high = max(np.max(matrix) for matrix in shown.values()) or 1
    side = max(4.4, 0.12 * min(K, NAMED))  # inches
    font = {"fontsize": min(PICTURES["font.size"], 60 * (side - 1) / K)}
    colour_map = plt.get_cmap("Blues").with_extremes(bad="0.93" if K <= MANY else "0.75")
    size = side * len(tables) + 0.6 + 0.12 * (side - 4.4), side + 0.2
    figure, axes = plt.subplots(1, len(tables), figsize=size, squeeze=False, sharey=True)
    for axis, (name, matrix) in zip(axes[0], shown.items(), strict=True):
        image = axis.imshow(matrix, cmap=colour_map, vmin=0, vmax=high)
        for (i, j), count in np.ndenumerate(counts[name]) if K <= MANY else ():
            share = 100 * count / max(1, counts[name][i].sum())
            text = f"{share:.0f}" if percent and share >= 0.5 else "" if percent else count or ""
            tint = "0.5" if percent and i == j else "white" if matrix[i, j] > 0.6 * high else "0.15"
            axis.text(j, i, text, ha="center", va="center", fontsize=8.5, color=tint)
        axis.set(title=name, xlabel=columns)
        if K <= NAMED:
            _name_classes(axis, names, "x", **font)
            _name_classes(axis, names, "y", **font)
        if K > MANY:
            axis.tick_params(length=0)
    axes[0, 0].set_ylabel(rows)
    label = f"wrong, % of the images of a {rows}" if percent else "images"
    figure.colorbar(image, ax=axes[0], label=label, shrink=0.8)
    return figure


def _check_classes(names: Mapping[str, list[str]]) -> None:
    """Refuse tables of different classes: all would get the first one's labels."""
    first, *others = names.items()
    for name, classes in others:
        if classes != first[1]:
            one, other = (", ".join(map(str, each[:MANY])) for each in (first[1], classes))
            raise Error(f"{first[0]} has the classes {one}, and {name} has {other}: draw them in two figures")


@styled(STYLE, CLASS, 40)
def plot_per_class(panels: Mapping[str, pd.DataFrame]) -> plt.Figure:
    """Draw the accuracy of each class, the best of the first panel on top.

    A bar has its 95 % interval (Wilson); a line is the mean over classes. `panels` are tables of counts as
    `Result.confusion` gives them, all of the same classes; one without images is left out. An interval tells what other
    images of the class might give, with the same network.
    """
    first = next(iter(panels.values()))
    _check_classes({name: list(table.index) for name, table in panels.items()})
    names = [str(name) for name in first.index]
    least = np.min([table.sum(axis=1) for table in panels.values()], axis=0)
    order = np.argsort(-np.diag(first) / np.maximum(1, first.sum(axis=1).to_numpy()), kind="stable")
    order = order[least[order] > 0]
    K = len(order)
    few = K <= MANY
    size = 0.6 + max(7.4, 3.7 * len(panels)), 1.3 + (0.33 if few else 0.12) * K
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True)
    for axis, (name, table), colour in zip(axes[0], panels.items(), colours(list(panels)).values(), strict=True):
        right, counts = np.diag(table)[order], table.sum(axis=1).to_numpy()[order]
        shares = 100 * right / counts
        ends = [wilson(int(r), int(n)) for r, n in zip(right, counts, strict=True)]
        axis.barh(range(K), shares, 0.72, color=colour, alpha=0.4)
        axis.axvline(shares.mean(), color="0.3", lw=1.2, ls="--")
        axis.hlines(range(K), *np.transpose(ends), color=colour, lw=2.5 if few else 1.2, zorder=3)
        axis.plot(shares, range(K), "o", color=colour, mec="white", ms=7 if few else 4, zorder=4, clip_on=False)
        for row, share in enumerate(shares) if few else ():
            axis.text(1.5, row, f"{share:.0f}", va="center", fontsize=9, color="0.2")
        axis.set(xlim=(0, 101), ylim=(K - 0.4, -0.6), xlabel="accuracy, %", title=name)
        axis.set_title(f"mean {shares.mean():.1f}", loc="right", fontsize=10, fontweight="normal")
        axis.grid(axis="y", visible=False)
    axes[0, 0].set_yticks(range(K), [names[k] for k in order], fontsize=11 if few else 6.5)
    figure.supxlabel("dot: class   line: 95 % interval   dashed: mean over classes", fontsize=10)
    return figure
