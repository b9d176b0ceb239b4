"""Curves: what moves when the same experiment trains longer.

A difference is read where it is settled: at a length after which training twice as long moves it by less than a point.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from ..core.errors import Error
from ..core.statistics import interval
from ..experiment.config import Config
from ..metrics import METRICS
from .lengths import steps_of

FREE = ("epochs", "steps", "lr")  # fields in which systems of a curve may differ, at every stage
MOVED, WIDTH = 1.0, 2.0  # points: what moves by less has settled; the half-width that is narrow enough to say so


@dataclass(frozen=True)
class Curve:
    """Systems of a study that are one experiment, by length, shortest first.

    Lengths are counted in "steps", or in "epochs" where an epoch is one pass over the images; they are those of the
    own stage, or where that stays, of the first stage of the chain that grows. `title` says in errors whose it is.
    """

    title: str
    unit: str
    systems: Mapping[int, str]

    @classmethod
    def of(cls, title: str, curve: Sequence[tuple[str, Config]]) -> "Curve":
        """Return the curve of systems and their Configs, if it is one (`_check`)."""
        _check(title, curve)
        unit, lengths = _counted([config for _, config in curve])
        return cls(title, unit, dict(zip(lengths, (name for name, _ in curve), strict=True)))

    def common(self, other: "Curve") -> dict[int, tuple[str, str]]:
        """Return the systems of both curves at each length that both have."""
        if self.unit != other.unit:
            return {}
        return {
            length: (name, other.systems[length]) for length, name in self.systems.items() if length in other.systems
        }


def points(curves: Mapping[str, Curve], scores: pd.DataFrame, controls: Sequence[str], metric: str) -> pd.DataFrame:
    """Return a row for each length that was measured, then one for each control.

    `scores` has a column a system, in `metric`. Controls have no length.
    """
    units = {curve.title: curve.unit for curve in curves.values()}
    if len({*units.values()}) > 1:
        counts = "; ".join(f"{title} in {unit}" for title, unit in units.items())
        raise Error(f"curves count their lengths in different units, {counts}: choose labels of one kind")
    unit = next(iter(units.values()))
    measured = [
        (label, name, length)
        for label, curve in curves.items()
        for length, name in curve.systems.items()
        if name in scores
    ]
    rows = [
        {
            "label": label,
            "system": name,
            unit: length,
            **dict(zip(("mean", "± 95 %"), interval(scores[name].dropna().tolist()), strict=True)),
            "n": scores[name].count(),
            "metric": metric,
        }
        for label, name, length in [*measured, *((name, name, None) for name in controls if name in scores)]
    ]
    return pd.DataFrame(rows).astype({unit: "Int64"})


def compared(differences: Mapping[int, "pd.Series[float]"], unit: str, metric: str) -> pd.DataFrame:
    """Return a row for each length: a difference, its change since the last.

    `differences` are paired by seed, a Series by seed for each length. A change is that of seeds that both lengths
    have. `settled` is True from the first length on after which training at least twice as long moves the difference by
    less than a point, with a half-width of at most 2, and none of the later changes is as large; a change of a single
    seed says neither. Differences that are not in percent settle nowhere.
    """
    lengths, changes = list(differences), [pd.Series(dtype=float)]
    changes += [(b - a).dropna() for a, b in pairwise(differences.values())]
    rows: list[dict[str, Any]] = []
    for length, gained, change in zip(lengths, differences.values(), changes, strict=True):
        rows.append(
            {
                unit: length,
                **dict(zip(("difference", "± 95 %"), _interval(gained), strict=True)),
                "n": len(gained),
                **dict(zip(("change", "± 95 %, change"), _interval(change), strict=True)),
                "n, change": len(change),
            }
        )
    first = _settled(rows, lengths) if _in_percent(metric) else None
    for i, row in enumerate(rows):
        row["settled"] = first is not None and i >= first
    return pd.DataFrame(rows)


def _check(title: str, curve: Sequence[tuple[str, Config]]) -> None:
    """Refuse systems that are not one experiment at growing lengths.

    The first of the chain's stages that differ in length grows from each system to the next, the own stage first; of
    the others none becomes shorter.
    """
    if not curve:
        raise Error(f"{title} names no systems: give those of growing lengths, shortest first")
    (first, shortest), *_ = curve
    for name, config in curve:
        if fields := ", ".join(sorted(_differing(shortest, config))):
            how = "on a curve systems differ in epochs, steps and lr alone"
            raise Error(f"{title}: {first!r} and {name!r} differ in {fields}; {how}")
    grown = _grown_stage([config for _, config in curve])
    for (shorter, a), (name, b) in pairwise(curve):
        pairs = [(_length(one), _length(other)) for one, other in zip(a.chain(), b.chain(), strict=True)]
        if pairs[grown][0] >= pairs[grown][1] or any(one > other for one, other in pairs):
            raise Error(f"{title}: {name!r} is no longer than {shorter!r}; name the shortest first")


def _grown_stage(configs: Sequence[Config]) -> int:
    """Return the place in its chain of the stage by whose length a curve is drawn.

    It is the first one whose length differs between the first and the last system; its own, at 0, where none does.
    """
    ends = [[_length(stage) for stage in configs[i].chain()] for i in (0, -1)]
    return next((i for i, (short, long) in enumerate(zip(*ends, strict=True)) if short != long), 0)


def _counted(configs: Sequence[Config]) -> tuple[str, list[int]]:
    """Return what lengths of a curve are counted in, and the length of each system.

    They are counted in "steps", or in "epochs" where an epoch is one pass over the images.
    """
    grown = _grown_stage(configs)
    stages = [list(config.chain())[grown] for config in configs]
    return ("epochs" if steps_of(stages[0]) is None else "steps"), [_length(stage) for stage in stages]


def _settled(rows: Sequence[Mapping[str, Any]], lengths: Sequence[int]) -> int | None:
    """Return the place of the first length at which a difference is settled."""
    measured = [i for i, row in enumerate(rows) if not math.isnan(row["± 95 %, change"])]
    last = max((i for i in measured if abs(rows[i]["change"]) >= MOVED), default=0)
    narrow = (i for i in measured if i > last and rows[i]["± 95 %, change"] <= WIDTH)
    return next((i - 1 for i in narrow if lengths[i] >= 2 * lengths[i - 1]), None)


def _in_percent(metric: str) -> bool:
    part, _, name = metric.partition("/")
    return part == "transfer" or METRICS[name.partition("/")[0]].unit == "%"


def _interval(values: "pd.Series[float]") -> tuple[float, float]:
    return interval(values.tolist()) if len(values) else (math.nan, math.nan)


def _length(stage: Config) -> int:
    """Return steps, or epochs where an epoch is one pass over the images."""
    steps = steps_of(stage)
    return stage.epochs if steps is None else steps


def _differing(one: Config, other: Config, prefix: str = "") -> Iterator[str]:
    """Yield the fields, dotted, in which two chains differ besides length and rate.

    An untrained stage and a trained one differ in epochs; a number of steps and a pass over the images in steps.
    """
    for name in Config.model_fields:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, Config) and isinstance(b, Config):
            yield from _differing(a, b, f"{prefix}{name}.")
        elif (a != b or type(a) is not type(b)) and (name not in FREE or (name != "lr" and bool(a) != bool(b))):
            yield f"{prefix}{name}"
