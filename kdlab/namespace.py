"""The parameters of a notebook, checked, because papermill only warns of a misspelt one and then runs the default."""

from collections.abc import Iterable
from typing import Any

from .errors import Error, known


def parameters(namespace: dict[str, Any], allowed: Iterable[str]) -> dict[str, Any]:
    """The plain values among a notebook's variables: call it with `globals()` right below the parameters cell.

    Plain are numbers, text, lists, dicts and None. Only `allowed` names may occur, another one is an `Error`, and so is
    a value of another kind than the parameters cell says (`seeds: list = [0]`); a number may be given for a number.
    """
    plain = (int, float, str, list, dict, tuple, type(None))
    names = [
        n for n, v in namespace.items() if isinstance(v, plain) and not n.startswith("_") and n not in ("In", "Out")
    ]
    given = {known("parameter", name, list(allowed)): namespace[name] for name in names}
    for name, value in given.items():
        kind = namespace.get("__annotations__", {}).get(name, object)
        numbers = kind in (int, float) and isinstance(value, int | float)
        if value is not None and isinstance(kind, type) and not isinstance(value, kind) and not numbers:
            raise Error(f"parameter {name}={value!r}: give a {kind.__name__}, as the parameters cell says")
    return given
