"""Figures: one palette, labelled axes, readable at half size, safe for colour-blind readers."""

from .images import plot_embedding, plot_images
from .runs import plot_comparison, plot_curves, plot_log
from .style import PALETTE, STYLE, colours, figures_root, save, save_table

__all__ = [
    "PALETTE", "STYLE", "colours", "figures_root", "plot_comparison", "plot_curves", "plot_embedding", "plot_images",
    "plot_log", "save", "save_table",
]  # fmt: skip
