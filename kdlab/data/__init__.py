"""Data sets, by name, as uint8 tensors; label budgets; label noise; batches."""

import os
import re
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from inspect import Parameter, signature
from pathlib import Path
from typing import NamedTuple, get_args

from ..core.errors import Error, known
from ..core.hyper import plain
from ..core.places import data_root, located
from . import ops
from .augment import AUGMENTATIONS, Recipe
from .batches import SAMPLINGS, Batch, Batches, Normalise
from .by_image import KeptRows
from .cache import clear
from .cache import sizes as kept
from .csv_file import csv_file, named_in, tabled
from .files import Ranges, decode
from .folders import folder, listed, tiny_imagenet
from .imagenet import imagenet, photographs, photographs_listing
from .images import Images, ImageSet, Recorded
from .listing import Listing, NotRead
from .photographs import Photographs, Pixels, pick
from .resizing import resized_when_read
from .sources import PLACES, cifar10, cifar100, digits, fashion_mnist, mnist, stl10
from .splits import NOISES, Split, split

# A reader's own signature says what it can be asked for: `part`, what follows the colon in the name, and `size`
DATASETS: dict[str, Callable[..., ImageSet]] = {
    "digits": digits,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "stl10": stl10,  # also "stl10:train+unlabeled", and "stl10:fold-0" to "stl10:fold-9"
    "tiny-imagenet": tiny_imagenet,
    "imagenet": imagenet,
    "folder": folder,  # "folder:PATH"
    "photographs": photographs,  # "photographs:PATH"
    "csv": csv_file,  # "csv:FILE"
}
BUILT_IN = dict(DATASETS)
# Of your own images: what lists their files, and decodes none
LISTINGS: dict[str, Callable[[Path, str], Listing]] = {
    "folder": listed,
    "photographs": photographs_listing,
    "csv": tabled,
}


def check_name(name: str) -> tuple[str, str]:
    """Split a data set's name into its key in DATASETS and what follows the colon.

    A wrong name is an `Error`; nothing is read.
    """
    key, colon, part = name.partition(":")
    if key not in DATASETS:
        path = name.removeprefix("file://")
        is_path = path != name or re.match(r"[./~\\]|[A-Za-z]:[\\/]|[^:]*[\\/]", path)
        if is_path or (name and not colon and os.path.exists(name)):  # noqa: PTH110  # of odd names just False
            kind = "csv" if path.lower().endswith((".csv", ".tsv")) else "folder"
            raise Error(f"dataset={name!r} is a path: write {kind}:{path}")
    known("data set", key, DATASETS)
    allowed, required = _parts_of(key)
    if required and not part:
        raise Error(f"dataset={key!r} needs a path: {key}:{'FILE' if key == 'csv' else 'PATH'}")
    if allowed is not None and (part not in allowed or (colon and not part)):
        words = " or ".join(f"{key}:{word}" if word else key for word in allowed)
        what = f"nothing may follow {key}" if allowed == ("",) else f"{part!r} is no part of {key}"
        raise Error(f"dataset={name!r}: {what}, choose {words}")
    return key, part


def files_of(name: str) -> Listing | None:
    """List the files of your own images, undecoded; None for other data sets."""
    key, part = check_name(name)
    return LISTINGS[key](located(part), name) if key in LISTINGS else None


def origin(name: str) -> str:
    """Return what data sets share if one seed splits their labels alike.

    All listed parts do, but folds. Of your own images it is the real path of their folder or table.
    """
    key, part = check_name(name)
    if _parts_of(key)[1]:
        return os.path.realpath(located(part))
    return name if part.startswith("fold-") else key


def is_here(name: str) -> bool:
    """Return whether a data set's files are there; nothing is opened or downloaded."""
    key, part = check_name(name)
    if key in LISTINGS:
        path = located(part)
        return path.is_file() if key == "csv" else path.is_dir() or (key == "photographs" and path.is_file())
    return key not in PLACES or any(data_root().glob(f"{PLACES[key]}/*"))


def overlap(name: str, other: str) -> bool:
    """Return whether two data sets share labelled images, split differently.

    Folds of one data set do.
    """
    key = check_name(name)[0]
    return key == check_name(other)[0] and _parts_of(key)[0] is not None and origin(name) != origin(other)


def same_images(name: str, other: str) -> bool:
    """Return whether two data sets hold the same images.

    By whatever way, and whichever part of them is labelled.
    """
    return origin(name) == origin(other) or overlap(name, other)


def _parts_of(key: str) -> tuple[tuple[str, ...] | None, bool]:
    """Return the words that may follow the colon (None: any), and if one must."""
    parameter = signature(DATASETS[key]).parameters.get("part")
    if parameter is None:
        return ("",), False
    return get_args(parameter.annotation) or None, parameter.default is Parameter.empty


class Entry(NamedTuple):
    """A data set in memory: its reader, the state of its files, and its checksum.

    The state is None where it is not known.
    """

    reader: Callable[..., ImageSet]
    state: str | None
    checksum: int
    images: ImageSet


