"""Presets: from a name to the Config fields of all runs of a chain.

What a published experiment varies may be given.
"""

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import known
from ..methods import METHODS
from .recipes import PAIRS, RECIPES, Recipe, benchmark

Fields = Mapping[str, Any]

SMOKE = Recipe("does it run at all: seconds", epochs=2, steps=4, batch=16)
# What every method has by these names; where "paper" is not its own, it is the benchmark's of CRD
PRESETS = ("smoke", "paper")
# Fields that decide the task, or how it is watched: stages have them from the run that they lead to
TASK = (
    "dataset",
    "size",
    "labels",
    "validation",
    "split",
    "noise",
    "noise_kind",
    "imbalance",
    "seed",
    "normalise",
    "track_test",
    "precision",
    "device",
    "devices",
)
STAGES = ("teacher", "init")
NAMED = (*STAGES, "method", "model")  # headings of `describe`, not its fields


def complete(fields: Fields) -> dict[str, Any]:
    """`fields` with those that their `preset` fills in, stage by stage.

    The recipe is that of the models and the data set in `fields`. A stage of which some fields are given has them laid
    over the recipe's, `hp` and `weights` name by name; one that is given whole (a Config, or None) replaces it. A stage
    by another method than the recipe's, or with a preset of its own, keeps of the recipe only the network and the task.
    The fields of TASK that are given reach every stage but a Config. A method of two phases hands a teacher that is
    given on to its first.
    """
    values = {name: value for name, value in fields.items() if name != "preset"}
    key = values.get("method", "supervised")
    method, init = METHODS[known("method", key, METHODS)], values.get("init", {})
    taught_before = method.first_phase is not None and METHODS[method.first_phase].needs_teacher
    if taught_before and "teacher" in values and not method.needs_teacher and isinstance(init, Mapping):
        values["init"] = {"teacher": values.pop("teacher"), **init}
    return _laid(recipe(key, fields["preset"], values), values, {})


def recipe(method: str, preset: str = "paper", chosen: Fields | None = None) -> Recipe:
    """Return a method's recipe by the name `preset`, for the fields that you choose.

    These are the models and the data set.
    """
    if known("preset", preset, presets_of(method)) == "smoke":
        return SMOKE
    by_default = benchmark.pair if METHODS[method].needs_teacher else benchmark.classifier
    make = RECIPES.get(method, {}).get(preset, by_default)
    chosen = chosen or {}
    teacher = chosen.get("teacher") or _of(chosen.get("init"), "teacher")
    offered = {
        "model": chosen.get("model"),
        "teacher": _of(teacher, "model"),
        "dataset": chosen.get("dataset"),
        "ssl": _of(_of(teacher, "init"), "method"),
    }
    wanted = inspect.signature(make).parameters
    return make(**{name: value for name, value in offered.items() if name in wanted and value is not None})


def presets_of(method: str) -> list[str]:
    """Return the names of a method's presets, sorted."""
    return sorted({*PRESETS, *RECIPES.get(method, {})})


def _of(stage: Any, field: str) -> Any:
    """Return a field of a nested run: a Config, some of its fields, or nothing."""
    return stage.get(field) if isinstance(stage, Mapping) else getattr(stage, field, None)


def _laid(made: Fields, chosen: Fields, task: Fields) -> dict[str, Any]:
    """Lay fields over each other: the recipe's, the task's, those chosen."""
    task = {**task, **{name: chosen[name] for name in TASK if name in chosen}}
    fields = {**made, **task, **chosen}
    for name in ("hp", "weights"):
        if name in fields and isinstance(fields[name], Mapping):
            fields[name] = {**made.get(name, {}), **chosen.get(name, {})}
    for role in STAGES:
        stage, values = made.get(role), chosen.get(role, {})
        if not isinstance(values, Mapping):
            continue
        method = "supervised" if stage is None else stage.get("method", "supervised")
        if stage is not None and "preset" not in values and values.get("method", method) == method:
            fields[role] = _laid(stage, values, task)
        elif role in chosen:
            network = {name: value for name, value in (stage or {}).items() if name in ("model", "width")}
            fields[role] = {**network, **{name: fields[name] for name in TASK if name in fields}, **values}
    return fields


def describe(method: str, preset: str = "paper") -> str:
    """Describe a preset as a chain, the fields of each run grouped by source."""
    lines = []
    for role, stage in _stages("", recipe(method, preset)):
        name = stage.get("method", "supervised") if role else method
        lines.append(f"{role or 'run'}: {name}, {stage['model']}" if "model" in stage else f"{role or 'run'}: {name}")
        for source in dict.fromkeys(stage.sources.values()):
            fields = [f"{n}={_short(v)}" for n, v in stage.items() if stage.sources[n] == source and n not in NAMED]
            if fields:
                text = textwrap.fill(", ".join(fields), 108, initial_indent="    ", subsequent_indent="    ")
                lines += [f"  {source}", text]
    varied = [f"{student}{f' of {teacher}' if teacher else ''}" for student, teacher in PAIRS.get(method, ())]
    if varied:
        lines.append(textwrap.fill(f"published for {', '.join(varied)}", 110, subsequent_indent="  "))
    return "\n".join(lines)


def _stages(role: str, stage: Recipe) -> Iterator[tuple[str, Recipe]]:
    yield role, stage
    for name in STAGES:
        if isinstance(stage.get(name), Recipe):
            yield from _stages(f"{role}.{name}".lstrip("."), stage[name])


def _short(value: Any) -> str:
    """Format a value as you would type it, shares of training with three digits."""
    return f"({', '.join(f'{v:.3g}' for v in value)})" if isinstance(value, tuple) else str(value)
