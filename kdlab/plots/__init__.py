"""Figures: one palette, labelled axes, readable at half size, safe for colour-blind readers."""

from ..engine.tables import figures_root, load_table, save_table
from .classes import plot_balance, plot_confusion, plot_per_class
from .diagrams import plot_pipeline
from .distillation import (
    plot_agreement,
    plot_early_stopping,
    plot_lines,
    plot_paired,
    plot_softened,
)
from .images import plot_embedding, plot_images
from .layered import (
    plot_against,
    plot_branches,
    plot_depth,
    plot_selection,
    plot_similarity,
    plot_targets,
    plot_versions,
)
from .runs import plot_comparison, plot_curves, plot_log
from .ssl import (
    plot_cosines,
    plot_diagnostics,
    plot_pair_cosines,
    plot_parts,
    plot_queue,
    plot_strips,
)
from .studies import plot_answers, plot_cells, plot_seeds, plot_worth
from .style import PALETTE, STYLE, colours, save

__all__ = [
    "PALETTE",
    "STYLE",
    "colours",
    "figures_root",
    "load_table",
    "plot_against",
    "plot_agreement",
    "plot_answers",
    "plot_balance",
    "plot_branches",
    "plot_cells",
    "plot_comparison",
    "plot_confusion",
    "plot_cosines",
    "plot_curves",
    "plot_depth",
    "plot_diagnostics",
    "plot_early_stopping",
    "plot_embedding",
    "plot_images",
    "plot_lines",
    "plot_log",
    "plot_pair_cosines",
    "plot_paired",
    "plot_parts",
    "plot_per_class",
    "plot_pipeline",
    "plot_queue",
    "plot_seeds",
    "plot_selection",
    "plot_similarity",
    "plot_softened",
    "plot_strips",
    "plot_targets",
    "plot_versions",
    "plot_worth",
    "save",
    "save_table",
]
