"""Studies, by name: functions of a notebook's parameters. A new one is one file and one line, or a notebook cell."""

from collections.abc import Callable

from .distillation import distillation
from .lsskd import lsskd
from .scheduled import scheduled
from .sskd import sskd
from .study import Study
from .tour import tour
from .verdicts import Question

STUDIES: dict[str, Callable[..., Study]] = {
    "tour": tour,
    "distillation": distillation,
    "scheduled": scheduled,
    "sskd": sskd,
    "lsskd": lsskd,
}

__all__ = ["STUDIES", "Question", "Study"]
