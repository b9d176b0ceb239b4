"""Images in folders: PATH/train/<class>/*.png, and PATH/test/ (or PATH/val/) with the same classes."""

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from ..errors import Error
from .decoded import decoded
from .images import ImageSet
from .sources import data_root, located

PARTS = ("train", "test", "val")
EXTENSIONS = (*IMG_EXTENSIONS, ".jfif", ".gif")


def folder(part: str, size: int | None = None) -> ImageSet:
    """Images of your own: PATH/train/CLASS/*.png (or .jpg, ...), and PATH/test/ or PATH/val/ with the same classes.

    Images of different sizes are brought to `size`; without it they must agree. Greyscale throughout gives one channel,
    otherwise three. Where test/ and val/ both exist, val/ is for validation.
    """
    root = located(part)
    classes, files = listed(root)

    def make(pixels: Mapping[str, Tensor], **known: Any) -> ImageSet:
        sets = {name: (pixels[name], torch.tensor([label for _, label in files[name]])) for name in files}
        test = sets["test"] if "test" in sets else sets["val"]
        val = sets["val"] if len(sets) == 3 else (None, None)
        return ImageSet(
            f"folder:{part}", classes, *sets["train"], *test, style="colour", val_x=val[0], val_y=val[1], **known
        )  # fmt: skip

    return decoded(root, files, size, make, classes)


def listed(root: Path, names: Sequence[str] = PARTS) -> tuple[tuple[str, ...], dict[str, list[tuple[str, int]]]]:
    """The classes in `root`, and for each of its folders `names` the image files with their labels."""
    try:
        return _listed(root, names)
    except OSError as error:  # no permission, a link that leads to itself
        raise Error(f"{error.filename} cannot be read ({error.strerror}): mend or remove it") from error


def _listed(root: Path, names: Sequence[str]) -> tuple[tuple[str, ...], dict[str, list[tuple[str, int]]]]:
    if not root.is_dir():
        where = "" if root.is_absolute() else f", here or under {data_root()}"
        raise Error(f"there is no folder {root}{where}: it needs {_wanted(names)} folder, with one for each class")
    places = {name: root / name for name in names if (root / name).is_dir()}
    if "train" not in places or len(places) < min(2, len(names)):
        raise Error(f"{root} needs {_wanted(names)} folder, it has {_names(root) or 'no folders'}")
    listings = {name: _listing(place) for name, place in places.items()}
    classes = tuple(listings["train"])
    for name, listing in listings.items():
        if odd := set(listing) ^ set(classes):
            raise Error(f"the classes of {places[name]} and {places['train']} differ: {', '.join(sorted(odd))}")
    if len(classes) == 1:
        raise Error(f"{places['train']} has one class only, {classes[0]}: a classifier needs two folders or more")
    return classes, {
        name: [(file, label) for label, group in enumerate(listing.values()) for file in group]
        for name, listing in listings.items()
    }


def _wanted(names: Sequence[str]) -> str:
    others = " or ".join(f"{name}/" for name in names if name != "train")
    return f"a train/ and a {others}" if others else "a train/"


def _names(root: Path) -> str:
    return ", ".join(sorted(f"{p.name}/" for p in root.iterdir() if p.is_dir()))


def _listing(place: Path) -> dict[str, list[str]]:
    """Class name -> its image files, both sorted."""
    folders = sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and not entry.name.startswith("."))
    seen: dict[str, tuple[str, str]] = {}
    found = {name: sorted(_images(place, name, seen), key=_as_everywhere) for name in folders}
    if empty := [name for name, files in found.items() if not files] or ([place.name] if not found else []):
        raise Error(
            f"no images in {place} for {', '.join(empty)}: each class needs a folder with {', '.join(EXTENSIONS)}"
        )
    first = {_elsewhere(name): name for name in reversed(folders)}
    if alike := [name for name in folders if first[_elsewhere(name)] != name]:
        both = f"{first[_elsewhere(alike[0])]} and {alike[0]}"
        raise Error(f"{place} has folders {both}, which are one and the same on other systems: rename one")
    return found


def _images(part: Path, name: str, seen: dict[str, tuple[str, str]]) -> Iterator[str]:
    """The image files of a class and of the folders below it; what a link leads to counts, but no folder twice.

    `seen`: folder -> its class, and the way there; one that two classes lead to is an `Error`.
    """
    for place, below, files in os.walk(f"{part}/{name}", onerror=_raised, followlinks=True):
        owner, way = seen.setdefault(os.path.realpath(place), (name, place))
        if owner != name:
            raise Error(f"{way} and {place} are one folder, of the classes {owner} and {name}: remove the link")
        if way != place:
            below.clear()
            continue
        below.sort()
        yield from (f"{place}/{file}" for file in files if file.lower().endswith(EXTENSIONS))


def _raised(error: OSError) -> None:
    raise error


def _elsewhere(name: str) -> str:
    """What two names share that are one and the same on some system."""
    return unicodedata.normalize("NFC", name).casefold()


def _as_everywhere(path: str) -> str:
    """What sorts paths alike on all systems."""
    return path.replace(os.sep, "/")
