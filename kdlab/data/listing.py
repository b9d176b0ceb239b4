"""Which files of a folder are images, and which are left out."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, features

from ..core.errors import Error

# Files and folders that systems and programs make beside images; names that begin with a dot, or with ~$ as the marks
# of Office, count too, and ~NAME.tmp
MADE_BY_SYSTEMS = frozenset(
    {
        "@eadir",
        "@recycle",
        "@tmp",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "recycler",
        "recycled",
        "system volume information",
        "lost+found",
        "__macosx",
        "network trash folder",
        "temporary items",
        "icon\r",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "__pycache__",
        "_gsdata_",
    }
)
# Formats that Pillow names, and that are no pictures of pixels, or need a program of others
NO_PICTURES = frozenset({"PDF", "EPS", "WMF", "MPEG", "FLI", "BUFR", "GRIB", "HDF5", "IPTC"})
NEEDS = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}  # format -> what Pillow may be built without
FLOATS = ".pfm"  # 32 bits a pixel, which have no range
PHOTOGRAPHS_OF_PHONES = (".heic", ".heif")
PLACES = 6  # that a sentence names
NO_ENDING = "without an ending"
LeftOut = Counter[tuple[str, str]]  # (place, ending) -> files
Owners = dict[str, tuple[str, str]]  # folder -> its class, and the way there


class NotRead(UserWarning):
    """Something lies among images that is not read."""


@dataclass(frozen=True)
class Listing:
    """Your own images: their files, and what was left out.

    `files`: part ("train", "test", "val") -> (file, label), sorted; -1 for an image without a label, and these come
    last. `left_out`: (place, ending) -> how many files there are no images that can be read. `beside`: folders and
    images that lie beside those that are read; `others`: other files there. `by_content`: the test images were chosen
    here, by their content. `table`: the file that says what is what, where that is not the folders.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    files: dict[str, list[tuple[str, int]]]
    left_out: LeftOut = field(default_factory=Counter)
    beside: tuple[str, ...] = ()
    by_content: bool = False
    table: Path | None = None
    others: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, list[tuple[str, int]]]:
        """Return `files` with a "test" in any case: "val", if there is no other, or none."""
        return self.files if "test" in self.files else {"train": self.files["train"], "test": self.files.get("val", [])}

    @property
    def about(self) -> object:
        """Return what decides, beside files and labels, which images are for what."""
        sides = [(name, len(files)) for name, files in self.files.items()]
        return (self.classes, sides) if self.by_content or self.table else self.classes

    def notes(self) -> list[str]:
        """Return lines about files that are left out, and what is not read."""
        lines = []
        if self.left_out:
            total = self.left_out.total()
            ordered = sorted(self.left_out.items(), key=lambda each: (-each[1], each[0]))
            phrases = [f"{count:,} {end}{f' in {folder}' if folder else ''}" for (folder, end), count in ordered]
            rest = sum(count for _, count in ordered[PLACES:])
            phones = any(end in PHOTOGRAPHS_OF_PHONES for _, end in self.left_out)
            lines.append(
                f"{total:,} file{'s are' if total > 1 else ' is'} left out, no images that are read: "
                f"{some(phrases, rest)}{'; save .heic as .jpg' if phones else ''}"
            )
        if self.beside:
            lines.append(f"not read: {some(self.beside)}")
        return lines

    def warn(self) -> None:
        """Warn about what is not read."""
        for line in self.notes():
            warnings.warn(f"{self.name}: {line}", NotRead, stacklevel=3)


def some(names: Sequence[str], rest: int | None = None) -> str:
    """Return the first names, and how many more there are."""
    left = len(names) - PLACES if rest is None else rest
    return ", ".join(names[:PLACES]) + (f" and {left:,} more" if len(names) > PLACES else "")


@lru_cache(maxsize=1)
def endings() -> frozenset[str]:
    """Return the endings, such as .png, of all formats that Pillow reads here."""
    Image.init()
    names = Image.registered_extensions()
    able = {format for format, (factory, _) in Image.OPEN.items() if str(factory.__module__).startswith("PIL.")}
    able -= NO_PICTURES | {format for format, feature in NEEDS.items() if not features.check(feature)}
    able |= {"MPO"} & set(names.values())  # which opens as a JPEG
    return frozenset(ending for ending, format in names.items() if format in able) - {FLOATS}


