"""Data sets that were read last: each counts as long as its files, and what was read of them, stay as they were."""

import os
import stat
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from .images import ImageSet


class Entry(NamedTuple):
    """A data set that was read: by which reader, the state of its files (None: not known) and its checksum then."""

    reader: Any
    state: str | None
    checksum: int
    images: ImageSet

    @property
    def whole(self) -> bool:
        """Whether nobody has written into the images since."""
        return self.images.checksum() == self.checksum


class Remembered:
    """The `most` data sets that were asked for last, by name and size."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.entries: OrderedDict[tuple[str, int | None], Entry] = OrderedDict()

    def get(self, key: tuple[str, int | None], reader: Any, state: str | None) -> ImageSet | None:
        """What was read, if the same reader would read the same again; None too where somebody wrote into it."""
        entry = self.entries.get(key)
        if entry is None or state is None or entry.reader is not reader or entry.state != state or not entry.whole:
            return None
        self.entries.move_to_end(key)
        return entry.images

    def put(self, key: tuple[str, int | None], entry: Entry) -> ImageSet:
        """Keep what was read just now. Gives what was kept before where that is the same: nothing is held twice."""
        before = self.entries.pop(key, None)
        if before is not None and before.images.like(entry.images) and before.whole:
            entry = entry._replace(images=before.images)
        self.entries[key] = entry
        while len(self.entries) > self.most:
            self.entries.popitem(last=False)
        return entry.images


def state_of(places: Iterable[Path]) -> str:
    """A digest of the names, sizes and times of all files at and below these places, and of where they lie.

    Folders count by their names: an empty one may be a class without images.
    """
    digest = blake2b(digest_size=16)
    for place in places:
        root = os.path.realpath(place)
        digest.update(os.fsencode(f"{root}\n"))
        for path, found in _below(root, set()):
            facts = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            facts = "a folder" if stat.S_ISDIR(found.st_mode) else facts
            digest.update(os.fsencode(f"{path}\0{facts}\n"))
    return digest.hexdigest()


def _below(path: str, visited: set[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result]]:
    """Files and folders at and below `path` in a fixed order; links are followed, but into no folder twice."""
    try:
        here = os.stat(path)  # noqa: PTH116  # of a million files: a Path for each costs more than the call
        names = sorted(entry.name for entry in os.scandir(path))
    except NotADirectoryError:
        yield path, here
        return
    except OSError:  # not there, no permission: the reader says so
        return
    if (here.st_dev, here.st_ino) not in visited:
        visited.add((here.st_dev, here.st_ino))
        yield path, here
        for name in names:
            yield from _below(f"{path}/{name}", visited)
