"""Decoded images, kept: one file of bytes a data set and size, beside it what is known of them."""

import errno
import json
import os
import re
import shutil
import signal
import threading
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from ..core.errors import Error
from ..core.places import folder_from
from .files import FEW, MANY_PIXELS, PIXELS, Ranges, check_regular, decode, decode_into, pixels_in, same_size
from .images import ImageSet
from .sources import data_root
from .stored import Opened, Pixels, Stored, memory_limit, pick, say_streams

VERSION = 3  # of what is in the files
# What these files are called: the folder may hold others, which stay
OURS = re.compile(r".*-(\d+|own)-[0-9a-f]{12}-[0-9a-f]{16}\.(uint8|json)|[0-9a-f]{32}(-facts)?\.part")
CHUNK = 1 << 20
SILENT_SECONDS = 2.0  # a process that waits longer for another says so
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
KEY_DIGITS = 12  # of a name: which data set it is of; a `.part` begins with them
Files = Mapping[str, Sequence[tuple[str, int]]]  # part -> (file, label)
Kept = tuple[Pixels, dict[str, Any]]  # uint8 (n, C, H, W), and what is known of them


def cache_root() -> Path:
    """Where decoded images lie: $KDLAB_CACHE, else `decoded/` under the data root."""
    return folder_from("KDLAB_CACHE", lambda: data_root() / "decoded")


class NoRoomError(Error):
    """Decoded images cannot be kept where they should be."""


def decoded(
    root: Path,
    parts: Files,
    size: int | None,
    make: Callable[..., ImageSet],
    about: object = "",
    channels: int = 0,
    table: Path | None = None,
) -> ImageSet:
    """Return `make(pixels)`: pixels are {part: uint8 (n, C, H, W)}, decoded when first asked for and kept.

    C is 1 where all files are greyscale, else 3, or `channels`. What is kept counts as long as names, sizes and times
    of the files, their labels and `about` are the same, and replaces what was kept of `root` before, or of the `table`
    that names the files; `make` then gets mean and std too, and the set its fingerprint.
    They are mapped into memory, or `Stored` where they take more than the `memory_limit`; then the contents of what is
    kept are not checked at every start. Fewer than 400 files that fit into memory are read anew each time, unless they
    have many pixels.
    """
    files = [file for listed in parts.values() for file, _ in listed]
    fit = len(files) < FEW and 3 * len(files) * np.prod(_sides(files[0], size)) <= memory_limit()
    if fit and pixels_in(files) < MANY_PIXELS:
        return make(_parted(parts, _few(files, size, channels)))
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", root.name)[-40:].lstrip(".-")
    key = blake2b(
        repr((VERSION, PIXELS, str((table or root).resolve()), size, channels)).encode(), digest_size=6
    ).hexdigest()
    # With the source in its name no file is ever exchanged for another: who has it open has what it says
    place = cache_root() / f"{stem}-{size or 'own'}-{key}-{_source(root, parts, about)}.uint8"
    found = _kept(place)
    if found is None:
        try:
            with _held(place.parent, key, f"the images of {root}"):
                found = _kept(place) or _build(place, key, parts, size, channels, make)
                older = {file for file in _ours() if f"-{key}-" in file.name} - {place, _facts(place)}
                _remove(older)  # of sources that have changed
        except NoRoomError as error:
            if not fit:
                raise
            warnings.warn(f"{error}. Until then they are decoded at each start", stacklevel=3)
            return make(_parted(parts, _few(files, size, channels)))
    pixels, known = found
    images = make(_parted(parts, pixels), mean=tuple(known["mean"]), std=tuple(known["std"]))
    images.is_known_by(known["digest"])
    if isinstance(pixels, Stored):
        say_streams(images.name, int(np.prod(pixels.shape)))
    return images


def sizes() -> dict[str, int]:
    """What is kept, and its bytes, by name."""
    return {place.stem: place.stat().st_size for place in sorted(_ours("uint8")) if _facts(place).exists()}


