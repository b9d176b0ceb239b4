"""Images in folders: train/ and test/, classes alone, or without labels."""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch

from ..core.errors import Error
from ..core.places import data_root, located
from .cache import decoded
from .files import check_regular, unreadable
from .images import ImageSet
from .listing import (
    PHOTOGRAPHS_OF_PHONES,
    LeftOut,
    Listing,
    Owners,
    ending,
    endings,
    entries,
    images_among,
    images_below,
)
from .photographs import Pixels

PARTS = ("train", "test", "val")
UNLABELLED = ("unlabelled", "unlabeled")  # folders whose images have no label
# Names of folders that say what their images are for, in other spellings than that of PARTS: no names of classes
FOR_SOMETHING = frozenset({*PARTS, "training", "testing", "validation"})
SHARE = 0.2  # of the images of a class that are for testing, where nobody said which
WHOLE, PIECES, PIECE = 1 << 18, 8, 1 << 15  # bytes of a file that are read for its digest


def folder(part: str, size: int | None = None) -> ImageSet:
    """Images of your own: PATH/train/CLASS and PATH/test/CLASS, or PATH/CLASS.

    Images of different sizes are brought to `size`; without it they must agree. Greyscale throughout gives one channel,
    otherwise three. Where test/ and val/ both exist, val/ is for validation. Of classes without train/ and test/ a
    fifth of each is for testing, chosen by the content of the files. PATH/unlabelled/, or a folder of images without
    any classes, holds training images without labels.
    """
    return decoded_set(listed(located(part), f"folder:{part}"), size)


def decoded_set(listed: Listing, size: int | None, channels: int = 0) -> ImageSet:
    """Return the images of a listing, in memory or `Stored`."""
    listed.warn()
    make = partial(labelled_set, listed, "colour")
    return decoded(listed.root, listed.parts, size, make, listed.about, channels, listed.table)


def labelled_set(listed: Listing, style: str, pixels: Mapping[str, Pixels], **known: Any) -> ImageSet:
    """Return the pixels of each part of a listing with its labels."""
    parts = {
        name: (pixels[name], torch.tensor([label for _, label in files], dtype=torch.int64))
        for name, files in listed.parts.items()
    }
    val_x, val_y = parts.get("val", (None, None))
    return ImageSet(
        listed.name, listed.classes, *parts["train"], *parts["test"], style=style, val_x=val_x, val_y=val_y, **known
    )


def listed(root: Path, name: str, parts: Sequence[str] = ()) -> Listing:
    """List the images below `root`.

    With `parts`, those in folders of these names, which it must have, and no others.
    """
    try:
        if not root.is_dir():
            if root.is_file() and not parts:
                table = root.suffix.lower() in (".csv", ".tsv")
                way = f"write csv:{root}" if table else "a table of images is csv:FILE"
                raise Error(f"{root} is a file, no folder: give the folder that holds the images; {way}")
            where = "" if root.is_absolute() else f", here or under {data_root()}"
            alone = "" if parts else ", or folders of classes alone"
            wanted = _wanted(parts or PARTS)
            raise Error(f"there is no folder {root}{where}: it needs {wanted} folder, with one for each class{alone}")
        folders, files = entries(root)
        if parts or any(each.casefold() in FOR_SOMETHING for each in folders):
            return _sorted_out(root, name, parts)
        classes = [each for each in folders if not _no_label(each)]
        if classes and (not _loose(files)[0] or any(_holds_images(root / each) for each in classes)):
            return _classes_alone(root, name)
        flat = _without_classes(root, name, root)
    except OSError as error:  # no permission, a link that leads to itself
        raise Error(f"{error.filename} cannot be read ({error.strerror}): mend or remove it") from error
    if not flat.files["train"]:
        raise Error(
            f"there are no images in {root}{_left(flat.left_out)}: it needs {_wanted(PARTS)} folder, a folder for each "
            "class, or images without labels"
        )
    return flat


