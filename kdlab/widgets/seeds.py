"""Seeds against interval: draw them one by one, and see what a few can say."""

from collections.abc import Sequence

import numpy as np

from ..core.errors import Error
from ..plots.explorers import plot_interval
from .controls import Slider
from .frame import Explorer, explore

PREDICT = "How many seeds will it take until the band leaves 0 and stays away? Write the number down, then draw."
LABEL = "difference, points"


def seeds(differences: Sequence[float], n: int = 3, order: int = 0, label: str = LABEL) -> Explorer:
    """The first `n` of a study's differences (`Study.differences`), in one of fifty random orders."""
    values = np.asarray(list(differences), dtype=float)
    if len(values) < 2:
        raise Error(f"{len(values)} differences: give those of two systems that several seeds were run with")
    given = "" if label == LABEL else f", label={label!r}".replace("{", "{{").replace("}", "}}")
    return explore(
        lambda n, order: plot_interval(np.random.default_rng(order).permutation(values)[:n].tolist(), label),
        f"kdlab.widgets.seeds(differences, {{}}{given})",
        PREDICT,
        n=Slider(min(n, len(values)), 1, len(values), label="seeds drawn"),
        order=Slider(order, 0, 49, label="order in which they come"),
    )
