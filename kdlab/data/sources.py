"""Readers of the named data sets: functions that return an `ImageSet`.

A reader may ask for `part`, what follows the colon in the data set's name (annotated with the words that are allowed),
and for `size`, where it can bring the images to that size while it reads.
"""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from ..core.errors import Error
from ..core.places import data_root
from .images import ImageSet

if TYPE_CHECKING:  # torchvision's readers take a while to load
    from torchvision.datasets import CIFAR10, MNIST

# Where the files of a data set lie under the data root
PLACES = {
    "mnist": "MNIST/raw",
    "fashion-mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "stl10": "stl10_binary",
    "tiny-imagenet": "tiny-imagenet-*",
    "imagenet": "imagenet",
}
DIGITS_FILE = "sklearn/datasets/data/digits.csv.gz"  # of scikit-learn
# Classes that resemble each other, true -> taken for: Patrini et al. 2017
SIMILAR_DIGITS = {"2": "7", "3": "8", "5": "6", "6": "5", "7": "1"}
SIMILAR_PHOTOGRAPHS = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}


def digits() -> ImageSet:
    """Handwritten digits, 1,797 images of 8 x 8 pixels, embedded in scikit-learn.

    The first 1,200 images are for training, the last 597 for testing: they come from other writers, and no official
    split exists for this excerpt of the UCI set.
    """
    try:  # the file itself: `load_digits` first imports for a second
        content = np.loadtxt(str(distribution("scikit-learn").locate_file(DIGITS_FILE)), delimiter=",")
    except FileNotFoundError:  # another version keeps it elsewhere
        from sklearn.datasets import load_digits

        bunch: Any = load_digits()
        content = np.column_stack([bunch.data, bunch.target])
    table = torch.from_numpy(content)  # (1797, 65): 64 pixels from 0 to 16 and the label
    x = table[:, :-1].mul(255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
    y = table[:, -1].long()
    names = tuple(str(label) for label in range(10))
    return ImageSet("digits", names, x[:1200], y[:1200], x[1200:], y[1200:], style="digits", similar=SIMILAR_DIGITS)


def mnist() -> ImageSet:
    """MNIST, 60,000 + 10,000 images of 28 x 28 pixels (torchvision downloads them)."""
    from torchvision.datasets import MNIST

    names = tuple(str(digit) for digit in range(10))
    return _mnist(MNIST, "mnist", "MNIST", names, 0.1307, 0.3081, SIMILAR_DIGITS)


def fashion_mnist() -> ImageSet:
    """Fashion-MNIST, as many images of clothes (torchvision downloads them)."""
    from torchvision.datasets import FashionMNIST

    names = tuple(name.lower() for name in FashionMNIST.classes)
    return _mnist(FashionMNIST, "fashion-mnist", "Fashion-MNIST", names, 0.2860, 0.3530)


def _mnist(
    reader: "type[MNIST]",
    name: str,
    title: str,
    classes: tuple[str, ...],
    mean: float,
    std: float,
    similar: Mapping[str, str] | None = None,
) -> ImageSet:
    train, test = _parts(title, Path(PLACES[name]), lambda root, train: reader(root, train, download=True))
    if any(len(part.data) != len(part.targets) or not part.targets.max() < len(classes) for part in (train, test)):
        where = data_root() / PLACES[name]
        raise Error(f"the {title} files in {where} have labels that do not fit: put the original ones there")
    parts = train.data[:, None], train.targets, test.data[:, None], test.targets
    return ImageSet(name, classes, *parts, style="digits", mean=(mean,), std=(std,), similar=similar or {})


def cifar10() -> ImageSet:
    """CIFAR-10, 50,000 + 10,000 images of 32 x 32 pixels (torchvision downloads them)."""
    from torchvision.datasets import CIFAR10

    return _cifar(CIFAR10, "CIFAR-10", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), SIMILAR_PHOTOGRAPHS)


def cifar100() -> ImageSet:
    """CIFAR-100, as many images of the same size (torchvision downloads them)."""
    from torchvision.datasets import CIFAR100

    return _cifar(CIFAR100, "CIFAR-100", (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def _cifar(
    reader: "type[CIFAR10]",
    title: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    similar: Mapping[str, str] | None = None,
) -> ImageSet:
    name = title.lower().replace("-", "")
    train, test = _parts(title, Path(PLACES[name]), lambda root, train: reader(root, train, download=True))
    parts = []
    for part in (train, test):
        x = torch.from_numpy(np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)))
        parts += [x, torch.tensor(part.targets)]
    return ImageSet(name, tuple(train.classes), *parts, style="colour", mean=mean, std=std, similar=similar or {})


StlPart = Literal[
    "",
    "train+unlabeled",
    "fold-0",
    "fold-1",
    "fold-2",
    "fold-3",
    "fold-4",
    "fold-5",
    "fold-6",
    "fold-7",
    "fold-8",
    "fold-9",
]


def stl10(part: StlPart = "", size: int | None = None) -> ImageSet:
    """STL-10, 5,000 + 8,000 images of 96 x 96 pixels (torchvision downloads them).

    `part` "train+unlabeled" appends the 100,000 images without labels to the training images. "fold-0" to "fold-9" are
    the ten predefined folds: 1,000 images keep their labels, those of the other 4,000 are hidden; accuracy is reported
    as a mean over the folds (Coates et al. 2011).
    """
    from torchvision.datasets import STL10

    fold = part.startswith("fold-")

    def read(root: Path, train: bool) -> STL10:
        return STL10(root, ("train" if fold else part or "train") if train else "test", download=True)

    parts = []
    for each in _parts("STL-10", Path(PLACES["stl10"]), read):
        parts += [torch.from_numpy(each.data).contiguous(), torch.from_numpy(each.labels).long()]
    names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    images = ImageSet(f"stl10:{part}" if part else "stl10", names, *parts, style="colour").resized(size)
    if not fold:
        return images
    table, number = data_root() / PLACES["stl10"] / "fold_indices.txt", int(part[5:])
    try:
        rows = torch.tensor([int(row) for row in table.read_text().splitlines()[number].split()])
        y = torch.full_like(images.train_y, -1).index_copy_(0, rows, images.train_y[rows])
    except (OSError, ValueError, IndexError) as error:
        raise Error(f"{table} does not tell the images of fold {number}: put the original file there") from error
    return replace(images, train_y=y)  # normalised like all of them


def _parts(title: str, folder: Path, read: Callable[..., Any]) -> tuple[Any, Any]:
    """Return what `read(root, train)` gives for training and for testing.

    The files lie in root / folder.
    """
    root = data_root()
    before = _archives(root, folder)
    try:
        return read(root, train=True), read(root, train=False)
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, AssertionError, pickle.UnpicklingError) as error:
        for archive in _archives(root, folder) - before:  # what a download that stopped half-way has left
            archive.unlink()
        if any((root / folder).glob("*")):
            raise Error(
                f"the {title} files in {root / folder} are incomplete or damaged and could not be downloaded again: "
                "remove them, or put the original ones there"
            ) from error
        raise Error(
            f"{title} is not under {root} and could not be downloaded: put its files into {root / folder} "
            f"or set KDLAB_DATA to the folder that holds {folder.parts[0]}/"
        ) from error


def _archives(root: Path, folder: Path) -> set[Path]:
    """Return downloads that were not unpacked."""
    archives = [*root.glob("*.gz"), *(root / folder).glob("*.gz")]
    return {archive for archive in archives if not archive.with_suffix("").exists()}
