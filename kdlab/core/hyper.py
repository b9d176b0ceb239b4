"""Hyper-parameters: keyword arguments of a function, with annotations that say which values are allowed."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .errors import NO_NUMBERS, Error, complaint, known
from .plain import is_truth_for_number, plain


def hyper_parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of a function: name -> parameter, with default and annotation."""
    arguments = inspect.signature(function).parameters
    return {name: parameter for name, parameter in arguments.items() if parameter.kind is parameter.KEYWORD_ONLY}


def hyper(owner: str, allowed: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """All hyper-parameters of `owner`: `given` laid over the defaults, checked against the annotations."""
    for name in given:
        known(f"hyper-parameter of {owner}", name, allowed)
    return {name: _value(owner, parameter, given) for name, parameter in allowed.items()}


def _value(owner: str, parameter: inspect.Parameter, given: Mapping[str, Any]) -> Any:
    """The given or default value of one hyper-parameter, brought to the type of its annotation."""
    name, value = parameter.name, parameter.default
    if name in given:
        value = plain(given[name])
    if value is parameter.empty:
        raise Error(f"{owner} needs a value for its hyper-parameter {name}: give hp={{{name!r}: ...}}")
    annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
    try:
        checked = _adapter(annotation).validate_python(value)
    except ValidationError as error:
        raise Error(f"hyper-parameter {name}={value!r} of {owner}: {complaint(error)}") from None
    if is_truth_for_number(value, checked):
        raise Error(f"hyper-parameter {name}={value!r} of {owner}: {NO_NUMBERS}")
    if not _finite(checked):
        raise Error(f"hyper-parameter {name}={value!r} of {owner}: give a finite number")
    return checked


_ADAPTERS: dict[int, tuple[Any, TypeAdapter[Any]]] = {}  # id of an annotation -> itself, so that its id stays its own


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    """What checks values of an annotation, which need not be hashable; made once, which takes a thousand checks."""
    if id(annotation) not in _ADAPTERS:
        _ADAPTERS[id(annotation)] = annotation, TypeAdapter(annotation)
    return _ADAPTERS[id(annotation)][1]


def _finite(value: Any) -> bool:
    """Whether no number in `value`, a number or a list of numbers, is infinite or NaN; text and the like are."""
    if isinstance(value, list | tuple):
        return all(_finite(part) for part in value)
    return not isinstance(value, float) or math.isfinite(value)
