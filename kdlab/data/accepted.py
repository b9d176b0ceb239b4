"""What an `ImageSet` takes: bytes, channels first, one class number an image; the rest is refused with its reason."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import Error
from .stored import Streamed

CHANNELS = (1, 3)
ONE_LABEL = "one label an image; several labels or numbers are not what this trains"


def check_names(classes: Sequence[Any]) -> None:
    """Refuse classes that are not named by text."""
    if not all(isinstance(name, str) for name in classes):
        raise Error(f"classes={classes!r}: give the name of each class, text")


def check_images(where: str, x: Any) -> None:
    """Refuse images that are not uint8 (n, C, H, W) with one channel or three."""
    if not isinstance(x, Tensor | Streamed):
        raise Error(f"{where} is a {type(x).__name__}: give a uint8 tensor (n, C, H, W), torch.from_numpy(...)")
    if isinstance(x, Tensor):
        _check_bytes(where, x)
    told = f"{where} has the shape {tuple(x.shape)}"
    if len(x.shape) == 3:
        raise Error(f"{told}: give (n, C, H, W), greyscale images as x[:, None]")
    if len(x.shape) != 4:
        raise Error(f"{told}: give (n, C, H, W), with 1 channel or 3")
    if x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS:
        raise Error(f"{told}: channels come first, (n, C, H, W), give x.permute(0, 3, 1, 2)")
    if x.shape[1] not in CHANNELS:
        raise Error(f"{told}: images have 1 channel or 3, transparency and other bands are left out as in x[:, :3]")
    if not x.shape[2] or not x.shape[3]:
        raise Error(f"{told}: these images have no pixels")


def _check_bytes(where: str, x: Tensor) -> None:
    if x.is_floating_point() or x.is_complex():
        raise Error(
            f"{where} has numbers of {x.dtype}: give bytes from 0 to 255, of values in [0, 1] "
            "(255 * x).round().to(torch.uint8)"
        )
    if x.dtype != torch.uint8:
        raise Error(f"{where} has numbers of {x.dtype}: give bytes from 0 to 255, x.to(torch.uint8)")
    if x.device.type != "cpu":
        raise Error(f"{where} is on {x.device}: give tensors on the CPU, a run moves them to its device")


def check_labels(where: str, y: Any, images: int, classes: int) -> None:
    """Refuse labels of so many images that are not int64 (n,) from -1 (none) to the number of classes - 1."""
    if not isinstance(y, Tensor):
        raise Error(f"{where} is a {type(y).__name__}: give an int64 tensor (n,), torch.tensor(...)")
    if y.is_floating_point() or y.is_complex():
        raise Error(f"{where} has numbers of {y.dtype}, not of classes: {ONE_LABEL}")
    if y.ndim != 1:
        column = "y[:, 0]" if y.shape[1:] == (1,) else "of a one-hot table y.argmax(1)"
        raise Error(f"{where} has the shape {tuple(y.shape)}, not (n,): {ONE_LABEL}; {column}")
    if y.dtype != torch.int64:
        raise Error(f"{where} has numbers of {y.dtype}: give classes as int64, y.long()")
    if y.device.type != "cpu":
        raise Error(f"{where} is on {y.device}: give tensors on the CPU, a run moves them to its device")
    if len(y) != images:
        raise Error(f"{where} has {len(y):,} labels for {images:,} images: {ONE_LABEL}")
    low, high = (int(end) for end in y.aminmax()) if len(y) else (-1, -1)
    if high >= 0 and not classes:
        raise Error(f"classes=() and {where} has labels: give the name of each class, text")
    if low < -1 or high >= classes:
        odd = low if low < -1 else high
        raise Error(f"{where} has the label {odd}: {classes} classes are numbered 0 to {classes - 1}, -1 is none")


def check_statistics(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    """Refuse a mean without a deviation, numbers for other channels, and what cannot be divided by."""
    if any(len(numbers) not in (1, channels) for numbers in (mean, std)) or len(mean) != len(std):
        raise Error(f"mean={mean} and std={std}: give a number a channel in each, or leave both out")
    if not all(deviation > 0 for deviation in std):
        raise Error(f"std={std}: deviations are above 0")
