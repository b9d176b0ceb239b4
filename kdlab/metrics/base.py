"""What a metric is, and which runs it is computed for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..experiment.setup import Setup
from ..methods import Method

Measured = float | Mapping[str, float] | None  # one number; several by name; None where there is nothing to measure


# What a metric can be measured on, and is computed for without being asked; the texts stand in a table of a page


def classifies(method: Method) -> bool:
    """methods that train a classifier"""
    return method.trains_head


def always(method: Method) -> bool:
    """all that it can be measured on"""
    return True


def has_features_only(method: Method) -> bool:
    """methods whose classifier stays untrained, so that they are judged by their features"""
    return not method.trains_head


@dataclass(frozen=True)
class Metric:
    """A number that tells what a trained network is worth on a part of the data.

    `measure(setup, part)` computes it for "train", "val" or "test" (`setup.PARTS`), where `suits(method)`. `due`
    says when a run does so by itself: at every "validation", once at the "end", or only on "request"; `due_for(method)`
    leaves it to be requested for the other methods that it suits.
    """

    measure: Callable[[Setup, str], Measured]
    unit: str = ""
    better: Literal["higher", "lower"] = "higher"
    due: Literal["validation", "end", "request"] = "end"
    suits: Callable[[Method], bool] = classifies
    due_for: Callable[[Method], bool] = always

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.better == "higher" else -1
