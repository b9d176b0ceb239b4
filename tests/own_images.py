"""Folders of images for tests, and data sets that are read or fail with the sentence that says why."""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdlab import Config, Error
from kdlab.cli import app as cli
from kdlab.data import load

NOISE = np.random.default_rng(0)


def image(size=(12, 12), key=0, grey=False):
    """Random pixels of (height, width), the same for the same key."""
    shape = size if grey else (*size, 3)
    return Image.fromarray(np.random.default_rng(key).integers(0, 256, shape, dtype=np.uint8))


def fill(folder, count=5, ending="png", first=0, key=0, **how):
    """Write `count` different images into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    salt = sum(map(ord, folder.name)) + key
    for i in range(first, first + count):
        image(key=[salt, i], **how).save(folder / f"{i:03}.{ending}")
    return folder


def pets(root, train=5, test=3, classes=("cat", "dog"), **how):
    """train/CLASS and test/CLASS."""
    for part, count in (("train", train), ("test", test)):
        for k, name in enumerate(classes):
            fill(root / part / name, count, key=1000 * k + (part == "test") * 100, **how)
    return root


def write_noise(root, part, name, count, side):
    """`count` images of a class, of height and width `side()`."""
    (root / part / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = NOISE.integers(0, 256, (*side(), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / part / name / f"{i:03}.png")


def animals(root, side, count=30):
    """train/ and test/ of three classes, of height and width `side()`."""
    for part, many in (("train", count), ("test", count // 3)):
        for name in ("cat", "dog", "owl"):
            write_noise(root, part, name, many, side)
    return root


def loaded(name, size=None):
    """The data set, read anew; one that is refused fails the test."""
    load.cache_clear()
    try:
        return load(name, size)
    except Error as error:
        pytest.fail(f"refused: {error}")


def refused(name, size=None):
    """The sentence by which a data set is refused, whatever it raises; it must be an `Error` of one line."""
    load.cache_clear()
    said = None
    try:
        load(name, size)
    except Exception as error:
        said = error
    assert type(said) is Error, f"no sentence: {said!r}"
    assert "\n" not in str(said)
    return str(said)


def config(**fields):
    """A Config; one that is refused fails the test."""
    try:
        return Config(**fields)
    except Error as error:
        pytest.fail(f"refused: {error}")


def counts(y, classes=2):
    """Images of each class."""
    return [int((y == label).sum()) for label in range(classes)]


def command(*words, encoding="utf-8"):
    """Call kdlab with its output redirected in an encoding: exit code and what was written; no other error."""
    load.cache_clear()
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=e) for e in ("strict", "backslashreplace")]
    failed = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kdlab", *map(str, words)])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # which `call` replaces
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        try:
            cli.call()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        except Exception as error:
            failed, code = error, 1
    assert failed is None, f"a traceback: {failed!r}"
    for stream in streams:
        stream.flush()
    return code, *(stream.buffer.getvalue().decode(encoding, "surrogateescape") for stream in streams)