def _without_classes(root: Path, name: str, source: Path) -> Listing:
    """List images without classes, in `source` and in folders for such images.

    `source` is `root` itself, or train/ in it.
    """
    folders, files = entries(source)
    outside, loose = entries(root)
    left_out: LeftOut = Counter()
    unlabelled = [each for each in outside if _no_label(each)]
    beside, others = [f"{each}/" for each in outside if each not in (*unlabelled, "train")], []
    if source != root:
        unlabelled = [*(f"train/{each}" for each in folders), *unlabelled]
        images, others = _loose(loose)
        beside += images
    unsorted = images_among(str(source), files, "" if source == root else "train", left_out)
    unsorted += _without_labels(root, unlabelled, left_out, {})
    return Listing(
        name, root, (), {"train": [(file, -1) for file in unsorted]}, left_out, tuple(beside), others=tuple(others)
    )


def _sorted_out(root: Path, name: str, parts: Sequence[str]) -> Listing:
    """List the layout with train/, and test/ or val/."""
    names = parts or PARTS
    folders, files = entries(root)
    part_folders = {part: root / part for part in names if (root / part).is_dir()}
    if list(part_folders) == ["train"] and not parts and all(_no_label(each) for each in entries(root / "train")[0]):
        flat = _without_classes(root, name, root / "train")
        if flat.files["train"]:
            return flat
    if "train" not in part_folders or len(part_folders) < min(2, len(names)):
        hint = "" if parts else _hint(root, folders)
        has = ", ".join(f"{each}/" for each in folders) or "no folders"
        raise Error(f"{root} needs {_wanted(names)} folder, it has {has}{hint}")
    tested = {each for part, folder in part_folders.items() if part != "train" for each in entries(folder)[0]}
    without = [] if parts else [each for each in folders if _no_label(each)]
    read = [*part_folders.values(), *(root / each for each in without)]
    beside = [f"{each}/" for each in folders if not any(folder.samefile(root / each) for folder in read)]
    covers, others = _loose(files)
    left_out: LeftOut = Counter()
    owners: Owners = {}
    by_part: dict[str, dict[str, list[str]]] = {}
    for part, folder in part_folders.items():
        classes, loose = entries(folder)
        if part == "train" and not parts:  # a folder of that name in test/ says that it is a class
            without += [f"train/{each}" for each in classes if _no_label(each) and each not in tested]
            classes = [each for each in classes if f"train/{each}" not in without]
        images, rest = _loose(loose)
        if images:
            beside.append(f"{len(images):,} image{'s' * (len(images) > 1)} in {part}/ outside its folders")
        others += [f"{part}/{file}" for file in rest]
        by_part[part] = _of_classes(folder, classes, part, left_out, owners if part == "train" else {})
    classes = list(by_part["train"])
    for part, groups in by_part.items():
        if odd := set(groups) ^ set(classes):
            raise Error(
                f"the classes of {part_folders[part]} and {part_folders['train']} differ: {', '.join(sorted(odd))}"
            )
    if len(classes) == 1:
        raise Error(f"{part_folders['train']} has one class only, {classes[0]}: a classifier needs two folders or more")
    labelled = {
        part: [(file, label) for label, group in enumerate(groups.values()) for file in group]
        for part, groups in by_part.items()
    }
    labelled["train"] += [(file, -1) for file in _without_labels(root, without, left_out, owners)]
    if parts:  # of a published data set, whose folder holds more than its images
        return Listing(name, root, tuple(classes), labelled, left_out)
    return Listing(name, root, tuple(classes), labelled, left_out, (*beside, *covers), others=tuple(others))


def _hint(root: Path, folders: Sequence[str]) -> str:
    """Return the way out where a folder for training or testing is missing.

    Nothing where the folders show none.
    """
    if "train" in folders and sum(not _no_label(each) for each in entries(root / "train")[0]) > 1:
        return f"; folder:{root / 'train'} sets a share of each class aside for testing"
    of_parts = [each for each in folders if each.casefold() in FOR_SOMETHING]
    classes = [each for each in folders if each not in of_parts and not _no_label(each)]
    if (
        len(of_parts) == 1
        and not _holds_images(root / of_parts[0])
        and sum(_holds_images(root / c) for c in classes) > 1
    ):
        return f": remove the empty {of_parts[0]}/, and a share of each class is set aside for testing"
    return ""


