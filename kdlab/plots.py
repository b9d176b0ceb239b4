"""Figures: one palette, labelled axes, readable at half size, safe for colour-blind readers."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from torch import Tensor

from .experiment import Result
from .report import interval

# Load the backend now: what it sets inside one of the rc_contexts below would be undone on leaving
plt.switch_backend(plt.get_backend())
PALETTE = sns.color_palette("colorblind")
STYLE = {
    "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "axes.axisbelow": True, "legend.frameon": False, "figure.dpi": 100, "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
}  # fmt: skip


def figures_root() -> Path:
    """Where figures go: $KDLAB_FIGURES, else `figures/` beside the package; the numbers behind them into `data/`."""
    return Path(os.environ.get("KDLAB_FIGURES") or Path(__file__).parents[1] / "figures")


def save(figure: plt.Figure, name: str) -> None:
    """Write `name`.png, the same bytes for the same figure."""
    path = figures_root() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def save_table(frame, name: str) -> None:
    """Write the numbers behind a figure or a table as data/`name`.csv."""
    path = figures_root() / "data" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, lineterminator="\n", float_format="%.6g")


def colours(names: Sequence[str]) -> dict[str, tuple]:
    """One colour a name, the same in every figure that gets the same names in the same order."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


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


def plot_embedding(panels: Mapping[str, Tensor], y: Tensor, classes: Sequence[str]) -> plt.Figure:
    """Feature vectors (n, D) of each panel in two dimensions (t-SNE), one colour a class, its name at its median."""
    from sklearn.manifold import TSNE

    y = y.numpy()
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.6), squeeze=False)
        for axis, (title, features) in zip(axes[0], panels.items(), strict=True):
            flat = TSNE(init="pca", perplexity=25, max_iter=500, random_state=0, n_jobs=1).fit_transform(
                features.numpy()
            )
            for label, name in enumerate(classes):
                points = flat[y == label]
                axis.scatter(*points.T, s=9, color=PALETTE[label % len(PALETTE)], alpha=0.75, linewidths=0)
                axis.annotate(
                    name, np.median(points, 0), ha="center", va="center", fontsize=15, fontweight="bold",
                    color=PALETTE[label % len(PALETTE)], path_effects=_halo(),
                )  # fmt: skip
            axis.set(xticks=[], yticks=[], title=title)
            axis.spines[:].set_visible(False)
    return figure


def _halo():
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=4, foreground="white")]


def plot_images(images: Tensor, captions: Sequence[str], columns: int = 8, title: str = "") -> plt.Figure:
    """uint8 images (n, C, H, W) in a grid, a caption above each."""
    rows, side = -(-len(images) // columns), min(1.2, 10 / columns)  # inches
    with plt.rc_context({**STYLE, "axes.grid": False, "axes.titlelocation": "center", "axes.titleweight": "normal"}):
        figure, axes = plt.subplots(
            rows, columns, figsize=(side * columns, (side + 0.3) * rows + 0.3 * bool(title)), squeeze=False
        )
        for axis in axes.flat:
            axis.axis("off")
        for axis, image, caption in zip(axes.flat, images, captions, strict=False):
            axis.imshow(image.permute(1, 2, 0).squeeze(2).numpy(), cmap="gray_r", vmin=0, vmax=255)
            axis.set_title(caption, fontsize=9)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def plot_log(result: Result) -> plt.Figure:
    """One run: loss terms against epochs, and beside them the validation score."""
    log = result.log()
    scores = [name for name in log if name.startswith("val_")]
    terms = [name for name in log if name not in ("epoch", "lr", "loss", "seconds", "images_per_second", *scores)]
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
