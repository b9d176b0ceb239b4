"""Image files to bytes: in every format, the pixels that a viewer shows."""

import math
import os
import re
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, features

from ..core.errors import Error
from ..core.places import pixel_limit

PIXELS = 2  # version of what `picture` reads from a file; raise it when any pixel changes
SAMPLED = 100  # files whose headers say how large the others are
GREY = ("1", "L", "LA", "La")
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
# The tag of EXIF, and what brings each of its values upright
ORIENTATION = 0x112
SAY_ORIENTATION = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Tags of TIFF
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
HEAD = 512  # bytes at the start of a file, by which its kind is known
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"heif", b"mif1", b"msf1"}
PICTURES = ("a HEIC", "an AVIF", "a JPEG XL")
STARTS = {
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"version https://git-lfs": "a pointer of Git LFS: git lfs pull",
    b"\x1a\x45\xdf\xa3": "a film",
    b"\x93NUMPY": "an array of NumPy",
}
TEXT = {9, 10, 12, 13, *range(32, 127)}  # bytes of plain text
SAVE = "save all images with 8 bits a channel, by one range for all"


class Ranges:
    """The largest value, and its file, of images with more than 8 bits.

    For each number of bits; of all images of one data set.
    """

    def __init__(self) -> None:
        self.largest: dict[int, tuple[int, str]] = {}
        self.lock = threading.Lock()

    def note(self, bits: int, value: int, file: str) -> None:
        """Take the largest value of an image into account; several threads may."""
        with self.lock:
            self.largest[bits] = max(self.largest.get(bits, (-1, "")), (value, file))

    def check(self) -> None:
        """Refuse images of which none uses the upper bit.

        Their range is another one, which the upper 8 bits would lose. Where all values are 0, any range gives the same
        pixels.
        """
        for bits, (value, file) in self.largest.items():
            if 0 < value < 2 ** (bits - 1):
                raise Error(f"{file} has {bits} bits and no value above {value}, and so no known range: {SAVE}")


def decode(file: str, size: int | None, ranges: Ranges | None = None) -> np.ndarray:
    """Read one image as uint8, (H, W) for greyscale and (H, W, 3) for anything else.

    It is brought to `size` x `size` pixels if that is given, after it was turned upright. A large JPEG is decoded
    whole: the shortcut to a half or a quarter of its size gives other pixels, and not the same ones in all builds of
    the decoder. `ranges` takes note of values of more than 8 bits, for who checks them of all images together.
    """
    image = picture(file, ranges)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR) if size else image)


def picture(file: str, ranges: Ranges | None = None) -> Image.Image:
    """Read one image as it is meant to be seen.

    Upright, on white, 8 bits a channel, grey (L) or in colour (RGB). EXIF's orientation is followed; what is
    transparent lies on white. CMYK and palettes become RGB; colour profiles are not applied. Of 16 bits the upper 8 are
    taken. An `Error` names a file that is damaged, too large, an animation or a stack, or whose pixels have no known
    range: 32 bits, signed, or 16 bits of which the upper one is not used, here or, with `ranges`, in any image that
    these know of when they are checked.
    """
    check_regular(file)
    try:
        # Not by its name: Pillow would map it, and confuse the sides of a TIFF that is to be turned
        with OWN_LIMIT, open(file, "rb") as content, Image.open(content) as opened:  # noqa: PTH123
            icon = getattr(opened, "ico", None)  # of which the largest picture counts, with all that it says of itself
            known = Ranges() if ranges is None else ranges
            image = _seen(file, icon.getimage(opened.size) if icon else opened, known)
            if ranges is None:
                known.check()
            return image
    except Error:
        raise
    except Image.DecompressionBombError as error:
        numbers = re.findall(r"[0-9]+", str(error))
        raise too_large(file, int(numbers[0]) if numbers else 2 * pixel_limit()) from error
    except Exception as error:  # what damaged files make the decoder raise is of many kinds
        raise unreadable(file, error) from error