def _classes_alone(root: Path, name: str) -> Listing:
    """List the layout of a folder for each class: a share of each is for testing."""
    folders, files = entries(root)
    left_out: LeftOut = Counter()
    owners: Owners = {}
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
    groups = _of_classes(root, classes, "", left_out, owners)
    loose = _without_labels(root, [each for each in folders if _no_label(each)], left_out, owners)
    train, test = divided(groups, loose)
    images, others = _loose(files)
    parts = {"train": train, "test": test}
    return Listing(name, root, tuple(groups), parts, left_out, tuple(images), by_content=True, others=tuple(others))


def divided(
    groups: Mapping[str, Sequence[str]], unlabelled: Sequence[str] = ()
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Divide labelled files into training and test files.

    `unlabelled` ones are for training. For testing are the `SHARE` of each class whose contents have the smallest
    digests: on every machine, under every name and in every order the same. Equal files are on one side; one that
    several classes have, or that has no label elsewhere, is for training.
    """
    contents = {file: content(file) for files in groups.values() for file in files}
    owners: defaultdict[str, set[int]] = defaultdict(set)
    for label, files in enumerate(groups.values()):
        for file in files:
            owners[contents[file]].add(label)
    sizes = {check_regular(file).st_size for file in contents}
    elsewhere = {content(file) for file in unlabelled if check_regular(file).st_size in sizes}
    tested: set[str] = set()
    for label, (name, files) in enumerate(groups.items()):
        count = Counter(contents[file] for file in files)
        able = sorted(each for each in count if owners[each] == {label} and each not in elsewhere)
        if not able or len(count) < 2:
            many = "s" * (len(files) > 1)
            cause = f"class {name} has {len(files)} image{many}, of which none can be set aside for testing"
            others = {k for each in count for k in owners[each]} - {label}
            where = [f"in {list(groups)[k]}" for k in sorted(others)]
            where += ["among those without a label (unlabelled/)"] * any(each in elsewhere for each in count)
            also = f", as all are also {' or '.join(where)}: leave each in one place" if where else ""
            raise Error(f"{cause}{also or ': give it two different ones or more'}, or make train/ and test/ folders")
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
    """Return a digest of a file's content; of a large one of size and eight pieces.

    To read all bytes of many photographs would take as long as an epoch, at every start. Files that differ elsewhere
    alone would be on one side, no more.
    """
    size, digest = check_regular(file).st_size, blake2b(digest_size=16)
    try:
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


def _of_classes(
    parent: Path, folders: Sequence[str], shown: str, left_out: LeftOut, owners: Owners
) -> dict[str, list[str]]:
    """Return the image files of each class, sorted: the `folders` in `parent`."""
    prefix = f"{shown}/" if shown else ""
    by_class = {each: images_below(f"{parent}/{each}", f"{prefix}{each}", left_out, each, owners) for each in folders}
    if empty := [each for each, files in by_class.items() if not files] or ([parent.name] if not by_class else []):
        has = Counter({key: n for key, n in left_out.items() if key[0] in {f"{prefix}{each}" for each in empty}})
        raise Error(
            f"no images in {parent} for {', '.join(empty)}{_left(has)}: each class needs a folder with .jpg, .png, "
            ".webp or other images"
        )
    first: dict[str, str] = {}
    for each in folders:
        if (other := first.setdefault(unicodedata.normalize("NFC", each).casefold(), each)) != each:
            raise Error(
                f"{parent} has folders {other} and {each}, which are one and the same on other systems: rename one"
            )
    return by_class


def _without_labels(root: Path, folders: Sequence[str], left_out: LeftOut, owners: Owners) -> list[str]:
    """Return the image files in these folders, which have no labels."""
    return [file for each in folders for file in images_below(f"{root}/{each}", each, left_out, UNLABELLED[0], owners)]


def _loose(files: Sequence[os.DirEntry[str]]) -> tuple[list[str], list[str]]:
    """Divide names of files into those of images, readable or not, and others."""
    able = {*endings(), *PHOTOGRAPHS_OF_PHONES}
    images = [file.name for file in files if ending(file.name) in able]
    return images, [file.name for file in files if ending(file.name) not in able]


def _holds_images(folder: Path) -> bool:
    return bool(images_below(str(folder), "", Counter(), "", {}))


def _no_label(name: str) -> bool:
    return name.casefold() in UNLABELLED


def _left(left_out: Mapping[tuple[str, str], int]) -> str:
    """Return the phrase about files that are no images."""
    kinds: Counter[str] = Counter()
    for (_, end), count in left_out.items():
        kinds[end] += count
    return f" (but {', '.join(f'{count:,} {end}' for end, count in kinds.most_common(3))})" if kinds else ""


def _wanted(names: Sequence[str]) -> str:
    others = " or ".join(f"{name}/" for name in names if name != "train")
    return f"a train/ and a {others}" if others else "a train/"


def tiny_imagenet(size: int | None = None) -> ImageSet:
    """Tiny-ImageNet, 100,000 + 10,000 images of 64 x 64 pixels in 200 classes.

    Decoded to `size` if that is given. Read from tiny-imagenet-200/ under the data root, or else from the only other
    folder tiny-imagenet-*/ (a subset of the classes). Its validation images are the test set here: the labels of the
    official test set are not published. Labels follow the sorted WordNet ids.
    """
    subsets = sorted(path for path in data_root().glob("tiny-imagenet-*") if path.is_dir())
    root = data_root() / "tiny-imagenet-200"
    if root not in subsets:
        if not subsets:
            raise Error(
                f"Tiny-ImageNet is not under {data_root()}: unpack tiny-imagenet-200.zip there or set KDLAB_DATA to "
                "the folder that holds tiny-imagenet-200/"
            )
        if len(subsets) > 1:
            names = ", ".join(path.name for path in subsets)
            raise Error(f"{data_root()} has several folders of Tiny-ImageNet, {names}: leave only one")
        root = subsets[0]
    train = root / "train"
    folders = entries(train)[0] if train.is_dir() else []
    table = root / "wnids.txt"
    ids = sorted(set(table.read_text(errors="replace").split())) if table.is_file() else folders
    if missing := sorted(set(ids) - set(folders)) or ([] if ids else ["a folder for each class"]):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise Error(f"{train} has no {missing[0]}{more}: unpack the archive anew, or mend wnids.txt")
    left_out: LeftOut = Counter()
    train_files: list[tuple[str, int]] = []
    for label, wnid in enumerate(ids):
        folder, shown = train / wnid / "images", f"train/{wnid}/images"
        images = images_among(str(folder), entries(folder)[1], shown, left_out) if folder.is_dir() else []
        if not images:
            raise Error(f"no images in {folder}: unpack the archive anew")
        train_files += [(file, label) for file in images]
    files = {"train": train_files, "test": _annotations(root / "val" / "val_annotations.txt", ids)}
    names = class_names(ids, words(root / "words.txt"))
    return decoded_set(Listing(root.name, root, names, files, left_out), size, channels=3)


def _annotations(table: Path, ids: list[str]) -> list[tuple[str, int]]:
    """Return the validation images of the classes `ids`, and their labels."""
    if not table.is_file():
        raise Error(f"{table} is missing: unpack the archive anew")
    label = {wnid: i for i, wnid in enumerate(ids)}
    rows = [line.split() for line in table.read_text(errors="replace").splitlines() if line.strip()]
    pairs = [(str(table.parent / "images" / row[0]), label[row[1]]) for row in rows if len(row) > 1 and row[1] in label]
    if not pairs:
        raise Error(f"{table} names no image of the classes in {table.parents[1] / 'train'}: unpack the archive anew")
    return pairs


def words(table: Path) -> dict[str, str]:
    """Read the words of WordNet ids from a file; without the file nothing."""
    lines = table.read_text(errors="replace").splitlines() if table.is_file() else []
    return {line.split(None, 1)[0]: line.split(None, 1)[1] for line in lines if len(line.split(None, 1)) == 2}


def class_names(ids: Sequence[str], meaning: Mapping[str, str]) -> tuple[str, ...]:
    """Return the first word for each class, with its id where two share it.

    Without words the id alone.
    """
    first = [meaning.get(wnid, wnid).split(",")[0].strip() for wnid in ids]
    count = Counter(first)
    return tuple(f"{word} ({wnid})" if count[word] > 1 else word for word, wnid in zip(first, ids, strict=True))
