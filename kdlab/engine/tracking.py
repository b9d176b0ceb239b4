"""Test accuracy epoch by epoch, beside papers that report the best of it: to look at; nothing is chosen by it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..experiment.setup import Setup
from ..metrics import evaluate

NAMES = ("accuracy", "top5")


def track(epoch: int, setup: Setup) -> dict[str, float]:
    """Columns track/accuracy and track/top5, of the test images: a hook of `fit` for `Config(track_test=True)`.

    Empty where no classifier is trained.
    """
    if "model" in setup.method.frozen:
        return {}
    return {f"track/{column.partition('/')[2]}": value for column, value in evaluate(setup, "test", NAMES).items()}


def tracked(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """From the lines of a log: test accuracy after the last epoch, and after the best one, as columns track/NAME/WHICH.

    WHICH is `last`; `best_val`, the epoch that validation images would have chosen; `best_test`, the one that the test
    images would, which is what many papers report, and too good. The first of equal epochs counts, by accuracy for both
    NAMES; track/epoch/WHICH says which it is. Without validation images there is no `best_val`.
    """
    lines = [line for line in log if "track/accuracy" in line]
    if not lines:
        return {}
    chosen = {"last": lines[-1], "best_test": max(lines, key=lambda line: line["track/accuracy"])}
    if validated := [line for line in lines if "val/accuracy" in line]:
        chosen["best_val"] = max(validated, key=lambda line: line["val/accuracy"])
    return {
        f"track/{name}/{which}": line["epoch" if name == "epoch" else f"track/{name}"]
        for name in (*NAMES, "epoch")
        for which, line in chosen.items()
    }
