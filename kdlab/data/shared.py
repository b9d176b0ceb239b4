"""Which files two data sets of one's own share, however each of them names its files."""

import os
from contextlib import suppress
from typing import NamedTuple

from .listing import Listing

File = tuple[int, int]  # the disk, and the number of the file on it: links lead to the same


class Shared(NamedTuple):
    """What two data sets of one's own have in common.

    `train`: whether any training image of one is one of the other. `labelled`: whether any is labelled in both.
    `alike`: whether the labelled ones are the same in the same order and with the same labels, so that one seed splits
    both alike. `held`: whether labelled training images of the first are test or validation images of the second.
    """

    train: bool
    labelled: bool
    alike: bool
    held: bool


def shared(first: Listing, second: Listing) -> Shared:
    """Compare the files of two listings; nothing is decoded, and a file that is not there is no one's."""
    theirs, own = _labelled(first), _labelled(second)
    files = {file for file, _ in theirs}
    held = {file for part, pairs in second.files.items() if part != "train" for file in _files(pairs)}
    return Shared(
        train=not _files(first.files["train"]).isdisjoint(_files(second.files["train"])),
        labelled=not files.isdisjoint(file for file, _ in own),
        alike=theirs == own,
        held=not files.isdisjoint(held),
    )


def _labelled(listed: Listing) -> list[tuple[File, str]]:
    """The labelled training images and their classes."""
    pairs = [(name, label) for name, label in listed.files["train"] if label >= 0]
    return [(file, listed.classes[label]) for name, label in pairs for file in _file(name)]


def _files(pairs: list[tuple[str, int]]) -> set[File]:
    return {file for name, _ in pairs for file in _file(name)}


def _file(name: str) -> list[File]:
    """The file of that name, or none."""
    with suppress(OSError, ValueError):
        status = os.stat(name)  # noqa: PTH116  # a Path for each of a million files costs more than the call
        return [(status.st_dev, status.st_ino)]
    return []
