"""ImageNet, and photographs of your own: cropped at random as they are decoded."""

import csv
import os
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from ..core.errors import Error
from ..core.places import data_root, located
from .csv_file import tabled
from .files import PIXELS, check_regular, unreadable
from .folders import class_names, labelled_set, listed, words
from .images import ImageSet
from .listing import Listing, entries
from .photographs import Photographs

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision's weights expect them
SOLUTION, MAPPING = "LOC_val_solution.csv", "LOC_synset_mapping.txt"
ENDS = 4096  # bytes at both ends of your own files; those of the challenge do not change


def imagenet(size: int | None = None) -> ImageSet:
    """ImageNet (ILSVRC 2012), 1,281,167 + 50,000 photographs in 1,000 classes.

    Seen at `size` (224) pixels. Read from imagenet/ under the data root: train/ID/*.JPEG and val/ID/*.JPEG with WordNet
    ids, or val/*.JPEG beside LOC_val_solution.csv, as the challenge gave them out. Its validation images are the test
    set here: the labels of the official test set are not published. Labels follow the sorted ids, as those of
    torchvision's weights. Fewer classes are read too.
    """
    root = data_root() / "imagenet"
    if not (root / "train").is_dir():
        raise Error(
            f"ImageNet is not under {root}: it is not given out freely; put its train/ and val/ there, or set "
            "KDLAB_DATA to the folder that holds imagenet/"
        )
    if (root / "val").is_dir() and not entries(root / "val")[0]:
        listing = listed(root, "imagenet", ("train",))
        listing.files["val"] = _solution(root / SOLUTION, listing.classes)
    else:
        listing = listed(root, "imagenet", ("train", "val"))
    names = class_names(listing.classes, words(root / MAPPING) or published_words(listing.classes))
    return cropped(replace(listing, classes=names), size, ends=0)


def photographs(part: str, size: int | None = None) -> ImageSet:
    """Photographs of your own, of any size, in PATH: a folder, or a table.

    A folder as of folder:PATH, a table as of csv:FILE; `size` 224. Every image of a batch is a random crop of the whole
    photograph, decoded as it is needed; for testing it is the central crop. The normalisation is ImageNet's.
    """
    return cropped(photographs_listing(located(part), f"photographs:{part}"), size)


def photographs_listing(path: Path, name: str) -> Listing:
    """List the files of photographs:PATH, where PATH is a folder or a table."""
    return tabled(path, name) if path.is_file() else listed(path, name)


def cropped(listing: Listing, size: int | None, ends: int = ENDS) -> ImageSet:
    """Return the images of a listing, which are cropped as they are decoded.

    Their fingerprint is of names, sizes, labels and both ends (`ends` bytes) of the files: to read all of them would
    take hours.
    """
    listing.warn()
    images = uncut(listing, size)
    digest = blake2b(repr((listing.about, size or SIZE, PIXELS)).encode(), digest_size=8)
    start = len(str(listing.root))
    for file, label in (pair for files in listing.parts.values() for pair in files):
        count = check_regular(file).st_size
        digest.update(os.fsencode(f"{file[start:].replace(os.sep, '/')}\0{count}\0{label}\n"))
        if ends:
            try:
                with Path(file).open("rb") as opened:
                    digest.update(opened.read(ends))
                    opened.seek(max(0, count - ends))
                    digest.update(opened.read())
            except OSError as error:
                raise unreadable(file, error) from error
    images.is_known_by(digest.hexdigest())
    return images


def uncut(listing: Listing, size: int | None) -> ImageSet:
    """Return the images of a listing, of whose files none is opened yet."""
    pixels = {name: Photographs([file for file, _ in files], size or SIZE) for name, files in listing.parts.items()}
    return labelled_set(listing, "photographs", pixels, mean=MEAN, std=STD)


def _solution(table: Path, ids: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return the images in val/ without folders, and their labels.

    Those of the classes `ids`.
    """
    if not table.is_file():
        raise Error(f"{table.parent / 'val'} has no folder for each class: sort its images so, or put {table} there")
    label = {wnid: i for i, wnid in enumerate(ids)}
    with table.open(newline="", errors="replace") as file:
        rows = [row[:2] for row in csv.reader(file) if len(row) > 1]  # image, "ID box ID box ..."
    rows = [(image, boxes.split()[0]) for image, boxes in rows if boxes.split()]
    pairs = [(str(table.parent / "val" / f"{image}.JPEG"), label[wnid]) for image, wnid in rows if wnid in label]
    if not pairs:
        raise Error(f"{table} names no image of the classes in {table.parent / 'train'}: take the challenge's own")
    return pairs


def published_words(ids: tuple[str, ...]) -> dict[str, str]:
    """Return torchvision's names of all 1,000 classes, in the order of the ids."""
    from torchvision.models import ResNet18_Weights

    known = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    return dict(zip(ids, known, strict=True)) if len(ids) == len(known) else {}
