"""The parameters of a notebook, checked, because papermill only warns of a misspelt one and then runs the default."""

from collections.abc import Iterable
from typing import Any

from .errors import known


def parameters(namespace: dict[str, Any], allowed: Iterable[str]) -> dict[str, Any]:
    """The plain values among a notebook's variables: call it with `globals()` right below the parameters cell.

    Plain are numbers, text, lists, dicts and None. Only `allowed` names may occur, another one is an `Error`.
    """
    plain = (int, float, str, list, dict, tuple, type(None))
    names = [
        n for n, v in namespace.items() if isinstance(v, plain) and not n.startswith("_") and n not in ("In", "Out")
    ]
    return {known("parameter", name, list(allowed)): namespace[name] for name in names}
