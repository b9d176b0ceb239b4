"""The lock of a run: one process at a time trains it, whose name others can read."""

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import filelock
from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from ..core.errors import KEPT, Error

SILENT_SECONDS = 2.0  # a process that waits longer for another says so
EXPECTED = set[str]()  # names of owners that this process started ahead of itself: waiting for them gives no warning
NAMES = ("ENOSYS", "ENOLCK", "ENOTSUP", "EOPNOTSUPP")  # what disks without flock say; Windows knows not all of them
NO_LOCKS = {getattr(errno, name) for name in NAMES if hasattr(errno, name)}
# Since then who waits for a lock sees that its file was removed meanwhile, and asks for the new one
SAFE_TO_REMOVE = tuple(int(part) for part in filelock.__version__.split(".")[:2]) >= (4, 2)


class RunLock:
    """Two hidden files beside a run folder: what the owner locks, and its name.

    Both are removed once the owner is done. The name has a file of its own: on Windows nobody else reads one that is
    locked. On a disk that knows no locks a file that exists takes the place of one that is locked, with a warning.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, hidden = folder, folder.with_name(f".{folder.name}")
        self.file, self.soft, self.name = (Path(f"{hidden}.{end}") for end in ("lock", "softlock", "owner"))
        self.held: list[Held] = []  # the last one counts

    @contextmanager
    def hold(self, wait: bool = True) -> Iterator[None]:
        """Own the lock inside the block; others wait for it, and find the result.

        They warn after SILENT_SECONDS, unless the owner is EXPECTED, or raise a `Timeout` at once where they shall not
        `wait`.
        """
        root = self.file.parent
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_hold(root, error) from error
        try:
            self.held.append(self._acquire(SILENT_SECONDS if wait else 0.0))
        except Timeout:
            if not wait:
                raise
            if self.owner() not in EXPECTED:
                waits = "is being trained, or paused, by another process: waiting for it; an interrupt gives up"
                warnings.warn(f"{self.folder.name} {waits}", stacklevel=4)
            self.held.append(self._acquire(-1))
        try:
            with suppress(OSError):  # a full disk: what is written next says so
                self.name.write_text(os.environ.get("KDLAB_OWNER") or f"process {os.getpid()}", encoding="utf-8")
            yield
        finally:
            if not self.lost():  # else the name is another's
                with suppress(OSError):
                    self.name.unlink(missing_ok=True)
            while self.held:
                _release(self.held.pop())

    def owner(self) -> str:
        """Return the name of the process that holds the lock; empty where nobody does."""
        if not self.lies_about():
            return ""
        try:
            _release(self._acquire(0.05, 0.01))  # others look too, for a moment
        except Timeout:
            with suppress(OSError):
                return self.name.read_text(encoding="utf-8", errors="replace")
        except (OSError, Error):  # a folder of somebody else, who may only be read
            pass
        return ""  # one who only looks, as here, leaves no name

    def lies_about(self) -> bool:
        """Return whether any of its files is there: somebody holds it, or was killed."""
        return any(file.exists() for file in (self.file, self.soft, self.name))

    def lost(self) -> bool:
        """Return whether the file that this process locked was removed since.

        Another process may hold a new file then.
        """
        return bool(self.held) and self.held[-1].inode != _inode(self.held[-1].lock)

    def check(self) -> None:
        """Raise an `Error` where the lock is lost and another process trains this run now."""
        if not self.lost():
            return
        if not self.folder.exists():
            raise Error(f"{self.folder} was removed while it trained: run it again")
        try:
            self.held.append(self._acquire(0))  # nobody else has it: on as before
        except Timeout:
            raise Error(
                f"the lock of {self.folder.name} was removed, and another process trains this run now: it goes on, "
                "this one stops"
            ) from None

    def _acquire(self, timeout: float, every: float = 0.05) -> "Held":
        """Acquire the lock; `filelock.Timeout` after `timeout` seconds."""
        # where there is a soft one others have noticed that this disk knows no locks
        for lock in [SoftFileLock(self.soft)] if self.soft.exists() else [FileLock(self.file), SoftFileLock(self.soft)]:
            try:
                lock.acquire(timeout=timeout, poll_interval=every)
                return Held(lock, _inode(lock))
            except Timeout:  # which is an OSError too
                raise
            except OSError as error:
                if error.errno not in NO_LOCKS or isinstance(lock, SoftFileLock):
                    raise cannot_hold(self.file.parent, error) from error
                warnings.warn(
                    f"{self.file.parent} is on a disk without locks: files that exist stand for them", stacklevel=5
                )
                with suppress(OSError):
                    self.file.unlink()
        raise AssertionError("one of them was acquired, or has raised")


def check_holds(root: Path) -> None:
    """Raise an `Error` about a path that takes no run folders."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise cannot_hold(root, error) from None


def cannot_hold(root: Path, error: OSError) -> Error:
    """Return the `Error` about a path that takes no run folders."""
    why = "it is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror or error
    return Error(f"{root} cannot hold runs ({why}): set KDLAB_RUNS to a folder that can; {KEPT}")


class Held(NamedTuple):
    """A lock that this process holds, and the file that it locked."""

    lock: BaseFileLock
    inode: tuple[int, int] | None


def _inode(lock: BaseFileLock) -> tuple[int, int] | None:
    try:
        known = Path(lock.lock_file).stat()
    except OSError:
        return None
    return known.st_dev, known.st_ino


def _release(held: Held) -> None:
    """Release a lock, and remove its file where no other process can be waiting on it."""
    soft = isinstance(held.lock, SoftFileLock)  # which removes its file by itself
    with suppress(OSError):
        if SAFE_TO_REMOVE and not soft and held.inode == _inode(held.lock):
            Path(held.lock.lock_file).unlink()
    held.lock.release()