def clear() -> int:
    """Remove all that is kept; the bytes that are free now. What another process has open may stay."""
    root = cache_root()
    if not root.is_dir():
        return 0
    present = _ours()  # before the locks are listed: who writes one of these has made its lock
    with ExitStack() as locks:
        for lock in root.glob(".*lock"):
            try:
                locks.enter_context(FileLock(lock).acquire(timeout=0))
            except Timeout as error:
                raise Error(f"a process is decoding images into {root}: try again when it has ended") from error
            except (OSError, NotImplementedError) as error:
                raise _no_place(root, error) from error
        return _remove(present)


def _ours(end: str = "*") -> list[Path]:
    return [file for file in cache_root().glob(f"*.{end}") if OURS.fullmatch(file.name)]


def _remove(files: Iterable[Path]) -> int:
    """The bytes of those that could be removed."""
    freed = 0
    for file in files:
        with suppress(OSError):
            size = file.stat().st_size
            file.unlink()
            freed += size
    return freed


def _parted(parts: Files, pixels: Pixels) -> dict[str, Pixels]:
    counts = [len(files) for files in parts.values()]
    if isinstance(pixels, Tensor):
        return dict(zip(parts, pixels.split(counts), strict=True))
    return {name: pick(pixels, rows) for name, rows in zip(parts, torch.arange(sum(counts)).split(counts), strict=True)}


def _few(files: Sequence[str], size: int | None, channels: int) -> Tensor:
    ranges = Ranges()
    arrays = [decode(file, size, ranges) for file in files]
    ranges.check()
    for file, array in zip(files, arrays, strict=True):
        same_size(file, array.shape, arrays[0].shape)
    channels = channels or (3 if any(array.ndim == 3 for array in arrays) else 1)
    stacked = [torch.from_numpy(np.array(a)) for a in arrays]
    rows = [a.permute(2, 0, 1) if a.ndim == 3 else a.expand(channels, -1, -1) for a in stacked]
    return torch.stack(rows)


def _source(root: Path, parts: Files, about: object) -> str:
    """A digest of names, sizes, times and labels of the files."""
    digest, start = blake2b(repr((about, list(parts))).encode(), digest_size=8), len(str(root))
    for files in parts.values():
        for file, label in files:
            status = check_regular(file)
            # st_ctime: an image may be exchanged for one of the same size and time, as from an archive
            times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
            digest.update(os.fsencode(f"{file[start:]}\0{status.st_size}\0{times}\0{label}\n"))
    return digest.hexdigest()


@contextmanager
def _held(root: Path, key: str, what: str) -> Iterator[None]:
    """One process at a time builds a data set; another that waits for it says so."""
    with ExitStack() as held:
        try:
            root.mkdir(parents=True, exist_ok=True)
            lock = _lock(root, key)
            try:
                held.enter_context(lock.acquire(timeout=SILENT_SECONDS))
            except Timeout:
                waiting = f"another process is decoding {what}: waiting for it; an interrupt gives up"
                warnings.warn(waiting, stacklevel=5)
                held.enter_context(lock.acquire())
        except (OSError, NotImplementedError) as error:
            raise _no_place(root, error) from error
        yield


def _lock(root: Path, key: str) -> FileLock:
    return FileLock(root / f".{key}.lock")


def _no_place(root: Path, error: Exception) -> NoRoomError:
    cause = getattr(error, "strerror", None) or str(error)
    return NoRoomError(f"{root} cannot hold decoded images ({cause}): set KDLAB_CACHE to a folder that can")


def _abandoned(root: Path, own: str) -> Iterator[Path]:
    """What builds have left that were killed: each holds the lock of its data set while it lives.

    The lock of the data set `own` is held by who asks.
    """
    for part in _ours("part"):
        key = part.name[:KEY_DIGITS]
        if key == own or not (root / f".{key}.lock").exists():
            yield part
            continue
        with suppress(Timeout, OSError), _lock(root, key).acquire(timeout=0):
            yield part


