"""The cache of decoded images: one file for each data set and size."""

import errno
import io
import json
import os
import re
import shutil
import signal
import threading
import tokenize
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import IO

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from ..core.errors import Error
from ..core.places import cache_root, memory_limit, processors
from .files import PIXELS, Ranges, check_regular, decode, pixels_in
from .images import ImageSet
from .photographs import Pixels, Stored, ahead, pick

VERSION = 4  # of what is in the files
# Names of these files, those of older versions included: the folder may hold others, which stay
OURS = re.compile(r".*-(\d+|own)-[0-9a-f]{12}-[0-9a-f]{16}\.(npy|part|uint8|json)")
FEW, MANY_PIXELS = 400, 16_000_000  # fewer images of fewer pixels are decoded sooner than a cache is worth
SILENT_SECONDS = 2.0  # a process that waits longer for another says so
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
Files = Mapping[str, Sequence[tuple[str, int]]]  # part -> (file, label)


class NoRoomError(Error):
    """The cache cannot hold the decoded images."""


def decoded(
    root: Path,
    parts: Files,
    size: int | None,
    make: Callable[..., ImageSet],
    about: object = "",
    channels: int = 0,
    table: Path | None = None,
) -> ImageSet:
    """Return `make(pixels)`, where pixels are decoded on first use and then cached.

    Pixels are {part: uint8 (n, C, H, W)}. C is 1 where all files are greyscale, else 3, or `channels`. A cached file
    counts as long as names, sizes and times of the images, their labels and `about` are the same; it replaces older
    ones of `root`, or of the `table` that names the images. Its pixels are memory-mapped and compared with their
    fingerprint at every start; those that take more than the `memory_limit` are `Stored`, and only the length of their
    file is checked. Fewer than 400 images that fit into memory are decoded at each start, unless they have many pixels.
    """
    files = [file for listed in parts.values() for file, _ in listed]
    height, width = (size, size) if size else decode(files[0], None, Ranges()).shape[:2]
    needed = 3 * len(files) * height * width
    few = len(files) < FEW and needed <= memory_limit()
    if few and pixels_in(files) < MANY_PIXELS:
        return make(_parted(parts, _in_memory(files, size, channels)))
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", root.name)[-40:].lstrip(".-")
    subject = repr((VERSION, PIXELS, str((table or root).resolve()), size, channels))
    key = blake2b(subject.encode(), digest_size=6).hexdigest()
    # With the source in its name no file is ever exchanged for another: a process that has it open has what it says
    path = cache_root() / f"{stem}-{size or 'own'}-{key}-{_source(root, parts, about)}.npy"
    images = _read(path, parts, make)
    if images is None:
        try:
            with held(path.parent, key, f"decoding the images of {root}"):
                images = _read(path, parts, make) or _build(path, parts, size, channels, make, needed)
                _remove(file for file in _ours() if f"-{key}-" in file.name and file != path)
        except NoRoomError as error:
            if not few:
                raise
            warnings.warn(f"{error}. Until then they are decoded at each start", stacklevel=3)
            return make(_parted(parts, _in_memory(files, size, channels)))
    if isinstance(images.train_x, Stored):
        warnings.warn(
            f"{images.name} streams: its images take {images.train_x.pixels.nbytes / 1e6:,.0f} MB, and KDLAB_MEMORY "
            f"allows {memory_limit() / 1e6:,.0f}",
            stacklevel=2,
        )
    return images


def sizes() -> dict[str, int]:
    """Return the cached data sets and their bytes, by name."""
    return {path.stem: path.stat().st_size for path in sorted(_ours("npy"))}


def clear() -> int:
    """Empty the cache and return the bytes that are free now.

    What another process has open may stay.
    """
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
    """Remove files where that is possible, and return the bytes that they took."""
    freed = 0
    for file in files:
        with suppress(OSError):
            size = file.stat().st_size
            file.unlink()
            freed += size
    return freed


def _parted(parts: Files, pixels: Pixels) -> dict[str, Pixels]:
    """Divide the images of all parts, which stand in their order."""
    counts = [len(files) for files in parts.values()]
    if isinstance(pixels, Tensor):
        return dict(zip(parts, pixels.split(counts), strict=True))
    return {name: pick(pixels, rows) for name, rows in zip(parts, torch.arange(sum(counts)).split(counts), strict=True)}


def _source(root: Path, parts: Files, about: object) -> str:
    """Return a digest of names, sizes, times and labels of the files."""
    digest, start = blake2b(repr((about, list(parts))).encode(), digest_size=8), len(str(root))
    for files in parts.values():
        for file, label in files:
            status = check_regular(file)
            # st_ctime: an image may be exchanged for one of the same size and time, as from an archive
            times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
            digest.update(os.fsencode(f"{file[start:]}\0{status.st_size}\0{times}\0{label}\n"))
    return digest.hexdigest()


