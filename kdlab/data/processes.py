"""Arrays that other processes make while a step computes, in order."""

import itertools
import math
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from mmap import mmap
from multiprocessing import get_start_method
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..decoding import processors
from ..errors import Error
from .stored import AHEAD, memory_limit

Made = np.ndarray | Error  # of a process: an error is told, and raised by who asked


class Arrays(Dataset[Made], ABC):
    """So many arrays, each made when it is asked for."""

    @abstractmethod
    def __len__(self) -> int: ...


def by_processes(batches: Arrays, size: int) -> Iterator[Tensor]:
    """What `batches` holds, each of `size` bytes at most, in order, made by other processes; their `Error` is raised.

    There are no more processes than the `memory_limit` has room for what they make ahead.
    """
    count = min(workers(), max(1, memory_limit() // (AHEAD * size)))
    shared = _Shared(batches, count * AHEAD + 1, size) if count and get_start_method() == "fork" else None
    loader = DataLoader(
        batches if shared is None else shared, batch_size=None, num_workers=count,
        prefetch_factor=AHEAD if count else None, collate_fn=_as_they_are, worker_init_fn=_end_with_parent,
        generator=torch.Generator(),  # its own: it draws from it, and no run may feel that
    )  # fmt: skip
    made = iter(loader)
    for i in itertools.count():
        try:
            found = next(made, None)
        except RuntimeError as error:  # it was killed, most likely for want of memory
            raise Error("a process that decodes photographs was ended: set KDLAB_WORKERS to fewer") from error
        if found is None:
            return
        if isinstance(found, Error):
            raise found
        yield torch.from_numpy(found if shared is None else shared.taken(i, found))


class _Shared(Dataset["tuple[int, ...] | Error"]):
    """Batches in memory that forked processes share with their parent: through pipes go their shapes alone.

    The memory is anonymous, as /dev/shm of a container often has less than one batch. Of its `places` there is one more
    than batches are made ahead: what the parent reads is not written meanwhile.
    """

    def __init__(self, batches: Arrays, places: int, size: int) -> None:
        self.batches, self.pixels = batches, np.frombuffer(mmap(-1, places * size), np.uint8).reshape(places, size)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, i: int) -> "tuple[int, ...] | Error":
        made = self.batches[i]
        if isinstance(made, Error):
            return made
        self._place(i)[: made.size] = made.ravel()
        return made.shape

    def taken(self, i: int, shape: tuple[int, ...]) -> np.ndarray:
        """A copy of batch `i`."""
        return self._place(i)[: math.prod(shape)].reshape(shape).copy()

    def _place(self, i: int) -> np.ndarray:
        return self.pixels[i % len(self.pixels)]


def _as_they_are(found: Any) -> Any:
    return found


def _end_with_parent(_: int) -> None:
    """A process whose parent was killed would wait for ever for somebody to read what it made."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def workers() -> int:
    """How many processes decode: $KDLAB_WORKERS, else as many as there are processors; 0: this one alone."""
    given = os.environ.get("KDLAB_WORKERS", str(processors()))
    if not given.isdecimal():
        raise Error(f"KDLAB_WORKERS={given}: give the number of processes that decode images, 0 for none but this one")
    return int(given)