def _seen(file: str, opened: Image.Image, ranges: Ranges) -> Image.Image:
    """Return what an opened file shows."""
    _check_kind(file, opened)
    raw, tile, whole = _layout(opened), getattr(opened, "tile", None), (0, 0, *opened.size)
    covered = tuple(tile[0][1]) if tile and opened.format == "GIF" else whole  # by its frame; the rest is transparent
    opened.load()
    if _is_deep(opened):
        image = Image.fromarray(_upper_bits(file, opened, raw, ranges))
    else:
        # 16 bits a channel, of which Pillow gives the upper 8. "BGR;16" has 16 for three channels; light CMYK has
        # little ink, and no camera makes it
        if ";16" in raw and not raw.startswith(("BGR", "CMYK")):
            extremes = np.atleast_2d(opened.getextrema())
            colours = extremes[:-1] if opened.mode in TRANSPARENT else extremes
            ranges.note(16, 256 * int(colours.max()) + 255, file)
        image = _on_white(opened, raw)
    if covered != whole:
        part, image = image.crop(covered), Image.new(image.mode, image.size, "white")
        image.paste(part, covered)
    turn = None
    if opened.format != "TIFF" and not SAY_ORIENTATION.isdisjoint(opened.info):  # a TIFF is turned as it is loaded
        with suppress(Exception):  # damaged EXIF says nothing
            turn = TURNS.get(int(opened.getexif().get(ORIENTATION, 1)))
    return image.transpose(turn) if turn is not None else image


def check_regular(file: str) -> os.stat_result:
    """Return the status of a regular file.

    A pipe, which would be waited for, a socket, a device or a folder is an `Error`.
    """
    try:
        status = os.stat(file)  # noqa: PTH116  # a Path for each of a million files costs more than the call
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from error
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder"}
        raise Error(f"{file} is a {kinds.get(stat.S_IFMT(status.st_mode), 'device')}, not an image file: remove it")
    return status


def too_large(file: str, count: int) -> Error:
    """Return the sentence about an image of more pixels than are allowed."""
    return Error(
        f"{file} has {count / 1e6:,.1f} million pixels, and {pixel_limit() / 1e6:,.1f} million are allowed: make it "
        "smaller, or set KDLAB_MEGAPIXELS to more"
    )


class _Most(int):
    """A number of pixels that Pillow does not double before it refuses an image.

    From one to two times that, it only warns.
    """

    def __rmul__(self, _: int) -> int:
        return int(self)


class _OwnLimit:
    """Let `pixel_limit` replace Pillow's own limit while any thread is within.

    Pillow's says of large photographs that they may be an attack, and knows no way out.
    """

    def __init__(self) -> None:
        self.lock, self.inside, self.before = threading.Lock(), 0, Image.MAX_IMAGE_PIXELS

    def __enter__(self) -> None:
        limit = pixel_limit()
        with self.lock:
            if not self.inside:
                self.before = Image.MAX_IMAGE_PIXELS
            self.inside += 1
            Image.MAX_IMAGE_PIXELS = _Most(limit)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                Image.MAX_IMAGE_PIXELS = self.before


OWN_LIMIT = _OwnLimit()


def _check_kind(file: str, opened: Image.Image) -> None:
    """Refuse drawings, several images in one, and numbers or colours without a range.

    That is, numbers whose range nobody knows, and colours that are read in several ways.
    """
    if opened.format in ("EPS", "WMF"):  # what they show, another program decides
        raise Error(f"{file} is a drawing ({opened.format}), not a picture: save it as PNG")
    if opened.format == "CUR":  # Pillow does not read what is transparent
        raise Error(f"{file} is a cursor, not a picture: save it as PNG")
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format != "MPO":  # a photograph with a second picture, as many cameras make
        raise Error(f"{file} is an animation or a stack of {frames} images: save the one you want")
    tags = getattr(opened, "tag_v2", {})
    signed = bool(tags) and 2 in np.atleast_1d(tags.get(SAMPLE_FORMAT, 1))
    bits = max(np.atleast_1d(tags.get(BITS, 32))) if tags else 32
    if signed:
        raise Error(f"{file} has signed numbers of {bits} bits a pixel and so no known range: {SAVE}")
    if opened.mode in ("I", "F") and not _is_deep(opened):
        raise Error(f"{file} has {bits} bits a pixel and so no fixed range: save it with 8 or 16, by one range for all")
    if opened.mode == "LAB":
        raise Error(f"{file} has colours in Lab, which are read in several ways: save it as RGB")
    if opened.format == "JPEG" and opened.mode == "CMYK" and "adobe" not in opened.info:
        raise Error(f"{file} has colours in CMYK and does not say whether 0 or 255 is ink: save it as RGB")
    if opened.mode == "RGB" and _layout(opened).startswith("RGB;16") and "transparency" in opened.info:
        raise Error(f"{file} has 16 bits a channel and a transparent colour: save it with 8, or with an alpha channel")


