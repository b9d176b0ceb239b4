"""Image files to bytes, on all cores; without torch, so that a process that decodes starts in a moment."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import Error

FEW = 400  # files that are decoded sooner than processes start
GREY = ("1", "L", "LA")


def decode(file: str, size: int | None) -> np.ndarray:
    """One image as uint8, (H, W) for greyscale and (H, W, 3) for anything else, at `size` x `size` if that is given."""
    image = picture(file)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR) if size else image)


def picture(file: str) -> Image.Image:
    """One image of 8 bits a channel, greyscale (L) or in colour (RGB).

    CMYK and palettes become RGB, of 16 bits the upper 8 are taken, transparency is dropped. An `Error` names a file
    that is damaged, that is an animation, or whose pixels have no fixed range.
    """
    try:
        with Image.open(file) as opened:
            frames = getattr(opened, "n_frames", 1)
            if frames > 1 and opened.format != "MPO":  # a photograph with a second picture, as many cameras make
                raise Error(f"{file} is an animation or a stack of {frames} images: save the one you want")
            sixteen = opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PPM")
            if opened.mode in ("I", "F") and not sixteen:
                raise Error(f"{file} has 32 bits a pixel and so no fixed range: save it with 8 or 16")
            if sixteen:
                return Image.fromarray((np.asarray(opened) >> 8).astype(np.uint8))
            opened.load()
            return in_mode(opened, "L" if opened.mode in GREY else "RGB")
    except Error:
        raise
    except Exception as error:  # what damaged files make the decoder raise is of many kinds
        raise unreadable(file, error) from error


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself, where it has that mode; Pillow would copy it."""
    return image if image.mode == mode else image.convert(mode)


def unreadable(file: str, error: Exception) -> Error:
    """The sentence about a file that cannot be read."""
    with suppress(OSError):
        if not Path(file).stat().st_size:
            return Error(f"{file} is not a readable image (it is empty): mend or remove it")
    said = str(error).splitlines()
    brief = said[0] if said and file not in said[0] else type(error).__name__
    told = getattr(error, "strerror", None) or brief
    return Error(f"{file} is not a readable image ({told}): mend or remove it")


def decode_into(place: Path, shape: Sequence[int], files: Sequence[str], size: int | None) -> bool:
    """Decode files into the rows of a uint8 array (n, 3, H, W), the whole of the file `place`; whether all are grey.

    A file that is damaged or has other than H x W pixels is an `Error`; what is in `place` is then worth nothing.
    """
    processes = min(processors(), -(-len(files) // FEW))
    if processes < 2:
        return _rows(place, shape, 0, files, size)
    cuts = [round(i * len(files) / processes) for i in range(processes + 1)]
    jobs = [[str(place), list(shape), at, list(files[at:to]), size] for at, to in pairwise(cuts)]
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    started = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        for _ in jobs
    ]  # fmt: skip
    try:
        for process, job in zip(started, jobs, strict=True):
            assert process.stdin is not None  # a pipe, which stays open: a process whose parent is gone ends
            with suppress(OSError):  # it has ended already, and says nothing below
                print(json.dumps(job), file=process.stdin, flush=True)
        told = [_heard(process) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
            for pipe in filter(None, (process.stdin, process.stdout)):
                with suppress(OSError):
                    pipe.close()
    if wrong := [str(each["error"]) for each in told if "error" in each]:
        raise Error(wrong[0])
    return all(each["grey"] for each in told)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _heard(process: "subprocess.Popen[str]") -> dict[str, object]:
    assert process.stdout is not None  # a pipe
    return json.loads(process.stdout.readline() or '{"error": "a process that decodes images was ended"}')


def _rows(place: Path, shape: Sequence[int], start: int, files: Sequence[str], size: int | None) -> bool:
    rows, grey = np.memmap(place, np.uint8, "r+", shape=tuple(shape)), True
    for row, file in enumerate(files, start):
        pixels = decode(file, size)
        same_size(file, pixels.shape, rows.shape[2:])
        grey &= pixels.ndim == 2
        rows[row] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return grey


def same_size(file: str, shape: Sequence[int], first: Sequence[int]) -> None:
    """An `Error` if an image has other pixels than the first one."""
    if tuple(shape[:2]) != tuple(first[:2]):
        raise Error(
            f"{file} has {shape[0]} x {shape[1]} pixels, the first image {first[0]} x {first[1]}: "
            "set size to the pixels you want"
        )


def _end_with_parent() -> None:
    sys.stdin.read()  # until the parent closes it, or is gone
    os._exit(1)


if __name__ == "__main__":
    given, *job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        print(json.dumps({"grey": _rows(Path(given), *job)}), flush=True)
    except KeyboardInterrupt:  # of the parent's group: it says so itself
        os._exit(130)
    except Exception as error:  # the parent raises it
        print(json.dumps({"error": str(error) or type(error).__name__}), flush=True)
