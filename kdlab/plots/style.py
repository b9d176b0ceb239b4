"""What all figures share: a palette safe for colour-blind readers, a style readable at half size, a way to save."""

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from torch import Tensor

from ..engine.store import runs_root
from ..errors import Error
from ..metrics import METRICS

# Load the backend now: what it sets inside one of the rc_contexts below would be undone on leaving
plt.switch_backend(plt.get_backend())
SHIPPED = Path(__file__).parents[2] / "figures"
PART_NAMES = {"val": "validation", "train": "training"}
PALETTE = sns.color_palette("colorblind")
STYLE = {
    "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "axes.axisbelow": True, "legend.frameon": False, "figure.dpi": 100, "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
}  # fmt: skip


def figures_root() -> Path:
    """Where figures go: $KDLAB_FIGURES, else `figures/` in the runs folder; the numbers behind them into `data/`.

    Those that are committed with the notebooks are only replaced by `kdlab notebooks execute`.
    """
    return Path(os.environ.get("KDLAB_FIGURES") or runs_root() / "figures")


def save(figure: plt.Figure, name: str) -> None:
    """Write `name`.png, the same bytes for the same figure."""
    path = figures_root() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def save_table(frame: pd.DataFrame, name: str) -> None:
    """Write the numbers behind a figure or a table as data/`name`.csv."""
    path = figures_root() / "data" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, lineterminator="\n", float_format="%.6g")


def load_table(name: str) -> pd.DataFrame:
    """The numbers that `save_table` wrote as data/`name`.csv, else those that came with the package."""
    for root in (figures_root(), SHIPPED):
        if (path := root / "data" / f"{name}.csv").exists():
            return pd.read_csv(path)
    raise Error(f"no table {name!r} in {figures_root() / 'data'}; whatever measures it writes it there")


def label_of(column: str) -> str:
    """What a column is, for an axis, from its name: "test/accuracy" -> "test accuracy, %"."""
    part, _, name = column.partition("/")
    metric = METRICS.get(name.partition("/")[0])
    words = f"{PART_NAMES.get(part, part)} {name.replace('/', ' ')}".strip()
    return f"{words}, {metric.unit}" if metric and metric.unit else words


def picture(image: Tensor) -> np.ndarray:
    """A uint8 image (C, H, W) as matplotlib shows it: (H, W) or (H, W, 3)."""
    return image.permute(1, 2, 0).squeeze(2).numpy()


def colours(names: Sequence[str]) -> dict[str, tuple]:
    """One colour a name, the same in every figure that gets the same names in the same order."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}
