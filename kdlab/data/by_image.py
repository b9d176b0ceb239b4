"""Numbers that took long to compute, kept by image in a file of the cache.

A file holds a row of floats and its checksum for each image, computed or not yet.
"""

import tokenize
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import Error
from .cache import FULL, held


class KeptRows:
    """A table (count, width) of float32 on the disk, of which any rows may be missing.

    A row counts if its checksum says so, and is looked at whenever it is read: what was flipped, or half written when a
    process was killed, is missing. A file that was cut is begun anew. One process writes at a time, holding the lock
    (`lock`); a row is written after the file is whole, so that others may read meanwhile.
    """

    def __init__(self, path: Path, count: int, width: int) -> None:
        self.path, self.count = path, count
        self.row = np.dtype([("values", "<f4", (width,)), ("check", "<u4")])
        self._table: np.memmap | None = None
        self._inode = 0  # of the file that is mapped: another process may remove it and begin another

    @contextmanager
    def lock(self, doing: str) -> Iterator[None]:
        """Hold the lock of this file; a second process says that it waits for `doing`."""
        with held(self.path.parent, self.path.stem.split("-")[-2], doing):
            yield

    def read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return values (m, width) of `rows` (m,), and which of them are there (m,)."""
        values, there = torch.zeros(len(rows), *self.row["values"].shape), torch.zeros(len(rows), dtype=torch.bool)
        if (table := self._mapped()) is None:
            return values, there
        stored, damaged = table[rows.numpy()], 0
        for position, (row, each) in enumerate(zip(rows.tolist(), stored, strict=True)):
            there[position] = whole = _check(row, each["values"]) == int(each["check"])
            damaged += bool(each["check"]) and not whole
        if damaged:
            warnings.warn(f"{damaged} rows of {self.path} are damaged: they are computed anew", stacklevel=3)
        return torch.from_numpy(stored["values"].copy()), there

    def write(self, rows: Tensor, values: Tensor) -> None:
        """Write values (m, width) of `rows` (m,), under the lock.

        An `Error` where the disk is full.
        """
        try:
            if self._mapped() is None:
                self._begin()
            with self.path.open("r+b") as file:  # not through the map: a full disk would end this process
                start = self.path.stat().st_size - self.count * self.row.itemsize
                for row, each in zip(rows.tolist(), values.numpy().astype("<f4"), strict=True):
                    file.seek(start + row * self.row.itemsize)
                    file.write(each.tobytes() + np.uint32(_check(row, each)).tobytes())
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise Error(
                f"{self.path.parent} has no room for {self.count * self.row.itemsize / 1e6:,.0f} MB of features: make "
                "room (kdlab data clear), or set KDLAB_CACHE to a folder on another disk"
            ) from error

    def forget(self) -> None:
        """Remove the file, under the lock."""
        self._table = None
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _mapped(self) -> np.memmap | None:
        """Map the file; None where there is none, or one of another length."""
        try:
            status = self.path.stat()
            if self._table is None or self._inode != status.st_ino:
                self._table, self._inode = np.load(self.path, mmap_mode="r", allow_pickle=False), status.st_ino
            # What was cut since it was mapped must not be read: the system would end this process
            length = self._table.offset + self._table.nbytes
            if (self._table.dtype, self._table.shape, length) != (self.row, (self.count,), status.st_size):
                raise ValueError
        except FileNotFoundError:
            self._table = None
        except (ValueError, EOFError, SyntaxError, tokenize.TokenError):  # too short, or nothing that can be parsed
            warnings.warn(f"{self.path} is damaged: its rows are computed anew", stacklevel=4)
            self._table = None
        return self._table

    def _begin(self) -> None:
        """Write a file without rows, which takes its room when they come."""
        part = self.path.with_suffix(".part")
        np.lib.format.open_memmap(part, mode="w+", dtype=self.row, shape=(self.count,)).flush()
        part.replace(self.path)
        self._table = None


def _check(row: int, values: np.ndarray) -> int:
    """Return a checksum of a row's values and its number, never 0."""
    return zlib.crc32(values.tobytes(), row) or 1
