"""Mistakes of the user: one sentence that says what was wrong, what is allowed, and the nearest right name."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches


class Error(ValueError):
    """A mistake that the user can mend. The command line prints its one line and exits with code 2."""


def known(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return `name` if it is one of `allowed`, else raise an `Error` that names the nearest and all allowed names."""
    if name in allowed:
        return name
    near = get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise Error(f"unknown {kind} {name!r}: {hint}choose from {', '.join(sorted(allowed)) or '(none)'}")


def lookup(kind: str, name: str, table: Mapping):
    """`table[name]`, or the `Error` of `known`."""
    return table[known(kind, name, table)]
