"""Points on a circle under SimCLR, MoCo and BYOL: what keeps them apart, and how they collapse."""

from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt

from ..plots.explorers import plot_circle
from .controls import Choice, Slider
from .frame import Explorer, explore
from .toy import Toy, angles

PREDICT = (
    "Choose BYOL, take its predictor away and set its momentum to 0: no loss falls lower. Where will the points be "
    "after forty steps? Which of the two brings them back alone, and what does the stopped gradient do?"
)


def circle(
    method: str = "SimCLR",
    T: float = 0.5,
    batch: int = 16,
    predictor: bool = True,
    stop_gradient: bool = True,
    momentum: float = 0.99,
    step: int = 40,
) -> Explorer:
    """Pre-training in a picture: images are points on a circle, a small network puts views of them on another one."""
    return explore(
        draw,
        "kdlab.widgets.circle({})",
        PREDICT,
        method=Choice(method, ["SimCLR", "MoCo", "BYOL"]),
        T=Slider(T, 0.05, 2.0, log=True, label="temperature (SimCLR, MoCo)"),
        batch=Slider(batch, 4, 64, 4, label="batch"),
        predictor=Choice(predictor, label="predictor (BYOL)"),
        stop_gradient=Choice(stop_gradient, label="stopped gradient (BYOL, momentum 0)"),
        momentum=Slider(momentum, 0.0, 0.99, label="momentum (MoCo, BYOL)"),
        step=Slider(step, 0, 200, 10, label="steps trained"),
    )


def draw(**values: Any) -> plt.Figure:
    """The picture of a state."""
    steps = int(values.pop("step"))
    toy = _toy(**values)
    toy.train(steps)
    return plot_circle(toy.seen[steps], angles(), toy.history[: steps + 1], toy.losses[steps])


_toy = lru_cache(maxsize=16)(Toy)  # moving `step` alone goes on from where it was