def ending(file: str) -> str:
    """Return the ending of a file's name, in lower case, or "without an ending"."""
    return os.path.splitext(file)[1].lower() or NO_ENDING  # noqa: PTH122  # of many files


def entries(
    folder: str | Path, is_folder: Callable[[os.DirEntry[str]], bool] = os.DirEntry.is_dir
) -> tuple[list[str], list[os.DirEntry[str]]]:
    """Return the names of the folders in `folder`, and its files, both sorted.

    What a system or a program made beside them is neither.
    """
    folders, files = [], []
    for entry in os.scandir(folder):
        folded = entry.name.casefold()
        temporary = folded.startswith("~") and folded.endswith(".tmp")
        if temporary or folded in MADE_BY_SYSTEMS or entry.name.startswith((".", "~$")):
            continue
        if is_folder(entry):
            folders.append(entry.name)
        else:
            files.append(entry)
    return sorted(folders), sorted(files, key=lambda file: file.name)


def images_below(folder: str, name: str, left_out: LeftOut, owner: str, owners: Owners) -> list[str]:
    """Return the image files below `folder`, sorted.

    Others are counted in `left_out` under `name`. What a link leads to counts, but no folder twice. `seen`: folder ->
    its class, and the way there; one that two classes lead to is an `Error`.
    """
    images: list[str] = []
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        first, way = owners.setdefault(os.path.realpath(at), (owner, at))
        if first != owner:
            raise Error(f"{way} and {at} are one folder, of the classes {first} and {owner}: remove the link")
        if way == at:
            folders, files = entries(at, _is_folder)
            images += images_among(at, files, name, left_out)
            waiting += [f"{at}/{each}" for each in reversed(folders)]
    return sorted(images)


def images_among(folder: str, files: Sequence[os.DirEntry[str]], name: str, left_out: LeftOut) -> list[str]:
    """Return the paths of those `files` of `folder` that are images.

    Others are counted in `left_out` under `name`.
    """
    images, able = [], endings()
    for file in files:
        end = ending(file.name) if _opens(file) else "that is no file"
        if end in able:
            images.append(f"{folder}/{file.name}")
        else:
            left_out[name, end] += 1
    return images


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself is a file that cannot be opened
        return False


def _opens(entry: os.DirEntry[str]) -> bool:
    """Return whether opening a file ends: to a pipe nobody may ever write.

    A broken link is named when it is read.
    """
    try:
        if entry.is_file():
            return True
        entry.stat()
    except OSError:
        return True
    return False


File = tuple[int, int]  # the disk, and the number of the file on it: links lead to the same


class Shared(NamedTuple):
    """What two data sets of your own have in common.

    `train`: whether any training image of one is one of the other. `labelled`: whether any is labelled in both.
    `alike`: whether the labelled ones are the same in the same order and with the same labels, so that one seed splits
    both alike. `held`: whether labelled training images of the first are test or validation images of the second.
    """

    train: bool
    labelled: bool
    alike: bool
    held: bool


def shared(first: Listing, second: Listing) -> Shared:
    """Compare the files of two listings; nothing is decoded.

    A file that is not there is no one's.
    """
    labelled_first, labelled_second = _labelled(first), _labelled(second)
    files = {file for file, _ in labelled_first}
    held = {file for part, pairs in second.files.items() if part != "train" for file in _files(pairs)}
    return Shared(
        train=not _files(first.files["train"]).isdisjoint(_files(second.files["train"])),
        labelled=not files.isdisjoint(file for file, _ in labelled_second),
        alike=labelled_first == labelled_second,
        held=not files.isdisjoint(held),
    )


def _labelled(listed: Listing) -> list[tuple[File, str]]:
    """Return the labelled training images and their classes."""
    pairs = [(name, label) for name, label in listed.files["train"] if label >= 0]
    return [(file, listed.classes[label]) for name, label in pairs for file in _file(name)]


def _files(pairs: list[tuple[str, int]]) -> set[File]:
    return {file for name, _ in pairs for file in _file(name)}


def _file(name: str) -> list[File]:
    """Return the file of that name, or none."""
    with suppress(OSError, ValueError):
        status = os.stat(name)  # noqa: PTH116  # a Path for each of a million files costs more than the call
        return [(status.st_dev, status.st_ino)]
    return []