def _read(path: Path, parts: Files, make: Callable[..., ImageSet]) -> ImageSet | None:
    """Return the cached images, or None where there are none, or damaged ones."""
    try:
        pixels, end = _mapped(path)
        with path.open("rb") as file:  # mean, standard deviation and fingerprint stand behind the pixels
            file.seek(end)
            text, check = file.read().split(b"\n")
        if int(check) != zlib.crc32(text):
            raise ValueError
        facts = json.loads(text)
        images = make(_parted(parts, pixels), mean=tuple(facts["mean"]), std=tuple(facts["std"]))
        if isinstance(pixels, Stored):  # to read all of them would take as long as an epoch
            images.is_known_by(facts["digest"])
        if images.fingerprint() == facts["digest"]:
            return images
    except OSError:  # not there
        return None
    except (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError):  # what cannot be parsed
        pass
    warnings.warn(f"{path} is damaged: its images are decoded anew", stacklevel=4)
    return None


def _mapped(path: Path) -> tuple[Pixels, int]:
    """Map the images of a file into memory, and return where they end in it.

    A file that is cut short is a ValueError.
    """
    large = path.stat().st_size > memory_limit()  # what may be written to has to fit into memory
    array = np.lib.format.open_memmap(path, mode="r" if large else "c")
    return Stored(array) if large else torch.from_numpy(array), array.offset + array.nbytes


def _build(
    path: Path, parts: Files, size: int | None, channels: int, make: Callable[..., ImageSet], needed: int
) -> ImageSet:
    """Decode all files into `path`, which exists only when it is whole."""
    files = [file for listed in parts.values() for file, _ in listed]
    part = path.with_suffix(".part")
    _remove([path])  # it is damaged
    for abandoned in _ours("part"):  # of killed builds: a live one holds the lock of its data set
        key = abandoned.name.split("-")[-2]
        with suppress(Timeout, OSError), ExitStack() as held:
            if f"-{key}-" not in path.name:  # this process holds the lock of `path` already
                held.enter_context(FileLock(path.with_name(f".{key}.lock")).acquire(timeout=0))
            abandoned.unlink()
    try:
        if needed > shutil.disk_usage(path.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with _removed_at_the_end(part):
            with part.open("wb") as file:
                _write(file, files, size, channels)
            images = make(_parted(parts, _mapped(part)[0]))
            facts = json.dumps({"mean": images.mean, "std": images.std, "digest": images.fingerprint()}).encode()
            del images  # Windows renames no file that is mapped
            with part.open("ab") as file:
                file.write(b"%s\n%d" % (facts, zlib.crc32(facts)))
                os.fsync(file.fileno())
            part.replace(path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(path.parent).free
        raise NoRoomError(
            f"decoded images of {needed / 1e6:,.1f} MB do not fit into {path.parent}, where {free / 1e6:,.1f} MB are "
            "free: make room (kdlab data clear), give a smaller size, or set KDLAB_CACHE to a folder on another disk"
        ) from error
    images = _read(path, parts, make)
    if images is None:
        raise Error(f"{path} is damaged as soon as it is written: set KDLAB_CACHE to a folder on another disk")
    return images


def _write(file: IO[bytes], files: Sequence[str], size: int | None, channels: int) -> None:
    """Decode files in threads, in order, to an array (n, C, H, W) in NumPy's format."""
    first, ranges = decode(files[0], size, Ranges()), Ranges()
    depth = channels or (1 if first.ndim == 2 else 3)
    shape = (len(files), depth, *first.shape[:2])
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    images = ahead(partial(decode, size=size, ranges=ranges), files, processors())
    for name, image in zip(files, images, strict=True):
        if image.shape[:2] != first.shape[:2]:
            raise Error(
                f"{name} has {image.shape[0]} x {image.shape[1]} pixels, the first image {first.shape[0]} x "
                f"{first.shape[1]}: set size to the pixels you want"
            )
        if image.ndim == 3 and depth == 1:  # the first in colour after greyscale: all get three channels
            file.seek(0)
            _write(file, files, size, 3)
            return
        file.write(np.broadcast_to(np.atleast_3d(image).transpose(2, 0, 1), shape[1:]).tobytes())
    ranges.check()


def _in_memory(files: Sequence[str], size: int | None, channels: int) -> Tensor:
    """Decode files to a tensor (n, C, H, W), without the cache."""
    content = io.BytesIO()
    _write(content, files, size, channels)
    content.seek(0)
    return torch.from_numpy(np.load(content))


@contextmanager
def held(root: Path, key: str, doing: str) -> Iterator[None]:
    """Hold the lock of a file of the cache, so that one process builds it.

    A second one warns of what the first is `doing`, and waits.
    """
    with ExitStack() as held:
        try:
            root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(root / f".{key}.lock")
            try:
                held.enter_context(lock.acquire(timeout=SILENT_SECONDS))
            except Timeout:
                waiting = f"another process is {doing}: waiting for it; an interrupt gives up"
                warnings.warn(waiting, stacklevel=5)
                held.enter_context(lock.acquire())
        except (OSError, NotImplementedError) as error:
            raise _no_place(root, error) from error
        yield


def _no_place(root: Path, error: Exception) -> NoRoomError:
    cause = getattr(error, "strerror", None) or str(error)
    return NoRoomError(f"{root} cannot hold decoded images ({cause}): set KDLAB_CACHE to a folder that can")


@contextmanager
def _removed_at_the_end(part: Path) -> Iterator[None]:
    """Remove `part` at the end, also when SIGTERM ends this process.

    Not where something else handles that signal.
    """
    default = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )

    def end(number: int, _: object) -> None:
        _remove([part])
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    if default:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        _remove([part])
        if default:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
