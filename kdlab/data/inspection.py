"""What a data set holds, what is left out, and what kdlab does with it."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b

from PIL import Image
from torch import Tensor

from ..core.errors import Error
from ..core.places import processors
from .files import OWN_LIMIT, check_regular, picture
from .folders import SHARE, content
from .imagenet import SIZE, uncut
from .images import ImageSet, together
from .listing import Listing, some
from .photographs import Photographs, Pixels

TURNED, ORIENTATION = (5, 6, 7, 8), 0x112  # EXIF: values that exchange height and width, and the tag
MODES = {
    "1": "black and white",
    "L": "greyscale",
    "LA": "greyscale, transparent",
    "P": "palette",
    "RGB": "colour",
    "RGBA": "colour, transparent",
    "CMYK": "for print",
    "I;16": "greyscale, 16 bits",
    "I": "greyscale, 32 bits",
    "F": "greyscale, floating point",
}
LEAST = 8  # pixels per side that networks take
STREAMS = "photographs:"  # how data sets are called whose images stay in their files
NAMED, PAIRS = 20, 10  # files that are not readable, and pairs of equal images with different labels, that are named


@dataclass(frozen=True)
class Inspected:
    """A data set as it would be read, its files if they are yours, and what they are.

    `sizes`, `modes`: images by (height, width), and by Pillow's mode. `problems`: file -> why it is refused, a
    sentence; a run on these images would end with one of them. `several_sizes`: they cannot be read without a size;
    `images` then tells labels and numbers alone, as it does where there are `problems`.
    """

    images: ImageSet
    listed: Listing | None
    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    problems: dict[str, str]
    several_sizes: bool

    @property
    def parts(self) -> dict[str, tuple[Pixels, Tensor]]:
        """Return images and labels, by part."""
        of = self.images
        parts = {"train": (of.train_x, of.train_y), "test": (of.test_x, of.test_y)}
        return parts | {"val": (of.val_x, of.val_y)} if of.val_x is not None and of.val_y is not None else parts

    def headline(self) -> str:
        """Return numbers of images, pixels, channels, normalisation and fingerprint."""
        of = self.images
        if self.listed is not None and (self.several_sizes or self.problems):
            sizes = ", images of several sizes" if self.several_sizes else ""
            damaged = f", {len(self.problems):,} of them not readable" if self.problems else ""
            return f"{self.listed.name}: {counted(of)}{sizes}{damaged}"
        return headline(of)

    def lines(self) -> Iterator[str]:
        """Yield a line for each thing that is worth knowing."""
        if unlabelled := int((self.images.train_y < 0).sum()):
            yield f"unlabelled: {unlabelled:,} of the {len(self.images.train_y):,} training images"
        yield f"sizes: {self._sizes()}"
        ordered = self.modes.most_common()
        modes = [f"{count:,} {mode}{f' ({MODES[mode]})' if mode in MODES else ''}" for mode, count in ordered]
        yield f"modes: {', '.join(modes)}"
        for problem in list(self.problems.values())[:NAMED]:
            yield f"not readable: {self._name(problem)}"
        if len(self.problems) > NAMED:
            yield f"not readable: {len(self.problems) - NAMED:,} more"
        if self.listed is not None:
            yield from self.listed.notes() or ["left out: no file"]
            if self.listed.others:
                yield f"beside them: {some(self.listed.others)}"
        yield from self._equal()
        yield f"what kdlab does: {self._done()}"

    def _sizes(self) -> str:
        if len(self.sizes) < 2:
            return "".join(f"all {_pixels(size)}" for size in self.sizes) or "unknown"
        ordered = sorted(self.sizes, key=lambda size: size[0] * size[1])
        often, count = self.sizes.most_common(1)[0]
        text = (
            f"{len(self.sizes):,} of them (height x width), from {_pixels(ordered[0])} to {_pixels(ordered[-1])}, "
            f"most often {_pixels(often)} ({count:,} of {self.sizes.total():,})"
        )
        side = min(max(min(often), LEAST), SIZE)
        return f"{text}: give size=, such as size={side} (here --size {side})" if self.several_sizes else text

    def _equal(self) -> Iterator[str]:
        # Of pixels where they are decoded, of files where they stay in these
        if not isinstance(self.images.train_x, Photographs):
            digests = {name: of_pixels(x) for name, (x, _) in self.parts.items()}
        elif self.listed is None:
            yield "equal images: not looked for in images that are so many"
            return
        else:
            digests = {
                name: [file if file in self.problems else content(file) for file, _ in files]
                for name, files in self.listed.parts.items()
            }
        parts = equal(digests, {name: y.tolist() for name, (_, y) in self.parts.items()})
        for part, word in {"test": "test", "val": "validation"}.items():
            if part not in parts or not len(digests[part]):
                continue
            of = f"{len(digests[part]):,} {word} images"
            if not (count := len(parts[part])):
                yield f"equal images: none of the {of} is a training image too"
            else:
                are = "are training images" if count > 1 else "is a training image"
                yield f"equal images: {count:,} of the {of} {are} too{self._examples(part, parts[part])}"
        if count := len(parts["train"]):
            repeat = "images repeat others" if count > 1 else "image repeats another"
            yield f"equal images: {count:,} training {repeat}{self._examples('train', parts['train'])}"

    def _examples(self, part: str, matches: Sequence[tuple[int, int, bool]]) -> str:
        other_label = sum(differ for *_, differ in matches)
        shown = max(2, min(other_label, PAIRS))
        examples = "; ".join(
            f"{self._image('train', a, differ)} = {self._image(part, b, differ)}" for a, b, differ in matches[:shown]
        )
        more = f"; {len(matches) - shown:,} more" if len(matches) > shown else ""
        return f"{f', {other_label:,} with another label' if other_label else ''} ({examples}{more})"

    def _image(self, part: str, k: int, with_label: bool) -> str:
        """Return an image's name, and its class where that matters."""
        if self.listed is None:
            name = f"{'training' if part == 'train' else part} image {k}"
        else:
            name = self._name(self.listed.parts[part][k][0])
        label = int(self.parts[part][1][k])
        return f"{name} [{self.images.classes[label]}]" if with_label else name

    def _name(self, file: str) -> str:
        """Return a file's path from the folder of the data set on."""
        root = f"{self.listed.root}{os.sep}" if self.listed else ""
        return file.removeprefix(root)

    def _done(self) -> str:
        of, listed = self.images, self.listed
        if self.problems:
            read = "reads none of them before all are readable"
        elif isinstance(of.train_x, Photographs) and not self.several_sizes:
            side = of.train_x.shape[-1]
            read = f"crops each at random to {side} x {side} pixels as it trains, at the centre for testing"
        elif self.several_sizes:
            read = f"brings them to size x size pixels{self._stretched()}"
        else:
            channels, height, width = of.train_x.shape[1:]
            read = f"reads them as {channels} channel{'s' * (channels > 1)} of {height} x {width} pixels"
            read += self._stretched() if height == width else ""
        in_memory = listed is not None and not listed.name.startswith(STREAMS)
        style = "colour" if in_memory else of.style
        what = [read, f"augments them as {style} (augment=)"]
        if not len(of.test_y):
            return f"{', '.join(what)}, and tests nothing: methods that learn without labels can be trained on them"
        held = (
            "takes val/ for validation"
            if of.val_y is not None
            else "holds a share of the labelled ones out (validation=)"
        )
        if listed is not None and listed.by_content:
            test = f"tests on {SHARE:.0%} of each class, chosen by the content of the files"
        else:
            test = f"tests on {len(of.test_y):,} images"
        return f"{', '.join([*what, held])} and {test}"

    def _stretched(self) -> str:
        """Return what becomes of images that are not square, where there are such."""
        if self.listed is None or all(height == width for height, width in self.sizes):
            return ""
        path = self.listed.name.partition(":")[2]
        return f", stretched: their aspect ratio is not kept (photographs:{path} crops instead)"


