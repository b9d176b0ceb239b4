"""What figures share: a palette, a style that is readable at half size, saving."""

import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from torch import Tensor

from ..core.output import write_bytes
from ..core.places import figures_root
from ..engine.result import Result
from ..metrics import METRICS

# Load the backend now: what it sets inside the style of `texts.styled` would be undone on leaving
plt.switch_backend(plt.get_backend())
Scored = Result | Mapping[str, Any]  # a run, or what a row of evidence says of it: x[metric] is a number
PART_NAMES = {"val": "validation", "train": "training"}
# "colorblind" of seaborn, which takes a second to load
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")
PALETTE = [to_rgb(colour) for colour in COLOURS]
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a class may be called $a$
}
PICTURES = {**STYLE, "axes.grid": False, "axes.titlelocation": "center", "axes.titleweight": "normal"}
SAVED: WeakKeyDictionary[plt.Figure, bytes] = WeakKeyDictionary()  # as PNG


def show_as_saved() -> bool:
    """Let a notebook show the bytes of a saved figure, unless it has changed since.

    A figure would be drawn three times otherwise: to be saved, at the end of the cell that changed it, and to be shown.
    A figure that has been shown, as the value of its cell, is closed: the end of the cell would show it once more.
    """
    shell: Any = sys.modules["IPython"].get_ipython() if "inline" in plt.get_backend() else None
    if shell is None:
        return False
    plt.uninstall_repl_displayhook()
    formatter = shell.display_formatter.formatters["image/png"]
    try:
        usual = formatter.lookup_by_type(plt.Figure)
    except KeyError:  # they are shown in another format
        return False

    def shown(figure: plt.Figure) -> Any:
        png = (not figure.stale and SAVED.get(figure)) or usual(figure)
        plt.close(figure)
        return png

    formatter.for_type(plt.Figure, shown)
    return True


AS_SAVED = show_as_saved()


def seed_of(scored: Scored) -> int:
    """Return the seed of a run, or of a row of evidence."""
    return scored["seed"] if isinstance(scored, Mapping) else scored.config.seed


def save(figure: plt.Figure, name: str) -> None:
    """Write `name`.png, the same bytes for the same figure.

    A notebook shows these bytes: change the figure before.
    """
    path = figures_root() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    png = BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    write_bytes(path, png.getvalue())
    figure.set_layout_engine("none")
    if AS_SAVED:
        SAVED[figure], figure.stale = png.getvalue(), False


def bare(axis: plt.Axes) -> None:
    """Hide an axis; `set_axis_off` alone still lays out its ticks, which takes time."""
    axis.set_axis_off()
    axis.xaxis.set_visible(False)
    axis.yaxis.set_visible(False)


def label_of(column: str) -> str:
    """Return the label of a column: "test/accuracy" -> "test accuracy, %"."""
    part, _, name = column.partition("/")
    metric = METRICS.get(name.partition("/")[0])
    words = f"{PART_NAMES.get(part, part)} {name.replace('/', ' ')}".strip()
    return f"{words}, {metric.unit}" if metric and metric.unit else words


def show_image(
    axis: plt.Axes, image: Tensor | np.ndarray, extent: tuple[float, float, float, float] | None = None
) -> None:
    """Draw a uint8 image (C, H, W), or its picture; it fills the axis or an extent."""
    shown = picture(image) if isinstance(image, Tensor) else image
    axis.imshow(shown, cmap="gray_r", vmin=0, vmax=255, extent=extent)
    if extent is None:
        bare(axis)


def picture(image: Tensor) -> np.ndarray:
    """Return a uint8 image (C, H, W) as matplotlib shows it: (H, W) or (H, W, 3)."""
    return image.permute(1, 2, 0).squeeze(2).numpy()


def colours(names: Sequence[str]) -> dict[str, tuple]:
    """Return a colour for each name, the same for the same names in the same order."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}
