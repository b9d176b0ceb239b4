"""Mistakes of the user: one sentence that says what was wrong, what is allowed, and the nearest right name."""

import re
from collections.abc import Collection, Hashable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

Value = TypeVar("Value")
NO_NUMBERS = "give a number, True and False are none"
RANGES = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")  # complaints of pydantic


class Error(ValueError):
    """A mistake that the user can mend. The command line prints its one line and exits with code 2."""


def known(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return `name` if it is one of `allowed`, else raise an `Error` that names the nearest and all allowed names."""
    if isinstance(name, Hashable) and name in allowed:
        return name
    raise Error(unknown(kind, name, allowed))


def unknown(kind: str, name: str, allowed: Collection[str]) -> str:
    """The sentence about a name that is not one of `allowed`."""
    near = get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    between = "; " if any("," in each for each in allowed) else ", "
    return f"unknown {kind} {name!r}: {hint}choose from {between.join(sorted(set(allowed))) or '(none)'}"


def lookup(kind: str, name: str, table: Mapping[str, Value]) -> Value:
    """`table[name]`, or the `Error` of `known`."""
    return table[known(kind, name, table)]


def sentence(error: Any, kind: str, fields: Collection[str]) -> str:
    """The first complaint of a pydantic `ValidationError` about a `kind` with these fields, in one sentence."""
    first = error.errors()[0]
    match first["type"]:
        case "value_error":
            return str(first["ctx"]["error"])
        case "extra_forbidden":
            return unknown(f"field of {kind}", str(first["loc"][-1]), fields)
    where = ".".join(str(part) for part in first["loc"] if part not in ("int", "float"))  # members of a union
    typed = f" (on the command line {where}.model=...)" if first["type"] == "model_type" else ""
    return f"{where}={first.get('input')!r}: {complaint(error)}{typed}"


def within(place: str, text: str) -> str:
    """A sentence about a Config that another one holds at `place`: "teacher.lr=-1: ..." of "lr=-1: ..."."""
    return f"{place}.{text}" if re.match(r"[\w.]+=", text) else f"{place}: {text}"


def complaint(error: Any) -> str:
    """What the first complaint of a pydantic `ValidationError` asks for, in plain words."""
    first = error.errors()[0]
    if isinstance(first.get("input"), bool) and first["type"] in RANGES:  # which it read as 1 or 0
        return NO_NUMBERS
    match first["type"]:
        case "literal_error":
            return f"choose {first['ctx']['expected']}"
        case "model_type":
            return f"give a {first['ctx']['class_name']}(...)"
        case "dict_type":
            return 'give names with values, {"name": value}'
    text = first["msg"][0].lower() + first["msg"][1:]
    plain = {"input should be": "must be", "greater than or equal to": "at least", "less than or equal to": "at most"}
    for pydantic, ours in plain.items():
        text = text.replace(pydantic, ours)
    return text
