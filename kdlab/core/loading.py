"""How large libraries are loaded: without a search for garbage among what stays."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 100  # modules: so many new ones come with a library whose objects stay


@contextmanager
def without_collection() -> Iterator[None]:
    """Import inside this block without garbage collection.

    torch and what it loads make half a million objects that stay. Collection would look through them again and again
    while they come, in each full collection afterwards, and for a second when the process ends. Where more than
    `MANY` modules came, nothing that is there after the block is looked at again.
    """
    if not gc.isenabled():  # in such a block already, or the caller's choice
        yield
        return
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) - before > MANY:
            gc.freeze()
        gc.enable()
