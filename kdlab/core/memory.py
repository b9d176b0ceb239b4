"""Memory that a training step frees is kept for the next one."""

import ctypes
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST = 32 << 20  # bytes of a block that may come from kept memory; glibc allows no more
KEPT = 256 << 20  # bytes that are free and still kept


@cache
def keep_freed() -> None:
    """Let this process keep up to 256 MB of memory that it frees, with glibc.

    It would be given back to the system and asked for again at every step, and each of its pages be cleared: some 6 %
    of a step's time on the processor, and more of a view's (docs/measurements.md). No number depends on it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another system, or another C library
        return
    mallopt(MMAP_THRESHOLD, LARGEST)
    mallopt(TRIM_THRESHOLD, KEPT)
