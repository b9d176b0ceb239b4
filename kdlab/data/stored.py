"""Images that are not in memory: only the rows that are asked for are read."""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from ..core.errors import Error
from .prefetch import ahead

CGROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
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


class Streamed:
    """Images on a disk, read like a uint8 tensor (n, C, H, W).

    `x[rows]` and `x.split(n)` read; `x.only(rows)` is a selection that reads nothing; `len`, `shape` as of a tensor.
    """

    shape: torch.Size

    def __init__(self, rows: Tensor, each: Iterable[int]) -> None:
        self.rows, self.shape = rows, torch.Size((len(rows), *each))  # `rows`: int64 (n,), places in what is stored

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, places: Tensor) -> Tensor:
        """The images (m, C, H, W) at these places (m,) of what is stored."""
        raise NotImplementedError

    def only(self, rows: Tensor) -> "Streamed":
        """A selection, by a mask (n,) or by positions (m,)."""
        raise NotImplementedError

    def __getitem__(self, rows: Tensor | slice | list[int] | int) -> Tensor:
        places = self.rows[rows]
        return self.read(places) if places.ndim else self.read(places[None])[0]

    def split(self, count: int) -> Iterator[Tensor]:
        """All images in their order, `count` at a time; the next ones are read meanwhile."""
        return ahead(self.read, self.rows.split(count))


class Stored(Streamed):
    """Images of one size, (C, H, W) each, that lie one after another in a file of bytes.

    They are read, not mapped: of a map every page that was touched counts as this process's memory.
    """

    def __init__(self, file: "Opened", each: Iterable[int], rows: Tensor) -> None:
        super().__init__(rows, each)
        self.file = file

    def read(self, places: Tensor) -> Tensor:
        images = torch.empty(len(places), *self.shape[1:], dtype=torch.uint8)
        size = self.shape[1:].numel()
        flat = images.view(len(places), size).numpy()
        if len(places) and (places.diff() == 1).all():
            self.file.fill(flat, int(places[0]) * size)
        else:
            for row, place in zip(flat, places.tolist(), strict=True):
                self.file.fill(row, place * size)
        return images

    def only(self, rows: Tensor) -> "Stored":
        return Stored(self.file, self.shape[1:], self.rows[rows])


class Opened:
    """A file that several selections read, from several threads; it is closed with the last of them."""

    def __init__(self, place: Path) -> None:
        self.place, self.file, self.lock = place, place.open("rb", buffering=0), Lock()

    def __reduce__(self) -> tuple[type["Opened"], tuple[Path]]:
        return Opened, (self.place,)  # another process opens it anew

    def fill(self, array: np.ndarray, start: int) -> None:
        """Read what lies in the file from byte `start` on."""
        left = array.data.cast("B")
        with self.lock:
            self.file.seek(start)
            while left:
                if not (count := self.file.readinto(left)):
                    raise Error(f"{self.place} has become shorter than it was: kdlab data clear")
                left = left[count:]


Pixels = Tensor | Streamed  # uint8 (n, C, H, W)


def pick(images: Pixels, rows: Tensor) -> Pixels:
    """The images at `rows`, a mask (n,) or positions (m,); of those on a disk none is read."""
    return images.only(rows) if isinstance(images, Streamed) else images[rows]


def say_streams(name: str, count: int) -> None:
    """Say that a data set of `count` bytes streams."""
    warnings.warn(
        f"{name} streams: its images take {count / 1e6:,.0f} MB, and KDLAB_MEMORY allows {memory_limit() / 1e6:,.0f}",
        stacklevel=2,
    )
