"""Figures: one palette that is safe for colour-blind readers, and labelled axes."""

from ..core.places import figures_root
from ..engine.tables import load_table, save_table
from .classes import plot_balance, plot_confusion, plot_per_class
from .diagrams import plot_branches, plot_pipeline
from .distillation import (
    plot_agreement,
    plot_depth,
    plot_early_stopping,
    plot_lines,
    plot_paired,
    plot_selection,
    plot_softened,
    plot_targets,
)
from .images import plot_embedding, plot_images, plot_strips, plot_versions
from .results import (
    plot_answers,
    plot_cells,
    plot_comparison,
    plot_curve,
    plot_curves,
    plot_diagnostics,
    plot_log,
    plot_seeds,
    plot_sweep,
    plot_worth,
)
from .ssl import plot_cosines, plot_pair_cosines, plot_parts, plot_queue, plot_similarity
from .style import PALETTE, STYLE, colours, save
