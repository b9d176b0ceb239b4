"""Lengths: for how many steps a run trains, and the same experiment at others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..core.errors import Error, known
from ..experiment.config import Config
from ..methods import METHODS
from .tuning import in_chain

FREE = ("epochs", "steps", "lr")  # fields in which systems of a curve may differ, at every stage


def is_trained(config: Config) -> bool:
    """Return whether a run's own stage takes steps; a fitted head takes none."""
    return config.epochs > 0 and not METHODS[config.method].fits_head


def steps_of(config: Config) -> int | None:
    """Return the optimiser steps of a run's own stage, 0 where it trains nothing.

    None where an epoch is one pass over the images, because their number depends on the data. With `patience` training
    may end before.
    """
    if not is_trained(config):
        return 0
    return config.epochs * config.steps if config.steps else None


def longer(config: Config, factor: int) -> Config:
    """Return the run with `factor` times the epochs at every stage that trains.

    Schedules are shares of training, so that they stretch with it; learning rates stay. Untrained networks (epochs=0)
    and heads that are fitted at once stay as they are.
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise Error(f"factor={factor!r}: give how many times the steps, a whole number such as 4")
    stages: dict[str, Any] = {role: longer(stage, factor) for role, stage in config.nested.items()}
    return config.replace(epochs=factor * config.epochs if is_trained(config) else config.epochs, **stages)


def stretched(
    systems: Mapping[str, Config],
    names: Iterable[str],
    factors: Iterable[int] = (2, 4),
    rates: Mapping[str, float] | None = None,
) -> tuple[dict[str, Config], dict[str, list[str]]]:
    """Return `systems` and longer ones of those named, and the curves of these.

    The longer ones are called "SimCLR, 4 times the steps", their curve "SimCLR" (`Study.curves`); a chain is longer at
    every stage (`longer`). Learning rates are those of the shorter ones unless `rates` has another by the name of a
    longer one, which it then has in the chains of all others, too.
    """
    made, curves = dict(systems), {name: [known("system", name, systems)] for name in names}
    for factor in sorted({*factors} - {1}):
        long = {f"{name}, {factor} times the steps": longer(systems[name], factor) for name in curves}
        for name, length in zip(curves, long, strict=True):
            if long[length] == systems[name]:
                raise Error(f"{name!r} trains nothing: there is no longer one")
            curves[name].append(length)
        for name in [name for name in long if name in (rates or {})]:
            old = long[name]
            new = old.replace(lr=(rates or {})[name])
            long = {each: in_chain(config, old, new) for each, config in long.items()}
        made |= long
    return made, curves


def check_curve(title: str, curve: Sequence[tuple[str, Config]]) -> None:
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
    grown = grown_stage([config for _, config in curve])
    for (shorter, a), (name, b) in pairwise(curve):
        pairs = [(_length(one), _length(other)) for one, other in zip(a.chain(), b.chain(), strict=True)]
        if pairs[grown][0] >= pairs[grown][1] or any(one > other for one, other in pairs):
            raise Error(f"{title}: {name!r} is no longer than {shorter!r}; name the shortest first")


def grown_stage(configs: Sequence[Config]) -> int:
    """Return the place in its chain of the stage by whose length a curve is drawn.

    It is the first one whose length differs between the first and the last: 0, its own stage, unless that stays.
    """
    ends = [[_length(stage) for stage in configs[i].chain()] for i in (0, -1)]
    return next((i for i, (short, long) in enumerate(zip(*ends, strict=True)) if short != long), 0)


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
