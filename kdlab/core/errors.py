"""Errors in one sentence: the mistakes of users, and what the machine refuses.

A sentence says what was wrong, what is allowed, and the nearest right name.
"""

import errno
import os
import re
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")
NO_NUMBERS = "give a number, True and False are none"
RANGES = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")  # complaints of pydantic
KEPT = "what is stored is kept"
HINTS = {
    errno.ENOSPC: " (make room)",
    getattr(errno, "EDQUOT", errno.ENOSPC): " (make room)",
    errno.EFBIG: " (ulimit -f, or the file system)",
    errno.EMFILE: " (ulimit -n)",
}
# What torch, numpy and safetensors write where there is no memory, or where a file took no more bytes
NO_MEMORY = re.compile(
    r"allocate memory|not enough memory|out of memory|bad_alloc|unable to allocate|invalid buffer size|"
    r"create a memory object|std::length_error|storage size calculation overflowed",
    re.IGNORECASE,
)
PERHAPS = re.compile(r"could not create a primitive|can't start new thread")  # for want of memory, as a rule
NOT_WRITTEN = re.compile(
    r"PytorchStreamWriter|inline_container|unexpected pos|file write failed|iostream error|os error \d+"
)
WANTED = re.compile(r"allocate (?:memory: you tried to allocate )?(\d[\d.,]* ?[A-Za-z]+)")
SYSTEM = re.compile(r"(?:I/O error: )?([A-Z][^:()]*) \(os error (\d+)\)")  # of Rust, safetensors for one


class Error(ValueError):
    """A mistake that the user can mend.

    The command line prints its one line and exits with code 2.
    """


def known(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return `name` if it is one of `allowed`, else raise an `Error`.

    The error suggests the nearest name and lists all.
    """
    if isinstance(name, Hashable) and name in allowed:
        return name
    raise Error(unknown(kind, name, allowed))


def unknown(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return the sentence about a name that is not one of `allowed`."""
    near = get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    between = "; " if any("," in each for each in allowed) else ", "
    return f"unknown {kind} {name!r}: {hint}choose from {between.join(sorted(set(allowed))) or '(none)'}"


def lookup(kind: str, name: str, table: Mapping[str, Value]) -> Value:
    """Return `table[name]`, or raise the `Error` of `known`."""
    return table[known(kind, name, table)]


def sentence(error: Any, kind: str, fields: Collection[str]) -> str:
    """Return the first complaint of a pydantic `ValidationError` as one sentence.

    It is about a `kind`, such as Config, that has these fields.
    """
    first = error.errors()[0]
    match first["type"]:
        case "value_error":
            return str(first["ctx"]["error"])
        case "extra_forbidden":
            return unknown(f"field of {kind}", str(first["loc"][-1]), fields)
    where = ".".join(str(part) for part in first["loc"] if part not in ("int", "float"))  # members of a union
    typed = f" (on the command line {where}.model=...)" if first["type"] == "model_type" else ""
    return f"{where}={first.get('input')!r}: {complaint(error)}{typed}"


def within(field: str, text: str) -> str:
    """Return a sentence about the Config in a `field` of another one.

    "teacher.lr=-1: ..." of "lr=-1: ...".
    """
    return f"{field}.{text}" if re.match(r"[\w.]+=", text) else f"{field}: {text}"


def complaint(error: Any) -> str:
    """Return what the first complaint of a `ValidationError` asks for, in plain words."""
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
    for pydantic, words in plain.items():
        text = text.replace(pydantic, words)
    return text


@contextmanager
def machine_errors(path: Path | None = None) -> Iterator[None]:
    """Raise what the machine refuses inside the block as an `Error`.

    It names `path` where the cause names no file.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, Error) or (text := machine_sentence(error, path)) is None:
            raise
        raise Error(text) from error


def machine_sentence(error: BaseException, path: Path | None = None) -> str | None:
    """Return the sentence about what the machine refused, and where.

    None for an error that has another cause.
    """
    text = str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY.search(text)):
        much = f" (for {_readable(wanted[1])} more)" if (wanted := WANTED.search(text)) else ""
        return f"there is not enough memory{much}: a smaller batch, size, width or model takes less; {KEPT}"
    if isinstance(error, RuntimeError) and (match := PERHAPS.search(text)):
        return f"{match[0]}, most likely for want of memory: a smaller batch, size, width or model takes less; {KEPT}"
    if isinstance(error, RuntimeError) and "autograd's threading" in text:
        return f"this process was forked from one that had trained: start it with spawn, or before that; {KEPT}"
    if isinstance(error, OSError):
        return _of_system(error, path)
    if isinstance(error, RuntimeError) or type(error).__name__ == "SafetensorError":
        if match := SYSTEM.search(text):
            return _of_system(OSError(int(match[2]), match[1]), path)
        if NOT_WRITTEN.search(text):
            cause = next((e for e in _behind(error) if isinstance(e, OSError)), OSError("a file could not be written"))
            return _of_system(cause, path)
    return None


def _readable(amount: str) -> str:
    """Return an amount of memory as an error has it, with bytes as gigabytes."""
    count, unit = amount.split() if " " in amount else (amount, "")
    return f"{int(count) / 1e9:,.2f} GB" if unit == "bytes" and count.isdigit() else amount


def _of_system(error: OSError, path: Path | None) -> str:
    """Return the sentence about what the operating system refused."""
    name = error.filename if isinstance(error.filename, str | bytes | os.PathLike) else None
    where = Path(os.fsdecode(name)) if name else path
    if where and where.name.startswith(".") and where.suffix == ".tmp":  # a new file before it has its name
        where = where.parent
    lines = str(error).strip().splitlines()
    why = error.strerror or (lines[0] if lines else type(error).__name__)
    return f"{f'{where}: ' if where else ''}{why}{HINTS.get(error.errno or 0, '')}; {KEPT}"


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that led to this one, the nearest first."""
    passed: set[int] = set()  # errors may lead to each other in a circle
    cause: BaseException | None = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in passed:
        passed.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
