"""Decoded images, kept: one memory-mapped file of bytes a data set and size, beside it what is known of them."""

import errno
import json
import os
import re
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..decoding import FEW, decode, decode_into, same_size
from ..errors import Error
from .images import ImageSet
from .sources import data_root

VERSION = 1  # of what is in the files
CHUNK = 1 << 24
Files = Mapping[str, Sequence[tuple[str, int]]]  # part -> (file, label)


def cache_root() -> Path:
    """Where decoded images lie: $KDLAB_CACHE, else `decoded/` under the data root."""
    return Path(os.environ.get("KDLAB_CACHE") or data_root() / "decoded")


def decoded(
    root: Path, parts: Files, size: int | None, make: Callable[..., ImageSet], about: object = "", channels: int = 0
) -> ImageSet:
    """`make(pixels, **known)`: pixels are {part: uint8 (n, C, H, W)}, decoded when first asked for and kept.

    C is 1 where all files are greyscale, else 3, or `channels`. What is kept counts as long as names, sizes and times
    of the files, their labels and `about` are the same; `known` are then mean, std and fingerprint of the set. Fewer
    than 400 files are read anew each time.
    """
    listed = [(file, label) for files in parts.values() for file, label in files]
    if len(listed) < FEW:
        return make(_parted(parts, _few([file for file, _ in listed], size, channels)))
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", root.name)[-40:]
    key = blake2b(repr((VERSION, str(root.resolve()), size, channels)).encode(), digest_size=6).hexdigest()
    place = cache_root() / f"{stem}-{size or 'own'}-{key}.uint8"
    source = _source(root, parts, about)
    with _held(place):
        if (found := _kept(place, source)) is None:
            found = _build(place, source, parts, size, channels, make)
    shape, known = found
    pixels = torch.from_numpy(np.memmap(place, np.uint8, "c", shape=tuple(shape)))
    known = {"mean": tuple(known["mean"]), "std": tuple(known["std"]), "digest": known["digest"]}
    return make(_parted(parts, pixels), **known)


def sizes() -> dict[str, int]:
    """What is kept, and its bytes, by name."""
    return {file.stem: file.stat().st_size for file in sorted(cache_root().glob("*.uint8"))}


def clear() -> int:
    """Remove all that is kept; the bytes that are free now. Who reads it at the moment keeps what is open."""
    freed = sum(sizes().values())
    for file in cache_root().glob("[!.]*.uint8*"):  # locks stay: somebody may hold one
        file.unlink(missing_ok=True)
    return freed


def _parted(parts: Files, pixels: Tensor) -> dict[str, Tensor]:
    return dict(zip(parts, pixels.split([len(files) for files in parts.values()]), strict=True))


def _few(files: Sequence[str], size: int | None, channels: int) -> Tensor:
    arrays = [decode(file, size) for file in files]
    for file, array in zip(files, arrays, strict=True):
        same_size(file, array.shape, arrays[0].shape)
    channels = channels or (3 if any(array.ndim == 3 for array in arrays) else 1)
    stacked = [torch.from_numpy(np.array(a)) for a in arrays]
    rows = [a.permute(2, 0, 1) if a.ndim == 3 else a.expand(channels, -1, -1) for a in stacked]
    return torch.stack(rows)


def _source(root: Path, parts: Files, about: object) -> str:
    """A digest of names, sizes, times and labels of the files."""
    digest = blake2b(repr((about, list(parts))).encode(), digest_size=16)
    start = len(str(root))
    for files in parts.values():
        for file, label in files:
            told = os.stat(file)  # noqa: PTH116  # a Path for each of a million files costs more than the call
            digest.update(f"{file[start:]}\0{told.st_size}\0{told.st_mtime_ns}\0{label}\n".encode())
    return digest.hexdigest()


@contextmanager
def _held(place: Path) -> Iterator[None]:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_name(f".{place.name}.lock"))
        lock.acquire()
    except OSError as error:
        raise Error(
            f"{place.parent} cannot hold decoded images ({error.strerror}): set KDLAB_CACHE to a folder that can"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _kept(place: Path, source: str) -> tuple[list[int], dict[str, Any]] | None:
    """Shape and facts of what is kept, or None where there is nothing, or other sources, or damage."""
    facts = place.with_suffix(".uint8.json")
    if not facts.exists() or not place.exists():
        return None
    known = json.loads(facts.read_text())
    if known["source"] != source:
        return None
    if _sum(place) != known["sum"]:
        warnings.warn(f"{place} is damaged: its images are decoded anew", stacklevel=4)
        return None
    return known["shape"], known


def _sum(place: Path) -> int:
    total = 0
    with place.open("rb") as file:
        while chunk := file.read(CHUNK):
            total = zlib.crc32(chunk, total)
    return total


def _build(
    place: Path, source: str, parts: Files, size: int | None, channels: int, make: Callable[..., ImageSet]
) -> tuple[list[int], dict[str, Any]]:
    files = [file for listed in parts.values() for file, _ in listed]
    height, width = (size, size) if size else decode(files[0], None).shape[:2]
    shape, part = [len(files), 3, height, width], place.with_name(f"{place.name}.part")
    facts = place.with_suffix(".uint8.json")
    facts.unlink(missing_ok=True)
    try:
        _reserve(part, int(np.prod(shape)))
        if decode_into(part, shape, files, size) and channels != 3:
            shape = _thinned(part, shape)
        pixels = torch.from_numpy(np.memmap(part, np.uint8, "c", shape=tuple(shape)))
        images = make(_parted(parts, pixels))
        known = {"source": source, "shape": shape, "sum": _sum(part), "mean": images.mean, "std": images.std,
                 "digest": images.fingerprint()}  # fmt: skip
        del pixels, images
        os.replace(part, place)
        written = facts.with_suffix(".part")
        written.write_text(json.dumps(known))
        os.replace(written, facts)
    finally:
        part.unlink(missing_ok=True)
    return shape, known


def _reserve(part: Path, count: int) -> None:
    """A file of `count` bytes whose room on the disk is taken before anything is written."""
    free = shutil.disk_usage(part.parent).free
    try:
        with part.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, count)
            else:
                file.truncate(count)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise
        raise Error(
            f"decoded images of {count / 1e6:,.0f} MB do not fit into {part.parent}, where {free / 1e6:,.0f} MB are "
            "free: make room (kdlab data clear), give a smaller size, or set KDLAB_CACHE to a folder on another disk"
        ) from error


def _thinned(part: Path, shape: list[int]) -> list[int]:
    """Of greyscale images one channel is kept."""
    rows = np.memmap(part, np.uint8, "r+", shape=tuple(shape))
    flat, one = rows.reshape(-1), shape[2] * shape[3]
    for i in range(shape[0]):  # each row moves to the left, never over one that is still to move
        flat[i * one : (i + 1) * one] = rows[i, 0].reshape(-1)
    rows.flush()
    del rows, flat
    os.truncate(part, shape[0] * one)
    return [shape[0], 1, *shape[2:]]
