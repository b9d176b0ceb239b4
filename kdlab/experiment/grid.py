"""Grids: a Config for each combination of values."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ..core.errors import Error, known, lookup
from ..core.hyper import plain
from ..core.settings import flat, nested
from ..methods import METHODS, Method
from .config import Config
from .presets import STAGES, TASK

MOST = 100_000  # combinations
LISTS = ("omit", "milestones")  # fields of Config whose value is a list
RANGE = re.compile(r"(\d{1,15})-(\d{1,15})")


def grid(fields: Mapping[str, Any]) -> dict[Config, dict[str, Any]]:
    """Return the Config of each combination of values, with those that vary.

    A list holds the values of a field, `{"method": ["kd", "crd"], "teacher.model": "resnet20", "seed": "0-19"}`; a text
    such as "0-19" stands for whole numbers, and a value that is itself a list stands in a list of lists. Fields of the
    task (presets.TASK: data set, labels, seed, ...) are those of the teacher and of the initial run too, where these
    have none of their own and are no Config. Methods do without the teacher, the hyper-parameters (`hp.T`) and the
    weights of loss terms (`weights.kd`) that they lack where others in the grid have them. Combinations that come to
    the same Config count once. Seed by seed, so that what is there after a stop can be compared.
    """
    points = without_idle_fields(combinations(fields))
    varied = varying(points)
    configs: dict[Config, dict[str, Any]] = {}
    for point in points:
        configs.setdefault(
            Config(**handed_on(nested(point))), {name: table_value(point.get(name, "")) for name in varied}
        )
    return configs


def combinations(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return {name with dots: value} for each combination, seed by seed."""
    values = {name: _values(name, value) for name, value in flat(nested(fields)).items()}
    if (count := math.prod(map(len, values.values()))) > MOST:
        raise Error(f"these are {count:,} combinations, at most {MOST:,} are run at a time: give fewer values")
    order = sorted(values, key=lambda name: name != "seed")
    points = [dict(zip(order, each, strict=True)) for each in product(*(values[name] for name in order))]
    return [{name: point[name] for name in values} for point in points]


def without_idle_fields(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return combinations without what their method lacks and another one here has.

    That is a teacher, hyper-parameters and weights of loss terms, of a stage whose method is named too. What none has
    stays: it is a mistake then.
    """
    named = [name for name in points[0] if name.rpartition(".")[2] == "method"]
    kinds = {_methods(point, named): point for point in points}
    lacks = {kind: {name: _lack(point, name) for name in point} for kind, point in kinds.items()}
    had = {lack for each in lacks.values() for lack in each.values() if not all(_lack(p, lack) for p in kinds.values())}
    idle = {kind: {name for name, lack in each.items() if lack and lack in had} for kind, each in lacks.items()}
    return [
        {name: value for name, value in point.items() if name not in idle[_methods(point, named)]} for point in points
    ]


def handed_on(fields: Mapping[str, Any], task: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields of a run with those of its task in its stages too."""
    task = {**(task or {}), **{name: fields[name] for name in TASK if name in fields}}
    stages = {role: handed_on(stage, task) for role in STAGES if isinstance(stage := fields.get(role), Mapping)}
    return {**task, **fields, **stages}


def check_stages(name: str) -> None:
    """Refuse the name of a stage's field, "teacher.modle", that Config does not have."""
    role, _, field = name.partition(".")
    if role in STAGES and field:
        known("field of Config", field.partition(".")[0], [*Config.model_fields, "preset"])
        check_stages(field)


def varying(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names that have several values, of combinations that have them."""
    values: dict[str, set[str]] = {}
    for point in points:
        for name, value in point.items():
            values.setdefault(name, set()).add(json.dumps(value, default=str))
    return [name for name, each in values.items() if len(each) > 1]


def table_value(value: Any) -> Any:
    """Return a value as a table has it: numbers and text, others as they are typed."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    return str(value) if isinstance(value, Config) else "none" if value is None else json.dumps(value, default=str)


def _values(name: str, value: Any) -> list[Any]:
    value = plain(value)
    if isinstance(value, set | frozenset):
        raise Error(f"{name}={value!r}: a set has no order, give the values in a list")
    values = value if isinstance(value, list | tuple | range) else [value]
    if not values:
        raise Error(f"{name}=[]: give one value or more")
    if (
        name.rpartition(".")[2] in LISTS
        and (lone := next((v for v in values if not isinstance(v, list | tuple)), None)) is not None
    ):
        raise Error(f"{name}={lone!r}: its value is itself a list, and a list holds values to try: [[...], [...]]")
    return [each for one in values for each in _range(name, one)]


def _range(name: str, value: Any) -> list[Any] | range:
    """Return the whole numbers that "0-19" stands for, else the value."""
    if value == "none" and name.rpartition(".")[2] in STAGES:
        return [None]  # as it is typed in a shell
    match = RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return [value]
    first, last = map(int, match.groups())
    if not first <= last < first + MOST:
        raise Error(f"{name}={value}: write the smaller number first, and at most {MOST:,} of them")
    return range(first, last + 1)


def _methods(point: Mapping[str, Any], named: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(point[name]) for name in named)


def _lack(point: Mapping[str, Any], name: str, prefix: str = "") -> str:
    """Return the beginning of a dotted name that the method of its run lacks, else "".

    "teacher" of "teacher.model" where a method uses none, "hp.T" where it has no T. Of a stage without a `method`
    nothing is known: it may have that of a preset.
    """
    field, _, rest = name.removeprefix(prefix).partition(".")
    if prefix and f"{prefix}method" not in point:
        return ""
    method = lookup("method", point.get(f"{prefix}method", "supervised"), METHODS)
    if field == "teacher" and not _is_taught(method):
        return f"{prefix}{field}"
    if field in STAGES and rest:
        return _lack(point, name, f"{prefix}{field}.")
    has = {"hp": method.hyper(), "weights": method.weights}.get(field)
    return name if has is not None and rest and rest.partition(".")[0] not in has else ""


def _is_taught(method: type[Method]) -> bool:
    """Return whether a method uses a teacher, itself or in its first phase."""
    return method.needs_teacher or bool(method.first_phase and METHODS[method.first_phase].needs_teacher)
