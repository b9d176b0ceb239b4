"""Tiny-ImageNet, and subsets of it, in the official layout."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import Error
from .cache import decoded
from .images import ImageSet
from .listing import LeftOut, Listing, entries, images_among
from .sources import data_root
from .wordnet import class_names, words


def tiny_imagenet(size: int | None = None) -> ImageSet:
    """Tiny-ImageNet, 100,000 + 10,000 images of 64 x 64 pixels in 200 classes, decoded to `size` if that is given.

    Read from tiny-imagenet-200/ under the data root, or else from the only other folder tiny-imagenet-*/ (a subset of
    the classes). Its validation images are the test set here: the labels of the official test set are not published.
    Labels follow the sorted WordNet ids.
    """
    root = _root()
    train = root / "train"
    folders = entries(train)[0] if train.is_dir() else []
    listed = root / "wnids.txt"
    ids = sorted(set(listed.read_text(errors="replace").split())) if listed.is_file() else folders
    if missing := sorted(set(ids) - set(folders)) or ([] if ids else ["a folder for each class"]):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise Error(f"{train} has no {missing[0]}{more}: unpack the archive anew, or mend wnids.txt")
    places = [train / wnid / "images" for wnid in ids]
    left_out: LeftOut = Counter()
    groups = [_images(place, f"train/{wnid}/images", left_out) for place, wnid in zip(places, ids, strict=True)]
    if empty := [place for place, group in zip(places, groups, strict=True) if not group]:
        raise Error(f"no images in {empty[0]}: unpack the archive anew")
    files = {
        "train": [(file, label) for label, group in enumerate(groups) for file in group],
        "test": _annotations(root / "val" / "val_annotations.txt", ids),
    }
    names = class_names(ids, words(root / "words.txt"))
    Listing(root.name, root, names, files, left_out).warn()

    def make(pixels: Mapping[str, Tensor], **known: Any) -> ImageSet:
        sets = [part for name in files for part in (pixels[name], torch.tensor([label for _, label in files[name]]))]
        return ImageSet(root.name, names, *sets, style="colour", **known)

    return decoded(root, files, size, make, names, channels=3)


def _images(place: Path, name: str, left_out: LeftOut) -> list[str]:
    return images_among(str(place), entries(place)[1], name, left_out) if place.is_dir() else []


def _root() -> Path:
    root = data_root()
    if (root / "tiny-imagenet-200").is_dir():
        return root / "tiny-imagenet-200"
    found = sorted(p for p in root.glob("tiny-imagenet-*") if p.is_dir())
    if not found:
        raise Error(
            f"Tiny-ImageNet is not under {root}: unpack tiny-imagenet-200.zip there or set KDLAB_DATA to the folder "
            "that holds tiny-imagenet-200/"
        )
    if len(found) > 1:
        raise Error(f"{root} has several folders of Tiny-ImageNet, {', '.join(p.name for p in found)}: leave only one")
    return found[0]


def _annotations(table: Path, ids: list[str]) -> list[tuple[str, int]]:
    """The validation images of the classes `ids`, and their labels."""
    if not table.is_file():
        raise Error(f"{table} is missing: unpack the archive anew")
    label = {wnid: i for i, wnid in enumerate(ids)}
    rows = [line.split() for line in table.read_text(errors="replace").splitlines() if line.strip()]
    found = [(str(table.parent / "images" / row[0]), label[row[1]]) for row in rows if len(row) > 1 and row[1] in label]
    if not found:
        raise Error(f"{table} names no image of the classes in {table.parents[1] / 'train'}: unpack the archive anew")
    return found
