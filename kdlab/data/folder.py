"""Images in folders: with train/ and test/, with a folder for each class alone, or without labels."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import Error
from .cache import decoded
from .files import unreadable
from .images import ImageSet
from .listing import (
    PHOTOGRAPHS_OF_PHONES,
    LeftOut,
    Listing,
    Seen,
    ending,
    endings,
    entries,
    images_among,
    images_below,
    one_elsewhere,
)
from .photographs import pick
from .sources import data_root, located

PARTS = ("train", "test", "val")
UNLABELLED = ("unlabelled", "unlabeled")  # folders whose images have no label
# Names of folders that say what their images are for, in other spellings than that of PARTS: no names of classes
FOR_SOMETHING = frozenset({*PARTS, "training", "testing", "validation"})
SHARE = 0.2  # of the images of a class that are for testing, where nobody said which
WHOLE, PIECES, PIECE = 1 << 18, 8, 1 << 15  # bytes of a file that are read for its digest


def folder(part: str, size: int | None = None) -> ImageSet:
    """Images of your own: PATH/train/CLASS/*.png and PATH/test/ or val/ with the same classes, or PATH/CLASS/*.png.

    Images of different sizes are brought to `size`; without it they must agree. Greyscale throughout gives one channel,
    otherwise three. Where test/ and val/ both exist, val/ is for validation. Of classes without train/ and test/ a
    fifth of each is for testing, chosen by the content of the files. PATH/unlabelled/, or a folder of images without
    any classes, holds training images without labels.
    """
    return decoded_set(listing(part), size)


def decoded_set(listed: Listing, size: int | None) -> ImageSet:
    """The images of a listing, in memory or `Stored`."""
    listed.warn()

    def make(pixels: Mapping[str, Tensor], **known: Any) -> ImageSet:
        sets = {name: (pixels[name], labels(files)) for name, files in listed.files.items()}
        nothing = pick(pixels["train"], torch.arange(0)), labels([])
        test = sets.get("test", sets.get("val", nothing))
        val = sets["val"] if len(sets) == 3 else (None, None)
        return ImageSet(
            listed.name, listed.classes, *sets["train"], *test, style="colour", val_x=val[0], val_y=val[1], **known
        )

    return decoded(listed.root, listed.files, size, make, listed.about, table=listed.table)


def labels(files: Sequence[tuple[str, int]]) -> Tensor:
    """int64 (n,): the label of each file."""
    return torch.tensor([label for _, label in files], dtype=torch.int64)


def listing(part: str) -> Listing:
    """The images below PATH, with labels where folders give them."""
    root = located(part)
    return listed(root, f"folder:{part}")


def listed(root: Path, name: str, parts: Sequence[str] = ()) -> Listing:
    """The images below `root`; with `parts`, those in folders of these names, which it must have, and no others."""
    try:
        if not root.is_dir():
            raise _no_folder(root, parts)
        return _sorted_out(root, name, parts) if parts else _as_it_lies(root, name)
    except OSError as error:  # no permission, a link that leads to itself
        raise Error(f"{error.filename} cannot be read ({error.strerror}): mend or remove it") from error


def _no_folder(root: Path, parts: Sequence[str]) -> Error:
    """The sentence about a folder that is not there."""
    if root.is_file() and not parts:
        way = f"write csv:{root}" if root.suffix.lower() in (".csv", ".tsv") else "a table of images is csv:FILE"
        return Error(f"{root} is a file, no folder: give the folder that holds the images; {way}")
    where = "" if root.is_absolute() else f", here or under {data_root()}"
    alone = "" if parts else ", or folders of classes alone"
    return Error(
        f"there is no folder {root}{where}: it needs {_wanted(parts or PARTS)} folder, with one for each class{alone}"
    )


def _as_it_lies(root: Path, name: str) -> Listing:
    folders, files = entries(root)
    if any(each.casefold() in FOR_SOMETHING for each in folders):
        return _sorted_out(root, name, ())
    classes = [each for each in folders if not _no_label(each)]
    if classes and not (_images(files) and not any(_holds_images(root / each) for each in classes)):
        return _classes_alone(root, name)
    left_out: LeftOut = Counter()
    found = images_among(str(root), files, "", left_out)
    found += _without_labels(root, [each for each in folders if each not in classes], "", left_out, {})
    if not found:
        raise Error(
            f"there are no images in {root}{_left(left_out)}: it needs {_wanted(PARTS)} folder, a folder for each "
            "class, or images without labels"
        )
    beside = tuple(f"{each}/" for each in classes)
    return Listing(name, root, (), {"train": [(file, -1) for file in found]}, left_out, beside)


def _sorted_out(root: Path, name: str, parts: Sequence[str]) -> Listing:
    """The layout with train/, and test/ or val/."""
    names = parts or PARTS
    folders, files = entries(root)
    places = {part: root / part for part in names if (root / part).is_dir()}
    left_out: LeftOut = Counter()
    without = [] if parts else [each for each in folders if _no_label(each)]
    if list(places) == ["train"] and not parts and (flat := _unsorted(root, name)):
        return flat
    if "train" not in places or len(places) < min(2, len(names)):
        hint = ""
        if "train" in places and not parts and sum(not _no_label(each) for each in entries(places["train"])[0]) > 1:
            hint = f"; folder:{places['train']} sets a share of each class aside for testing"
        elif not parts and (empty := _empty_beside_classes(root, folders)):
            hint = f": remove the empty {empty}/, and a share of each class is set aside for testing"
        has = ", ".join(f"{each}/" for each in folders) or "no folders"
        raise Error(f"{root} needs {_wanted(names)} folder, it has {has}{hint}")
    tested = {each for part, place in places.items() if part != "train" for each in entries(place)[0]}
    read = [*places.values(), *(root / each for each in without)]
    beside = [f"{each}/" for each in folders if not any(place.samefile(root / each) for place in read)]
    others = _others(files)
    seen: Seen = {}
    found: dict[str, dict[str, list[str]]] = {}
    for part, place in places.items():
        classes, loose = entries(place)
        if part == "train" and not parts:  # a folder of that name in test/ says that it is a class
            without += [f"train/{each}" for each in classes if _no_label(each) and each not in tested]
            classes = [each for each in classes if f"train/{each}" not in without]
        if images := _images(loose):
            beside.append(f"{len(images):,} image{'s' * (len(images) > 1)} in {part}/ outside its folders")
        others += [f"{part}/{file}" for file in _others(loose)]
        found[part] = _of_classes(place, classes, part, left_out, seen if part == "train" else {})
    names_of_classes = tuple(found["train"])
    for part, groups in found.items():
        if odd := set(groups) ^ set(names_of_classes):
            raise Error(f"the classes of {places[part]} and {places['train']} differ: {', '.join(sorted(odd))}")
    if len(names_of_classes) == 1:
        only = names_of_classes[0]
        raise Error(f"{places['train']} has one class only, {only}: a classifier needs two folders or more")
    labelled = {
        part: [(file, label) for label, group in enumerate(groups.values()) for file in group]
        for part, groups in found.items()
    }
    labelled["train"] += [(file, -1) for file in _without_labels(root, without, "", left_out, seen)]
    beside += [file.name for file in _images(files)]
    if parts:  # of a published data set, whose folder holds more than its images
        return Listing(name, root, names_of_classes, labelled, left_out)
    return Listing(name, root, names_of_classes, labelled, left_out, tuple(beside), others=tuple(others))


def _empty_beside_classes(root: Path, folders: Sequence[str]) -> str | None:
    """The folder for a part that holds no image, where beside it lie two classes or more; else None."""
    of_parts = [each for each in folders if each.casefold() in FOR_SOMETHING]
    classes = [each for each in folders if each not in of_parts and not _no_label(each)]
    if len(of_parts) != 1 or _holds_images(root / of_parts[0]):
        return None
    return of_parts[0] if sum(_holds_images(root / each) for each in classes) > 1 else None


def _unsorted(root: Path, name: str) -> Listing | None:
    """Images in train/ that nobody sorted, where there is nothing else."""
    folders, files = entries(root / "train")
    if any(not _no_label(each) for each in folders):
        return None
    left_out: LeftOut = Counter()
    found = images_among(str(root / "train"), files, "train", left_out)
    seen: Seen = {}
    found += _without_labels(root / "train", folders, "train/", left_out, seen)
    outside, loose = entries(root)
    found += _without_labels(root, [each for each in outside if _no_label(each)], "", left_out, seen)
    if not found:
        return None
    beside = [f"{each}/" for each in outside if each != "train" and not _no_label(each)]
    beside += [file.name for file in _images(loose)]
    unlabelled = [(file, -1) for file in found]
    return Listing(name, root, (), {"train": unlabelled}, left_out, tuple(beside), others=tuple(_others(loose)))


def _classes_alone(root: Path, name: str) -> Listing:
    """The layout of a folder for each class: a share of each is for testing."""
    folders, files = entries(root)
    left_out: LeftOut = Counter()
    seen: Seen = {}
    classes = [each for each in folders if not _no_label(each)]
    for each in classes:
        if deeper := [below for below in entries(root / each)[0] if below.casefold() in PARTS]:
            raise Error(f"{root} has {each}/{deeper[0]}/: write folder:{root / each}, or move what lies beside it")
    if len(classes) == 1:
        deeper = [below for below in entries(root / classes[0])[0] if not _no_label(below)]
        hint = f", or write folder:{root / classes[0]}" if len(deeper) > 1 else ""
        raise Error(
            f"{root} has one class only, {classes[0]}: a classifier needs two folders or more{hint}; images without "
            "labels lie in unlabelled/"
        )
    groups = _of_classes(root, classes, "", left_out, seen)
    loose = _without_labels(root, [each for each in folders if _no_label(each)], "", left_out, seen)
    train, test = divided(groups, loose)
    beside = tuple(file.name for file in _images(files))
    parts = {"train": train, "test": test}
    others = tuple(_others(files))
    return Listing(name, root, tuple(groups), parts, left_out, beside, by_content=True, others=others)


def divided(
    groups: Mapping[str, Sequence[str]], unlabelled: Sequence[str] = ()
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Training and test files, each with its label, of the files of each class and of those without a label.

    For testing are the `SHARE` of each class whose contents have the smallest digests: on every machine, under every
    name and in every order the same. Equal files are on one side; one that several classes have, or that has no label
    elsewhere, is for training.
    """
    contents = {file: content(file) for files in groups.values() for file in files}
    owners: defaultdict[str, set[int]] = defaultdict(set)
    for label, files in enumerate(groups.values()):
        for file in files:
            owners[contents[file]].add(label)
    sizes = {_bytes(file) for file in contents}
    elsewhere = {content(file) for file in unlabelled if _bytes(file) in sizes}
    tested: set[str] = set()
    for label, (name, files) in enumerate(groups.items()):
        count = Counter(contents[file] for file in files)
        able = sorted(each for each in count if owners[each] == {label} and each not in elsewhere)
        if not able or len(count) < 2:
            many = "s" * (len(files) > 1)
            told = f"class {name} has {len(files)} image{many}, of which none can be set aside for testing"
            others = {k for each in count for k in owners[each]} - {label}
            where = [f"in {list(groups)[k]}" for k in sorted(others)]
            where += ["among those without a label (unlabelled/)"] * any(each in elsewhere for each in count)
            if where:
                raise Error(
                    f"{told}, as all are also {' or '.join(where)}: leave each in one place, or make train/ and test/ "
                    "folders"
                )
            raise Error(f"{told}: give it two different ones or more, or make train/ and test/ folders")
        wanted, chosen = max(1, round(SHARE * len(files))), 0
        for each in able:
            if chosen + count[each] <= wanted:
                tested.add(each)
                chosen += count[each]
        if not chosen:  # all of them come more often than that
            tested.add(min(able, key=lambda each: (count[each], each)))
    pairs = [(file, label) for label, files in enumerate(groups.values()) for file in files]
    train = [(file, label) for file, label in pairs if contents[file] not in tested]
    return train + [(file, -1) for file in unlabelled], [pair for pair in pairs if contents[pair[0]] in tested]


def content(file: str) -> str:
    """A digest of what is in a file, whatever its name: of a large one its size and eight pieces.

    To read all bytes of many photographs would take as long as an epoch, at every start. Files that differ elsewhere
    alone would be on one side, no more.
    """
    try:
        size, digest = _bytes(file), blake2b(digest_size=16)
        with open(file, "rb") as opened:  # noqa: PTH123  # as with os.stat: of many files
            if size <= WHOLE:
                digest.update(opened.read())
            else:
                digest.update(str(size).encode())
                for k in range(PIECES):
                    opened.seek(k * (size - PIECE) // (PIECES - 1))
                    digest.update(opened.read(PIECE))
    except OSError as error:
        raise unreadable(file, error) from error
    return digest.hexdigest()


def _bytes(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116  # a Path for each of a million files costs more than the call
    except OSError as error:
        raise unreadable(file, error) from error


def _of_classes(place: Path, folders: Sequence[str], shown: str, left_out: LeftOut, seen: Seen) -> dict[str, list[str]]:
    """Class -> its image files, both sorted, of the `folders` in `place`."""
    prefix = f"{shown}/" if shown else ""
    found = {each: images_below(f"{place}/{each}", f"{prefix}{each}", left_out, each, seen) for each in folders}
    if empty := [each for each, files in found.items() if not files] or ([place.name] if not found else []):
        has = Counter({key: n for key, n in left_out.items() if key[0] in {f"{prefix}{each}" for each in empty}})
        raise Error(
            f"no images in {place} for {', '.join(empty)}{_left(has)}: each class needs a folder with .jpg, .png, "
            ".webp or other images"
        )
    if both := one_elsewhere(folders):
        names = f"{both[0]} and {both[1]}"
        raise Error(f"{place} has folders {names}, which are one and the same on other systems: rename one")
    return found


def _without_labels(root: Path, folders: Sequence[str], shown: str, left_out: LeftOut, seen: Seen) -> list[str]:
    """The image files in these folders, which have no labels."""
    return [
        file
        for each in folders
        for file in images_below(f"{root}/{each}", f"{shown}{each}", left_out, UNLABELLED[0], seen)
    ]


def _images(files: Sequence[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Of loose files those that hold images, whether they can be read or not."""
    return [file for file in files if ending(file.name) in {*endings(), *PHOTOGRAPHS_OF_PHONES}]


def _others(files: Sequence[os.DirEntry[str]]) -> list[str]:
    """The names of loose files that are no images."""
    images = {file.name for file in _images(files)}
    return [file.name for file in files if file.name not in images]


def _holds_images(place: Path) -> bool:
    return bool(images_below(str(place), "", Counter(), "", {}))


def _no_label(name: str) -> bool:
    return name.casefold() in UNLABELLED


def _left(left_out: Mapping[tuple[str, str], int]) -> str:
    """What files there are that are no images."""
    kinds: Counter[str] = Counter()
    for (_, end), count in left_out.items():
        kinds[end] += count
    return f" (but {', '.join(f'{count:,} {end}' for end, count in kinds.most_common(3))})" if kinds else ""


def _wanted(names: Sequence[str]) -> str:
    others = " or ".join(f"{name}/" for name in names if name != "train")
    return f"a train/ and a {others}" if others else "a train/"
