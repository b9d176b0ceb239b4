"""Accuracy against labels and against wrong labels, of twenty recorded seeds."""

import re
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd

from ..core.errors import Error
from ..plots.explorers import plot_budgets
from ..studies import STUDIES
from .frame import Choice, Explorer, Slider, explore, in_gallery

PREDICT = (
    "Where do the curves of the student with and without a teacher meet? And with how many seeds would you have seen "
    "that?"
)
ASKED = {"labels": "label_budgets", "wrong labels": "noise"}
AXES = {"labels": "labelled images", "wrong labels": "wrong labels, %"}
LABELS = re.compile(r"(?P<name>.+), (?P<at>\d+) labels")
WITHOUT_NOISE = {"no noise": "labels only", "pixels": "pixels"}  # system: curve
NOISE = re.compile(r"(?P<at>\d+)% wrong(?:, (?P<name>.+))?")


@in_gallery("labels and wrong labels against accuracy", "01_data_and_views")
def budgets(against: str = "labels", seeds: int = 20, system: str = "all") -> Explorer:
    """Show means with 95 % intervals of some seeds of two recorded studies.

    They are label_budgets and noise.
    """
    scores = {what: STUDIES[name]().scores() for what, name in ASKED.items()}
    curves = {what: _curves(what, frame) for what, frame in scores.items()}
    names = sorted({name for each in curves.values() for name in each})

    def draw(against: str, seeds: int, system: str) -> plt.Figure:
        shown = {n: at for n, at in curves[against].items() if system in ("all", n)}
        if not shown:
            raise Error(f"{system!r} is not measured against {against}: choose from {', '.join(curves[against])}")
        few = {name: {x: values[:seeds] for x, values in at.items()} for name, at in shown.items()}
        title = f"test accuracy, means with 95 % intervals of {seeds} seeds"
        return plot_budgets(few, AXES[against], against == "labels", title)

    return explore(
        draw,
        "kdlab.widgets.budgets({})",
        PREDICT,
        against=Choice(against, list(ASKED)),
        seeds=Slider(seeds, 2, 20),
        system=Choice(system, ["all", *names]),
    )


def _curves(what: str, scores: pd.DataFrame) -> Mapping[str, Mapping[float, list[float]]]:
    """Return {system: {x: values}}, read from the names of the studies' systems."""
    curves: dict[str, dict[float, list[float]]] = {}
    for column in scores:
        values = scores[column].dropna().tolist()
        if match := (LABELS if what == "labels" else NOISE).fullmatch(str(column)):
            curves.setdefault(match["name"] or "labels only", {})[float(match["at"])] = values
        elif column in WITHOUT_NOISE:
            curves.setdefault(WITHOUT_NOISE[str(column)], {})[0.0] = values
    return curves
