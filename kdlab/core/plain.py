"""Plain values: what numpy and torch hold as numbers of their own, as Python's."""

from typing import Any


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
