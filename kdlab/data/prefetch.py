"""Batches that threads of this process make while a step computes, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..core.errors import Error
from .files import processors

AHEAD = 2  # batches that each thread makes while a step computes
MOST = 1024  # threads; more are a slip of the pen
Key = TypeVar("Key")
Made = TypeVar("Made")


def ahead(make: Callable[[Key], Made], keys: Iterable[Key], threads: int = 1) -> Iterator[Made]:
    """Yield `make(key)` for each of `keys`, in their order; threads make the next ones meanwhile.

    Threads rather than processes: what is made here is read or decoded by code that lets other threads compute. They
    start in no time, whatever started this process and however (a script, a notebook, a pool), and end with it. What
    `make` raises is raised here. Without `threads` each is made when it is its turn.
    """
    if not threads:
        yield from map(make, keys)
        return
    pool, waiting, left = ThreadPoolExecutor(threads, "kdlab-data"), deque[Future[Made]](), iter(keys)
    try:
        for key in left:
            waiting.append(_submitted(pool, make, key))
            if len(waiting) == AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(pool: ThreadPoolExecutor, make: Callable[[Key], Made], key: Key) -> Future[Made]:
    try:
        return pool.submit(make, key)
    except RuntimeError as error:  # the system allows no more threads
        raise Error(f"a thread that reads images cannot be started ({error}): set KDLAB_WORKERS to fewer") from error


def workers() -> int:
    """How many threads decode photographs: $KDLAB_WORKERS, else one a processor; 0: the one that trains does it."""
    value = os.environ.get("KDLAB_WORKERS", str(processors()))
    if not value.isdecimal() or int(value) > MOST:
        raise Error(
            f"KDLAB_WORKERS={value}: give the number of threads that decode photographs, at most {MOST}; "
            "0: the one that trains does it"
        )
    return int(value)
