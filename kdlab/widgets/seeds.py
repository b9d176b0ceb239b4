"""Seeds against interval: draw them one by one, and see what a few can say."""

from collections.abc import Sequence

import numpy as np

from ..errors import Error
from ..plots.explorers import plot_interval
from .controls import Slider
from .frame import Explorer, explore

PREDICT = "How many seeds will it take until the band leaves 0 and stays away? Write the number down, then draw."


def seeds(differences: Sequence[float], n: int = 3, order: int = 0) -> Explorer:
    """The first `n` of a study's differences (`Study.differences`), in one of fifty random orders."""
    values = np.asarray(list(differences), dtype=float)
    if len(values) < 2:
        raise Error(f"{len(values)} differences: give those of two systems that several seeds were run with")
    return explore(
        lambda n, order: plot_interval(np.random.default_rng(order).permutation(values)[:n].tolist()),
        "kdlab.widgets.seeds(differences, {})", PREDICT,
        n=Slider(min(n, len(values)), 1, len(values), label="seeds drawn"),
        order=Slider(order, 0, 49, label="order in which they come"),
    )  # fmt: skip
