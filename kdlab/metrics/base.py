"""What a metric is, and for which methods it is computed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..experiment.setup import Setup
from ..methods import Method

Measured = float | Mapping[str, float] | None  # one number; several by name; None where there is nothing to measure


def classifies(method: Method) -> bool:
    """Return whether the method trains a classifier."""
    return method.trains_head


def always(method: Method) -> bool:
    """Return True: the metric can be measured on every method."""
    return True


@dataclass(frozen=True)
class Metric:
    """A number that rates a trained network on a part of the data.

    `measure(setup, part)` computes it for "train", "val" or "test" (`setup.PARTS`), where `suits(method)`; `for_` says
    in words which methods these are, and `about` what it measures where `measure` has no docstring of its own. `due`
    says when a run computes it by itself: at every "validation", once at the "end", or only on "request". With
    `features_only` it does so only for methods whose classifier stays untrained.
    """

    measure: Callable[[Setup, str], Measured]
    unit: str = ""
    better: Literal["higher", "lower"] = "higher"
    due: Literal["validation", "end", "request"] = "end"
    suits: Callable[[Method], bool] = classifies
    for_: str = "methods that train a classifier"
    features_only: bool = False
    about: str = ""

    @property
    def sign(self) -> int:
        """Return 1 where more is better, else -1."""
        return 1 if self.better == "higher" else -1
