"""Seeds against interval: draw them one by one, and see what a few can say."""

from collections.abc import Sequence

import numpy as np

from ..core.errors import Error
from ..plots.explorers import plot_interval
from ..studies import STUDIES
from .frame import Explorer, Slider, explore, in_gallery

PREDICT = "How many seeds will it take until the band leaves 0 and stays away? Write the number down, then draw."
LABEL = "difference, points"
TEACHERS = "student of the SimCLR teacher", "student of the labels-only teacher"  # compared in the tour, seed by seed
GAIN = "gain by a SimCLR teacher, points"


@in_gallery("seeds against interval", "00_tour")
def seeds(differences: Sequence[float] | None = None, n: int = 3, order: int = 0, label: str = LABEL) -> Explorer:
    """Show the first `n` of a study's differences (`Study.differences`), shuffled.

    Without differences they are those of the tour: what a SimCLR teacher adds to its student.
    """
    variable = "" if differences is None else "differences, "
    if differences is None:
        differences, label = STUDIES["tour"]().differences(*TEACHERS).tolist(), GAIN
    values = np.asarray(list(differences), dtype=float)
    if len(values) < 2:
        raise Error(f"{len(values)} differences: give those of two systems that several seeds were run with")
    words = "" if label in (LABEL, GAIN) else f", label={label!r}".replace("{", "{{").replace("}", "}}")
    return explore(
        lambda n, order: plot_interval(np.random.default_rng(order).permutation(values)[:n].tolist(), label),
        f"kdlab.widgets.seeds({variable}{{}}{words})",
        PREDICT,
        n=Slider(min(n, len(values)), 1, len(values), label="seeds drawn"),
        order=Slider(order, 0, 49, label="order in which they come"),
    )