@contextmanager
def _tidy_when_terminated() -> Iterator[None]:
    """Let what stands under `finally` run before SIGTERM ends this process, where nobody else has a say in that."""
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    received = []

    def stop(number: int, _: object) -> None:
        received.append(number)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if received:
            signal.raise_signal(signal.SIGTERM)


def _facts(place: Path) -> Path:
    return place.with_suffix(".json")


def _kept(place: Path) -> Kept | None:
    """What is kept, or None where there is nothing, or damage."""
    try:
        known = json.loads(_facts(place).read_text())
        if known.pop("check") != _check(known):
            raise ValueError
        pixels = _images(place, known["shape"])
        whole = place.stat().st_size == np.prod(known["shape"])
        if whole and _as_written(place, pixels, known["sum"]):
            return pixels, known
    except OSError:  # not there
        return None
    except (ValueError, KeyError, TypeError):
        pass
    warnings.warn(f"{place} is damaged: its images are decoded anew", stacklevel=4)
    return None


def _as_written(place: Path, pixels: Pixels, total: int) -> bool:
    """Whether the bytes add up; of what streams that would take as long as an epoch, and is not asked."""
    return isinstance(pixels, Stored) or _sum(place) == total


def _images(place: Path, shape: Sequence[int]) -> Pixels:
    if np.prod(shape) > memory_limit():
        return Stored(Opened(place), shape[1:], torch.arange(shape[0]))
    return torch.from_numpy(np.memmap(place, np.uint8, "c", shape=tuple(shape)))


def _check(known: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(known, sort_keys=True).encode())


def _sum(place: Path) -> int:
    total = 0
    with place.open("rb") as file:
        while chunk := file.read(CHUNK):
            total = zlib.crc32(chunk, total)
    return total


def _build(place: Path, key: str, parts: Files, size: int | None, channels: int, make: Callable[..., ImageSet]) -> Kept:
    with _tidy_when_terminated():
        return _built(place, key, parts, size, channels, make)


def _built(place: Path, key: str, parts: Files, size: int | None, channels: int, make: Callable[..., ImageSet]) -> Kept:
    files = [file for listed in parts.values() for file, _ in listed]
    shape = [len(files), 3, *_sides(files[0], size)]
    _remove([*_abandoned(place.parent, key), place, _facts(place)])  # what is damaged, too
    unique = key + uuid.uuid4().hex[len(key) :]
    part, facts = (place.with_name(f"{unique}{end}.part") for end in ("", "-facts"))
    try:
        _reserve(part, int(np.prod(shape)))
        if decode_into(part, shape, files, size) and channels != 3:
            shape = _thinned(part, shape)
        pixels = _images(part, shape)
        images = make(_parted(parts, pixels))
        known = {
            "shape": shape,
            "sum": _sum(part),
            "mean": images.mean,
            "std": images.std,
            "digest": images.fingerprint(),
        }
        facts.write_text(json.dumps(known | {"check": _check(known)}))
        del pixels, images  # Windows renames no file that is mapped or open
        part.replace(place)
        facts.replace(_facts(place))
    except OSError as error:
        if error.errno not in FULL:
            raise
        needed, free = int(np.prod(shape)), shutil.disk_usage(place.parent).free
        raise NoRoomError(
            f"decoded images of {needed / 1e6:,.1f} MB do not fit into {place.parent}, where {free / 1e6:,.1f} MB are "
            "free: make room (kdlab data clear), give a smaller size, or set KDLAB_CACHE to a folder on another disk"
        ) from error
    finally:
        _remove([part, facts])
    return _images(place, shape), known


def _sides(file: str, size: int | None) -> tuple[int, ...]:
    """Height and width of all images."""
    return (size, size) if size else decode(file, None, Ranges()).shape[:2]


def _reserve(part: Path, count: int) -> None:
    """A file of `count` bytes whose room on the disk is taken before anything is written."""
    if count > shutil.disk_usage(part.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with part.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, count)
        except (AttributeError, OSError) as error:  # there is no such call here, or not for this kind of disk
            if getattr(error, "errno", None) in FULL:
                raise
            for start in range(0, count, CHUNK):
                file.write(bytes(min(CHUNK, count - start)))


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
