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


def is_rated(method: Method) -> bool:
    """Return whether the method trains a classifier, or is the control of those."""
    return classifies(method) or method.network is not None


def always(method: Method) -> bool:
    """Return True: the metric can be measured on every method."""
    return True


@dataclass(frozen=True)
class Metric:
    """A number that rates a trained network on a part of the data.

    `measure(setup, part)` computes it for "train", "val" or "test" (`setup.PARTS`), where `suits(method)`; `for_` says
    in words which methods these are, and `about` what it measures where `measure` has no docstring of its own. `due`
    says when a run computes it by itself: at every "validation", once at the "end", or only on "request". With
    `features_only` it does so only for methods whose classifier stays untrained. `untrained(setup, part)` computes it
    in the place of `measure` for a method that trains nothing.
    """

    measure: Callable[[Setup, str], Measured]
    unit: str = ""
    better: Literal["higher", "lower"] = "higher"
    due: Literal["validation", "end", "request"] = "end"
    suits: Callable[[Method], bool] = classifies
    for_: str = "methods that train a classifier"
    features_only: bool = False
    about: str = ""
    untrained: Callable[[Setup, str], Measured] | None = None

    def value(self, setup: Setup, part: str) -> Measured:
        """Compute the number, or numbers, of a run on a part of the data."""
        nothing_trained = setup.method.network is not None
        return (self.untrained if nothing_trained and self.untrained else self.measure)(setup, part)

    @property
    def sign(self) -> int:
        """Return 1 where more is better, else -1."""
        return 1 if self.better == "higher" else -1
