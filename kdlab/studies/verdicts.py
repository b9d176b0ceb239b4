"""Answers: differences paired by seed, their intervals, and verdicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import known
from ..data import check_name
from ..engine.report import interval
from ..metrics import METRICS

MANY = 1000  # seeds that nobody runs
NOT_LEARNED = "yes, not above pixels"
MEANT = {  # by verdict
    "yes": "the 95 % interval of the difference, paired by seed, lies on the better side of 0",
    NOT_LEARNED: "the same, but by the same measure the system is not shown to be better than its pixels",
    "no, worse": "on the other side",
    "at most x": "there may be a difference, either way, but none above x, which is less than would matter (2 points)",
    "open": "none of these",
}


@dataclass(frozen=True)
class Question:
    """Does `system` score higher than `baseline` in `metric`?

    A metric is a column such as "test/accuracy" or "transfer/stl10".

    A metric of which less is better counts with the sign turned. `matters` is the smallest difference worth speaking
    of, in the metric's unit: where there is none that large, the answer is not open. With `also`, further pairs of a
    system and its baseline, the question is about the mean of all these differences, seed by seed.
    """

    text: str
    system: str
    baseline: str
    metric: str = "test/accuracy"
    matters: float = 2.0
    also: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        part, _, name = self.metric.partition("/")
        if known("part of a metric", part, ("val", "test", "transfer")) == "transfer":
            check_name(name)
        else:
            known("metric", name.partition("/")[0], METRICS)

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        part, name = self.metric.split("/")[:2]
        return 1 if part == "transfer" else METRICS[name].sign

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All pairs of a system and its baseline."""
        return [(self.system, self.baseline), *self.also]


def verdict(mean: float, half: float, n: int, matters: float) -> str:
    """Return the verdict of an interval mean ± half over n seeds.

    yes: it lies above 0; no, worse: below 0; at most x: within ±`matters`, so that x, its farther end, bounds what
    there may be; open: none of these, with the number of seeds that would settle it if mean and spread stayed, which
    is a guess from a sample; the same: every seed gave 0, as of two systems that do the same.
    """
    if n < 2 or math.isnan(half):
        return "open: one seed tells nothing"
    if mean == 0 == half:
        return "the same in every seed"
    if mean - half > 0:
        return "yes"
    if mean + half < 0:
        return "no, worse"
    if abs(mean) + half <= matters:
        return f"at most {math.ceil(10 * (abs(mean) + half) - 1e-9) / 10:.1f}"
    needed = seeds_needed(mean, half, n, matters)
    return f"open: about {needed} seeds would settle it" if needed else f"open: more than {MANY} seeds"


def seeds_needed(mean: float, half: float, n: int, matters: float) -> int | None:
    """Return the smallest number of seeds that would settle a question.

    With them the interval would exclude 0 or lie within ±`matters`, if mean and spread stayed.
    """
    from scipy.special import stdtrit

    spread = half * math.sqrt(n) / stdtrit(n - 1, 0.975)
    for more in range(n + 1, MANY + 1):
        width = stdtrit(more - 1, 0.975) * spread / math.sqrt(more)
        if width < abs(mean) or abs(mean) + width <= matters:
            return more
    return None


def answer(question: Question, differences: Sequence[float], length: str) -> dict[str, Any]:
    """Return a question as a row of a table, from its differences, one a seed.

    `length` is that of training at which these were read.
    """
    sign, (mean, half) = question.sign, (math.nan, math.nan)
    words = "open: no seed was run"
    if differences:
        mean, half = interval(differences)
        words = verdict(sign * mean, half, len(differences), question.matters)
    return {
        "question": question.text,
        "system": question.system,
        "minus": question.baseline,
        "metric": question.metric,
        "difference": mean,
        "± 95 %": half,
        "n": len(differences),
        "length": length,
        "verdict": words,
    }