def _layout(opened: Image.Image) -> str:
    """Return Pillow's name for the order of bits, such as "RGB;16B".

    Of a file that is not yet loaded.
    """
    tile = getattr(opened, "tile", None)
    arguments = tile[0][3] if tile else ""
    words = arguments if isinstance(arguments, tuple) else (arguments,)
    full = opened.format == "PPM" and 65535 in words  # a portable map that names a smaller range has it
    return f"{words[0]};16" if full else str(words[0] if words else "")


def _is_deep(opened: Image.Image) -> bool:
    """Return whether Pillow gives all 16 bits; of a PGM it brings any range to 16."""
    return opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PPM")


def _upper_bits(file: str, opened: Image.Image, raw: str, ranges: Ranges) -> np.ndarray:
    """Return the upper 8 bits (H, W) of a greyscale image of 12 or 16."""
    values = np.asarray(opened).astype(np.int32)
    bits = 12 if raw.endswith(";12") else 16
    if opened.format != "PPM" or ";16" in raw:
        ranges.note(bits, int(values.max()), file)
    clear = values == opened.info.get("transparency", -1)
    if getattr(opened, "tag_v2", {}).get(PHOTOMETRIC) == 0:  # the smallest number is white
        values = 2**bits - 1 - values
    return np.where(clear, 255, values >> (bits - 8)).astype(np.uint8)


def _on_white(opened: Image.Image, raw: str) -> Image.Image:
    """Return the image in grey (L) or colour (RGB); what is transparent is white."""
    grey = opened.mode in GREY or raw.startswith("LA;16")  # which Pillow makes RGBA
    mode = "L" if grey else "RGB"
    if opened.mode not in TRANSPARENT and "transparency" not in opened.info:
        return in_mode(opened, mode)
    steps = {"L;2": 85, "L;4": 17}.get(raw)  # Pillow brings the pixels to 8 bits, but not the transparent one
    if steps and opened.format == "PNG":
        opened.info["transparency"] *= steps
    if opened.mode in ("RGBa", "La"):
        opened = opened.convert(opened.mode[:-1] + "A")
    whole = in_mode(opened, "LA" if grey else "RGBA")
    alpha = whole.getchannel("A")
    if opened.format in ("BMP", "DIB", "TGA") and not alpha.getbbox():  # the fourth byte was never set
        return whole.convert(mode)
    white = Image.new(mode, whole.size, "white")
    white.paste(whole.convert(mode), mask=alpha)
    return white


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Return the image in a mode, without a copy where it has that mode."""
    return image if image.mode == mode else image.convert(mode)


def unreadable(file: str, error: Exception) -> Error:
    """Return the sentence about a file that cannot be read."""
    with suppress(OSError, ValueError):
        if not Path(file).stat().st_size:
            return Error(f"{file} is not a readable image (it is empty): mend or remove it")
    cause = getattr(error, "strerror", None)
    if cause is None:
        with suppress(OSError, ValueError), open(file, "rb") as content:  # noqa: PTH123
            held = kind_of(content.read(HEAD))
            if held in PICTURES:
                return Error(f"{file} is {held} picture under another name: save it as .jpg")
            cause = f"it is {held}" if held else None
    lines = str(error).splitlines()
    cause = cause or (lines[0] if lines and file not in lines[0] else "its content is that of no image")
    return Error(f"{file} is not a readable image ({cause}): mend or remove it")


def kind_of(head: bytes) -> str | None:
    """Return what the first bytes say a file is, where that is no readable image.

    None: not known.
    """
    if head[4:8] == b"ftyp":
        brands = {head[at : at + 4] for at in (8, *range(16, min(len(head), 64), 4))}
        if brands & {b"avif", b"avis"}:
            return None if features.check("avif") else "an AVIF"
        return "a HEIC" if brands & HEIC else "a film"
    for start, kind in STARTS.items():
        if head.startswith(start):
            return kind
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if text.startswith((b"<svg", b"<!doctype svg")) or (text.startswith(b"<?xml") and b"<svg" in head):
        return "a drawing, SVG"
    return "a text" if head and not set(head) - TEXT else None


def pixels_in(files: Sequence[str]) -> int:
    """Estimate the pixels of all files from the headers of a hundred of them.

    What cannot be opened counts nothing.
    """
    chosen = files[:: -(-len(files) // SAMPLED)] if files else []
    total = 0
    with OWN_LIMIT:
        for file in chosen:
            with suppress(Exception):  # it is named when it is decoded
                check_regular(file)
                with Image.open(file) as opened:
                    total += math.prod(opened.size)
    return total * len(files) // max(1, len(chosen))
