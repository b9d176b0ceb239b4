"""Lengths: for how many steps a run trains, and the same run for more."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import Error, known
from ..experiment.config import Config
from ..methods import METHODS
from .tuning import in_chain


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


def length_text(system: Config, baseline: Config) -> str:
    """Return at which length a difference is read: "400 steps", "4,000 / 1,000 steps".

    Lengths are those of the own stages, both where they differ. What trains nothing has none: beside a control the
    system's is given. "up to" stands before a length that early stopping may cut short.
    """
    texts = list(dict.fromkeys(_text(config) for config in (system, baseline) if is_trained(config)))
    if not texts:
        return "no steps"
    if len({unit for _, unit in texts}) == 1:
        return f"{' / '.join(number for number, _ in texts)} {texts[0][1]}"
    return " / ".join(" ".join(text) for text in texts)


def _text(config: Config) -> tuple[str, str]:
    """Return a length and its unit: ("4,000", "steps")."""
    steps = steps_of(config)
    number, unit = (config.epochs, "epoch") if steps is None else (steps, "step")
    return f"{'up to ' if config.patience else ''}{number:,}", unit if number == 1 else f"{unit}s"
