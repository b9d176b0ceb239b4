"""The threshold on pseudo-labels by epoch: how many pass, how many are right."""

import matplotlib.pyplot as plt
from torch import Tensor

from ..core.errors import Error
from ..engine.result import Result
from ..engine.run import watch
from ..experiment.setup import Setup
from ..metrics import extract
from ..plots.explorers import plot_threshold
from .frame import Choice, Explorer, Slider, explore, in_gallery

PREDICT = "A threshold of 0.95 sounds strict. How many of what it lets pass will be wrong in the first epochs?"
COUNT = 1000
Guesses = tuple[Tensor, Tensor]  # confidences, and which are right


@in_gallery("pseudo-labels and their threshold", "03_distillation", "student")
def pseudo_labels(result: Result, threshold: float = 0.95, epoch: int = -1, source: str = "student") -> Explorer:
    """Show which guesses on the unlabelled images pass a threshold, epoch by epoch.

    They are those of a student or of its teacher.

    The run is looked at from inside (`kdlab.watch`); the true classes are known here and not to the training.
    """
    guesses = watch(result.config, _guesses)
    sources = list(guesses[0])
    if source not in sources:
        raise Error(f"source={source!r}: of this run there are guesses of {', '.join(sources)}")

    def draw(threshold: float, epoch: int, source: str) -> plt.Figure:
        passed, good = [], []  # shares in %
        for moment in guesses:
            confidence, right = moment[source]
            chosen = confidence >= threshold
            passed.append(100 * chosen.double().mean().item())
            good.append(100 * right[chosen].double().mean().item())  # NaN where none passes
        return plot_threshold(*guesses[epoch][source], threshold, passed, good, epoch)

    last = len(guesses) - 1
    return explore(
        draw,
        "kdlab.widgets.pseudo_labels(result, {})",
        PREDICT,
        threshold=Slider(threshold, 0.0, 0.999, 0.005),
        epoch=Slider(last if epoch < 0 else min(epoch, last), 0, last),
        source=Choice(source, sources, label="labels from"),
    )


def _guesses(setup: Setup) -> dict[str, Guesses]:
    data, method = setup.data, setup.method
    hidden = (data.y < 0).nonzero()[:COUNT, 0]
    if not len(hidden):
        raise Error("all images of this run are labelled: give one with fewer labels")
    nets = {"student": method.model, **({"teacher": method.teacher} if method.teacher is not None else {})}
    logits = {name: extract(net, data.x[hidden], setup.normalise).logits for name, net in nets.items()}
    sure = {name: z.softmax(1).max(1) for name, z in logits.items()}
    return {name: (most.values, most.indices == data.truth[hidden]) for name, most in sure.items()}