def inspect(name: str, size: int | None) -> Inspected:
    """Inspect a data set.

    Of your own images every file is tried, and all are named that a run would refuse.
    """
    from .. import data

    if (listed := data.files_of(name)) is None:
        images = data.load(name, size)
        parts = [x for x in (images.train_x, images.test_x, images.val_x) if x is not None]
        count, (channels, height, width) = sum(len(x) for x in parts), images.train_x.shape[1:]
        modes = Counter({"L" if channels == 1 else "RGB": count})
        return Inspected(images, None, Counter({(height, width): count}), modes, {}, False)
    sizes, modes, problems = survey([file for files in listed.files.values() for file, _ in files])
    several = size is None and len(sizes) > 1 and not name.startswith(STREAMS)
    images = uncut(listed, size) if several or problems else data.load(name, size)
    return Inspected(images, listed, sizes, modes, problems, several)


def counted(images: ImageSet) -> str:
    """Return how many images are for what, and of how many classes."""
    validation = f", {len(images.val_y):,} for validation" if images.val_y is not None else ""
    return (
        f"{len(images.train_y):,} images for training{validation}, {len(images.test_y):,} for testing, "
        f"{len(images.classes)} classes"
    )


def headline(images: ImageSet) -> str:
    """Return two lines: numbers of images and pixels; normalisation, fingerprint."""
    channels, height, width = images.train_x.shape[1:]
    return (
        f"{images.name}: {counted(images)}, {height} x {width} pixels, {channels} channel{'s' * (channels > 1)}\n"
        f"mean {images.mean}, standard deviation {images.std}, augmentation {images.style}, "
        f"fingerprint {images.fingerprint()}"
    )


