"""Hyper-parameters: keyword arguments whose annotations say what they may be.

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
    """Return the keyword-only arguments of a function: name -> parameter."""
    arguments = inspect.signature(function).parameters
    return {name: parameter for name, parameter in arguments.items() if parameter.kind is parameter.KEYWORD_ONLY}


def hyper(
    owner: str, function: Callable[..., Any], changed: Mapping[str, Any], apart: Collection[str] = ()
) -> dict[str, Any]:
    """Return the hyper-parameters of `function`: `changed` over its defaults, checked.

    Those `apart` are left out. Errors call the function by the name of its `owner`. A value comes back in the type of
    its annotation.
    """
    allowed = {name: parameter for name, parameter in hyper_parameters(function).items() if name not in apart}
    for name in changed:
        known(f"hyper-parameter of {owner}", name, allowed)
    checks = _adapters(function)
    values = {}
    for name, parameter in allowed.items():
        value = plain(changed[name]) if name in changed else parameter.default
        if value is parameter.empty:
            raise Error(f"{owner} needs a value for its hyper-parameter {name}: give hp={{{name!r}: ...}}")
        try:
            values[name] = checks[name].validate_python(value)
            wrong = NO_NUMBERS if is_truth_for_number(value, values[name]) else ""
            json.dumps(values[name], allow_nan=False, skipkeys=True, default=str)  # infinity and NaN are floats
        except ValidationError as error:
            wrong = complaint(error)
        except ValueError:
            wrong = "give a finite number"
        if wrong:
            raise Error(f"hyper-parameter {name}={value!r} of {owner}: {wrong}")
    return values


@cache  # one is made in the time of a thousand checks
def _adapters(function: Callable[..., Any]) -> dict[str, TypeAdapter[Any]]:
    """Return name -> adapter; a hyper-parameter without annotation may be anything."""
    return {
        name: TypeAdapter(Any if parameter.annotation is parameter.empty else parameter.annotation)
        for name, parameter in hyper_parameters(function).items()
    }


def plain(value: Any) -> Any:
    """Return numbers and arrays of numpy and torch as Python's numbers and lists.

    Also those in lists and dicts. Anything else comes back as it is. Numbers keep their value: np.float32(0.1) is
    0.10000000149011612.
    """
    if is_array(value):
        return value.tolist()
    if type(value) in (list, tuple):
        return type(value)(plain(each) for each in value)
    if type(value) is dict:
        return {plain(name): plain(each) for name, each in value.items()}
    return value


def is_array(value: Any) -> bool:
    """Return whether a value is an array, a tensor, or a scalar of numpy's."""
    return not isinstance(value, type) and hasattr(value, "tolist") and hasattr(value, "ndim")


def is_deep(value: Any, most: int) -> bool:
    """Return whether lists, tuples and dicts are nested more than `most` deep.

    One that holds itself is.
    """
    level = [value]
    for _ in range(most + 1):
        inside = [each for one in level for each in (one.values() if isinstance(one, dict) else one)]
        level = [*{id(each): each for each in inside if isinstance(each, dict | list | tuple)}.values()]
        if not level:
            return False
    return True


def is_truth_for_number(value: Any, taken: Any) -> bool:
    """Return whether True or False stands for a number: Python takes it for 1 or 0.

    `taken` is what a check of types has made of `value`, lists and dicts included.
    """
    if isinstance(value, bool):
        return isinstance(taken, int | float) and not isinstance(taken, bool)
    if isinstance(value, list | tuple) and isinstance(taken, list | tuple):
        return any(is_truth_for_number(*pair) for pair in zip(value, taken, strict=False))
    if isinstance(value, dict) and isinstance(taken, dict):
        return any(is_truth_for_number(each, taken[name]) for name, each in value.items() if name in taken)
    return False
