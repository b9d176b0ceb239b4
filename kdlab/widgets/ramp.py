"""Alpha ramps and early stopping, on what a run recorded."""

from typing import Any

import matplotlib.pyplot as plt

from ..core.errors import Error
from ..core.schedules import ramp_up
from ..engine.result import Result
from ..plots.explorers import plot_ramp
from .frame import Choice, Explorer, Slider, explore, in_gallery

PREDICT = (
    "Alpha is the weight of the teacher's answers; stopping waits until it has risen. With a patience of 1, how early "
    "would this run have stopped, and how much accuracy would that have cost? And without warm-up and ramp, both at 0?"
)


@in_gallery("ramps and early stopping", "04_scheduled_distillation", "teacher")
def ramp(
    result: Result,
    patience: int = 5,
    curve: str = "linear",
    start: float = 0.1,
    end: float = 0.9,
    warmup: float = 0.17,
    rise: float = 0.53,
) -> Explorer:
    """Show a schedule of SS-KD, and where a rule would have stopped a recorded run.

    The accuracies stay those of the run: another alpha would have given others. Stopping waits until alpha is settled.
    """
    log = result.log()
    column = next((c for c in ("val/accuracy", "test/accuracy") if c in log), None)
    if column is None or len(log.dropna(subset=column)) < 3:
        raise Error("this run recorded no accuracy by epoch: give one with evaluate_every=1")
    scores = log[column].ffill().tolist()

    def draw(patience: int, warmup: float, rise: float, **alpha: Any) -> plt.Figure:
        share, epochs = min(rise, 1 - warmup), max(len(scores), result.config.epochs)
        weights = [ramp_up(epoch / epochs, warmup=warmup, ramp=share, **alpha) for epoch in range(epochs)]
        stop, best = stopping(scores, patience, (warmup + share) * epochs)
        return plot_ramp(weights, scores, stop, best)

    return explore(
        draw,
        "kdlab.widgets.ramp(result, {})",
        PREDICT,
        patience=Slider(patience, 1, 15, label="patience, epochs"),
        curve=Choice(curve, ["linear", "cosine", "step"]),
        start=Slider(start, 0.0, 1.0, 0.05),
        end=Slider(end, 0.0, 1.0, 0.05),
        warmup=Slider(warmup, 0.0, 0.5, 0.01, label="warm-up, share"),
        rise=Slider(rise, 0.0, 1.0, 0.01, label="ramp, share"),
    )


def stopping(scores: list[float], patience: int, settled: float) -> tuple[int, int]:
    """Return the epochs trained and the epoch kept, counted from 1.

    Training stops once `patience` epochs brought nothing better.
    """
    best = 0
    for epoch, score in enumerate(scores):
        if score > scores[best]:
            best = epoch
        if epoch - best >= patience and epoch + 1 >= settled:
            return epoch + 1, best + 1
    return len(scores), best + 1
