"""Memory, processors and threads that data may take."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..core.errors import Error
from .files import processors

CGROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MOST = 1024  # threads; more are a slip of the pen
SHARE = 0.25  # of the machine's memory, which the images of one data set may take


def memory_limit() -> int:
    """Bytes that the images of a data set may take in memory: $KDLAB_MEMORY megabytes, else a quarter of what is there.

    What is larger streams.
    """
    given = os.environ.get("KDLAB_MEMORY")
    if given is None:
        return round(SHARE * installed_memory())
    try:
        megabytes = float(given)
    except ValueError:
        megabytes = -1.0
    if not 0 < megabytes < float("inf"):
        raise Error(f"KDLAB_MEMORY={given}: give the megabytes that the images of a data set may take, such as 4000")
    return round(megabytes * 1e6)


def installed_memory() -> int:
    """Bytes of memory in this machine, or that its container may take; 16 GiB where the system does not say."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        there = 16 << 30
    for limit in _group_limits():
        with suppress(OSError, ValueError):  # no such file, or "max"
            there = min(there, int(limit.read_text()))
    return there


def _group_limits() -> Iterator[Path]:
    """Where Linux says what this process's control groups may take, in the second version of these and in the first.

    The limit of a group holds for all groups below it. In a container the process's path may be that of the host, which
    is not there; what is mounted is then the container's own group.
    """
    kinds = {"": (CGROUPS, "memory.max"), "memory": (CGROUPS / "memory", "memory.limit_in_bytes")}
    for root, name in kinds.values():
        yield root / name
    with suppress(OSError, ValueError):
        for line in OWN_GROUP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for kind in set(controllers.split(",")) & set(kinds):
                root, name = kinds[kind]
                group = root / path.strip("/")
                yield from (each / name for each in (group, *group.parents) if each.is_relative_to(root))


def workers() -> int:
    """How many threads decode photographs: $KDLAB_WORKERS, else one a processor; 0: the one that trains does it."""
    value = os.environ.get("KDLAB_WORKERS", str(processors()))
    if not value.isdecimal() or int(value) > MOST:
        raise Error(
            f"KDLAB_WORKERS={value}: give the number of threads that decode photographs, at most {MOST}; "
            "0: the one that trains does it"
        )
    return int(value)