class Loading:
    """Load data sets by name, and cache the last ones.

    The last four are cached. What has changed is read anew: files, the folder that a name leads to from here, and
    images that somebody has written into. A reader of your own is asked each time: nobody knows what it reads.
    """

    def __init__(self, most: int = 4) -> None:
        self.most = most
        self.entries: OrderedDict[tuple[str, int | None], Entry] = OrderedDict()

    def __call__(self, name: str, size: int | None = None) -> ImageSet:
        """Load the data set `name`, resized to `size` x `size` pixels if that is given."""
        name, size = str(name), plain(size)  # it may be a path, of which `check_name` says how it is written
        key, part = check_name(name)
        reader, before = DATASETS[key], _state(key, part)
        entry = self.entries.get((name, size))
        unchanged = entry is not None and entry.images.checksum() == entry.checksum  # nobody has written into them
        if entry and unchanged and before and entry[:2] == (reader, before):
            self.entries.move_to_end((name, size))
            return entry.images
        offered = {"part": part, "size": size}
        images = reader(**{each: offered[each] for each in signature(reader).parameters if each in offered})
        if not isinstance(images, ImageSet):
            raise Error(f"the reader of {key!r} gives a {type(images).__name__}: it must give a kdlab.data.ImageSet")
        images = images.resized(size)
        parts = [x for x in (images.train_x, images.test_x, images.val_x) if x is not None and len(x)]
        if len(shapes := {tuple(x.shape[1:]) for x in parts}) > 1:
            listed_shapes = " and ".join(str(shape) for shape in sorted(shapes))
            raise Error(
                f"the images of {images.name} have the shapes {listed_shapes}: training, test and validation images "
                "must agree"
            )
        images.fingerprint()  # before anybody can write into it
        state = before if before == _state(key, part) else None  # downloaded or changed meanwhile: read once more
        if entry and unchanged and entry.images.like(images):  # nothing is held twice
            images = entry.images
        self.entries.pop((name, size), None)
        self.entries[name, size] = Entry(reader, state, images.checksum(), images)
        if len(self.entries) > self.most:
            self.entries.popitem(last=False)
        return images

    def cache_clear(self) -> None:
        """Empty the cache."""
        self.entries.clear()


load = Loading()


def load_for_frozen(name: str, size: int | None) -> ImageSet:
    """Load a data set for a network that reads every image at `size` once.

    Images that are smaller are brought to that size when they are read; where they would be decoded at a larger size
    than that, or have several, they are decoded to it as `load` does.
    """
    files = files_of(name) if size is not None else None
    first = next((file for listed in files.parts.values() for file, _ in listed), None) if files else None
    if size is None or (first is not None and min(decode(first, None, Ranges()).shape[:2]) >= size):
        return load(name, size)
    try:
        images = load(name)
    except Error:  # of files of several sizes, or of none: `load` says which
        return load(name, size)
    smaller = max(images.train_x.shape[2:]) < size and not isinstance(images.train_x, Photographs)
    return resized_when_read(images, size) if smaller else load(name, size)


def _state(key: str, part: str) -> str | None:
    """Return the state of a data set's files; None where it is not known."""
    if DATASETS[key] is not BUILT_IN.get(key):
        return None
    if not _parts_of(key)[1]:
        return state_of(sorted(data_root().glob(PLACES[key])) if key in PLACES else ())
    path = located(part)
    if not path.is_file():
        return state_of([path]) if path.is_dir() else None
    with suppress(OSError, ValueError):  # what is wrong with a table its reader says
        return state_of([path, *named_in(path)])
    return None


def state_of(paths: Iterable[Path]) -> str:
    """Return a digest of names, sizes and times of all files at and below paths.

    Where they lie counts too. Folders count by their names: an empty one may be a class without images.
    """
    digest = blake2b(digest_size=16)
    for start in paths:
        root = os.path.realpath(start)
        digest.update(os.fsencode(f"{root}\n"))
        for path, status in _below(root, set()):
            facts = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            facts = "a folder" if stat.S_ISDIR(status.st_mode) else facts
            digest.update(os.fsencode(f"{path}\0{facts}\n"))
    return digest.hexdigest()


def _below(path: str, visited: set[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield files and folders at and below `path`, in a fixed order.

    Links are followed, but into no folder twice.
    """
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


__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "LISTINGS",
    "NOISES",
    "PLACES",
    "SAMPLINGS",
    "Batch",
    "Batches",
    "ImageSet",
    "Images",
    "KeptRows",
    "Listing",
    "Normalise",
    "NotRead",
    "Pixels",
    "Recipe",
    "Recorded",
    "Split",
    "check_name",
    "clear",
    "data_root",
    "files_of",
    "is_here",
    "kept",
    "load",
    "load_for_frozen",
    "ops",
    "origin",
    "overlap",
    "pick",
    "same_images",
    "split",
]
