"""Hyper-parameters: keyword arguments of a function, with annotations that say which values are allowed.

Annotate one with its range: `T: Positive = 4.0`, or `hidden: Count | None = None` where it may be left open. A Config
refuses what lies outside, and infinity and NaN whatever the annotation.
"""

import inspect
import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from .errors import NO_NUMBERS, Error, complaint, known

Positive = Annotated[float, Field(gt=0)]  # temperatures, factors
Share = Annotated[float, Field(ge=0, le=1)]  # of training, of rows, of probability, of a moving average
PositiveShare = Annotated[float, Field(gt=0, le=1)]  # of a moving average that keeps at least something of its past
ShareBelow1 = Annotated[float, Field(ge=0, lt=1)]  # of a moving average that takes in something new
Count = Annotated[int, Field(gt=0)]  # widths, numbers of negatives, stages counted from 1


def hyper_parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the keyword-only arguments of a function: name -> parameter, with default and annotation."""
    arguments = inspect.signature(function).parameters
    return {name: parameter for name, parameter in arguments.items() if parameter.kind is parameter.KEYWORD_ONLY}


def hyper(
    owner: str, function: Callable[..., Any], given: Mapping[str, Any], apart: Collection[str] = ()
) -> dict[str, Any]:
    """Return all hyper-parameters of `function` but those `apart`: `given` laid over the defaults, and checked.

    Errors call the function by the name of its `owner`. A value comes back in the type of its annotation.
    """
    allowed = {name: parameter for name, parameter in hyper_parameters(function).items() if name not in apart}
    for name in given:
        known(f"hyper-parameter of {owner}", name, allowed)
    checks = _adapters(function)
    values = {}
    for name, parameter in allowed.items():
        value = plain(given[name]) if name in given else parameter.default
        if value is parameter.empty:
            raise Error(f"{owner} needs a value for its hyper-parameter {name}: give hp={{{name!r}: ...}}")
        try:
            values[name] = checks[name].validate_python(value)
            wrong = _not_a_number(value, values[name])
        except ValidationError as error:
            wrong = complaint(error)
        if wrong:
            raise Error(f"hyper-parameter {name}={value!r} of {owner}: {wrong}")
    return values


@cache  # one is made in the time of a thousand checks
def _adapters(function: Callable[..., Any]) -> dict[str, TypeAdapter[Any]]:
    """Return what checks each hyper-parameter of a function; one without an annotation may be anything."""
    return {
        name: TypeAdapter(Any if parameter.annotation is parameter.empty else parameter.annotation)
        for name, parameter in hyper_parameters(function).items()
    }


def _not_a_number(value: Any, checked: Any) -> str:
    """Return what is wrong with a value of the right type: true for 1, infinity or NaN; "" if nothing is."""
    if is_truth_for_number(value, checked):
        return NO_NUMBERS
    try:
        json.dumps(checked, allow_nan=False, skipkeys=True, default=str)
    except ValueError:
        return "give a finite number"
    return ""


def plain(value: Any) -> Any:
    """Return numbers and arrays of numpy and torch, also those in lists and dicts, as Python's numbers and lists.

    Anything else comes back as it is. Numbers keep their value: np.float32(0.1) is 0.10000000149011612.
    """
    if is_array(value):
        return value.tolist()
    if type(value) in (list, tuple):
        return type(value)(plain(each) for each in value)
    if type(value) is dict:
        return {plain(name): plain(each) for name, each in value.items()}
    return value


def is_array(value: Any) -> bool:
    """Whether a value is an array, a tensor, or a scalar of numpy's."""
    return not isinstance(value, type) and hasattr(value, "tolist") and hasattr(value, "ndim")


def is_deep(value: Any, most: int) -> bool:
    """Whether more than so many lists, tuples and dicts lie within each other; one that holds itself is deep."""
    level = [value]
    for _ in range(most + 1):
        inside = [each for one in level for each in (one.values() if isinstance(one, dict) else one)]
        level = [*{id(each): each for each in inside if isinstance(each, dict | list | tuple)}.values()]
        if not level:
            return False
    return True


def is_truth_for_number(given: Any, taken: Any) -> bool:
    """Whether True or False was given where a number was taken: Python would count them as 1 and 0.

    `taken` is what a check of types has made of `given`, lists and dicts included.
    """
    if isinstance(given, bool):
        return isinstance(taken, int | float) and not isinstance(taken, bool)
    if isinstance(given, list | tuple) and isinstance(taken, list | tuple):
        return any(is_truth_for_number(*pair) for pair in zip(given, taken, strict=False))
    if isinstance(given, dict) and isinstance(taken, dict):
        return any(is_truth_for_number(value, taken[name]) for name, value in given.items() if name in taken)
    return False