def survey(files: Sequence[str]) -> tuple[Counter[tuple[int, int]], Counter[str], dict[str, str]]:
    """Count files by (height, width) and by Pillow's mode, and try to decode each.

    Returns both counts, and why a file cannot be read, by file.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    for file in files:
        with suppress(Exception):  # what damaged files make Pillow raise is of many kinds; they are named below
            check_regular(file)
            with OWN_LIMIT, Image.open(file) as opened:
                width, height = opened.size
                turned = opened.getexif().get(ORIENTATION) in TURNED
                sizes[(width, height) if turned else (height, width)] += 1
                modes[opened.mode] += 1
    with ThreadPoolExecutor(processors()) as threads:
        reasons = zip(files, threads.map(_problem, files), strict=True)
        problems = {file: reason for file, reason in reasons if reason}
    return sizes, modes, problems


def _problem(file: str) -> str | None:
    """Return why a file cannot be read as an image; None where it can."""
    try:
        picture(file)
    except Error as error:
        return str(error)
    return None


def equal(
    parts: Mapping[str, Sequence[str]], labels: Mapping[str, Sequence[int]]
) -> dict[str, list[tuple[int, int, bool]]]:
    """Find the images of each part that are also training images.

    Returns, for each part, positions in the training images and in the part, and whether the labels differ; those that
    do come first. Of "train" those that repeat an earlier image.
    """
    first: dict[str, int] = {}
    for k, each in enumerate(parts["train"]):
        first.setdefault(each, k)
    by_part = {}
    for part, digests in parts.items():
        matches = []
        for k, each in enumerate(digests):
            if each in first and (part != "train" or first[each] != k):
                one, other = labels["train"][first[each]], labels[part][k]
                matches.append((first[each], k, one != other and min(one, other) >= 0))
        by_part[part] = sorted(matches, key=lambda match: not match[2])
    return by_part


def of_pixels(images: Pixels) -> list[str]:
    """Return a digest of each image (C, H, W)."""
    chunks = images.split(together(images))
    return [blake2b(row.contiguous().numpy().data, digest_size=16).hexdigest() for chunk in chunks for row in chunk]


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"
