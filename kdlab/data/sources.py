"""Readers of the named data sets. Each returns an `ImageSet`; adding one = one function and a line in DATASETS."""

import os
from pathlib import Path

import torch

from ..errors import Error
from .images import ImageSet


def data_root() -> Path:
    """Where data sets lie: $KDLAB_DATA, else `data/` beside the package."""
    return Path(os.environ.get("KDLAB_DATA") or Path(__file__).parents[2] / "data")


def digits() -> ImageSet:
    """Optical recognition of handwritten digits, 1,797 images of 8 x 8 pixels, embedded in scikit-learn.

    The first 1,200 images are for training, the last 597 for testing: they come from other writers, and no official
    split exists for this excerpt of the UCI set.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = torch.from_numpy(bunch.images).mul(255 / 16).round().to(torch.uint8)[:, None]
    y = torch.from_numpy(bunch.target).long()
    names = tuple(str(name) for name in bunch.target_names)
    return ImageSet("digits", names, x[:1200], y[:1200], x[1200:], y[1200:], style="digits")


def mnist() -> ImageSet:
    """MNIST, 60,000 + 10,000 images of 28 x 28 pixels, through torchvision (downloaded when absent and possible)."""
    from torchvision.datasets import MNIST

    root = data_root()
    try:
        train, test = (MNIST(root, train=part, download=True) for part in (True, False))
    except (RuntimeError, OSError) as error:
        raise Error(
            f"MNIST is not under {root} and could not be downloaded: put its files into {root / 'MNIST' / 'raw'} "
            "or set KDLAB_DATA to the folder that holds MNIST/"
        ) from error
    names = tuple(str(digit) for digit in range(10))
    return ImageSet(
        "mnist", names, train.data[:, None], train.targets, test.data[:, None], test.targets,
        style="digits", mean=(0.1307,), std=(0.3081,),
    )  # fmt: skip
