"""Pictures in every format, mode, depth and orientation that people have, with the pixels that a viewer shows.

`CASES` makes one picture of a kind from a seed; `write_folder` a folder of all of them, in every way of naming. The
pixels are computed from the scene with NumPy alone, never by decoding the file.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, features

LOSSY = 4.0  # mean difference of a lossy picture from its scene


@dataclass(frozen=True)
class Picture:
    """A file's content, and the pixels (H, W) or (H, W, 3) that it shows; None where these cannot be known."""

    content: bytes
    shown: np.ndarray | None
    tolerance: float = 0.0


Maker = Callable[["Scene"], Picture]
CASES: dict[str, tuple[str, Maker]] = {}  # name -> ending, maker
REFUSED: dict[str, tuple[str, Maker]] = {}  # what has no pixels that all readers agree on


def case(ending: str, name: str, table: dict[str, tuple[str, Maker]] = CASES) -> Callable[[Maker], Maker]:
    """Enter a maker of pictures."""

    def enter(maker: Maker) -> Maker:
        table[f"{ending}: {name}"] = ending, maker
        return maker

    return enter


class Scene:
    """A smooth sky, a disc and a box, each of its own colour, and what is transparent about them."""

    def __init__(self, seed: int, height: int = 0, width: int = 0) -> None:
        self.draw = draw = np.random.default_rng(seed)
        height, width = height or int(draw.integers(18, 30)), width or int(draw.integers(31, 44))
        down, right = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
        # Colours that are not glaring: JPEG keeps these at half the size, which blurs the edges of glaring ones
        corners = draw.uniform(30, 225, (4, 1)) + draw.uniform(-30, 30, (4, 3))
        sky = [corners[0], corners[1] - corners[0], corners[2] - corners[0]]
        picture = sky[0] + sky[1] * down[..., None] + sky[2] * right[..., None]
        far = np.hypot(down - draw.uniform(0.2, 0.4), right - draw.uniform(0.2, 0.4))
        picture[far < 0.2] = corners[3]
        picture[int(0.7 * height) : int(0.9 * height), int(0.5 * width) : int(0.95 * width)] = 255 - corners[3]
        picture[0, 0], picture[-1, -1] = 0, 255  # the range is used
        self.rgb = picture.clip(0, 255).astype(np.uint8)
        self.grey = self.rgb[..., 1].copy()
        self.alpha = (255 * (1.5 - 4 * far)).clip(0, 255).astype(np.uint8)
        self.mask = np.where(far < 0.25, 255, 0).astype(np.uint8)
        self.wide = (self.grey.astype(np.uint32) << 8 | draw.integers(0, 256, self.grey.shape)).astype(np.uint16)
        self.wide_rgb = (self.rgb.astype(np.uint32) << 8 | draw.integers(0, 256, self.rgb.shape)).astype(np.uint16)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What a viewer with a white window shows."""
    share = (alpha if colour.ndim == 2 else alpha[..., None]) / 255
    return np.floor(colour * share + 255 * (1 - share) + 0.5).astype(np.uint8)


# How a stored array (H, W, ...) is shown, by EXIF's orientation
SHOWN: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


def exif(orientation: int, order: str = "<") -> bytes:
    """EXIF that says this and nothing else, without the prefix that JPEG asks for."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# PNG, written here: every depth and colour type, interlaced too

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(
    values: np.ndarray, depth: int, kind: int, chunks: dict[bytes, bytes] | None = None, interlaced: bool = False
) -> bytes:
    """A PNG of values (H, W) or (H, W, channels); `chunks` come before the pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    steps = ADAM7 if interlaced else ((0, 0, 1, 1),)
    passes = [values[y::down, x::right] for x, y, right, down in steps]
    rows = b"".join(b"\0" + packed(row, depth) for part in passes if part.size for row in part)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, kind, 0, 0, int(interlaced))
    middle = b"".join(chunk(name, content) for name, content in (chunks or {}).items())
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + middle + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def packed(row: np.ndarray, depth: int) -> bytes:
    """One row of samples, each of `depth` bits, the first in the upper bits."""
    if depth == 16:
        return row.astype(">u2").tobytes()
    if depth == 8:
        return row.astype(np.uint8).tobytes()
    bits = np.unpackbits(row.reshape(-1, 1).astype(np.uint8), axis=1)[:, 8 - depth :]
    return np.packbits(bits.reshape(-1)).tobytes()


for depth in (1, 2, 4):

    def shades(scene: Scene, depth: int = depth, interlaced: bool = False, clear: bool = False) -> Picture:
        most = 2**depth - 1
        values = (scene.grey.astype(int) * most + 127) // 255
        shown = (values * 255 // most).astype(np.uint8)
        chunks = {b"tRNS": struct.pack(">H", 0)} if clear else {}
        return Picture(png(values, depth, 0, chunks, interlaced), np.where(clear & (values == 0), 255, shown))

    def whitest(scene: Scene, depth: int = depth) -> Picture:
        """The largest number is the transparent one: it shows white anyway; the next one must not."""
        picture, most = shades(scene, depth), 2**depth - 1
        values = (picture.shown.astype(int) * most + 127) // 255
        return Picture(
            png(values, depth, 0, {b"tRNS": struct.pack(">H", most - 1)}),
            np.where(values == most - 1, 255, picture.shown),
        )

    def painted(scene: Scene, depth: int = depth) -> Picture:
        palette = scene.draw.integers(0, 256, (2**depth, 3), dtype=np.uint8)
        values = (scene.grey.astype(int) * (2**depth - 1) + 127) // 255
        return Picture(png(values, depth, 3, {b"PLTE": palette.tobytes()}), palette[values])

    case("png", f"grey of {depth} bits")(shades)
    case("PNG", f"grey of {depth} bits, interlaced")(lambda scene, make=shades: make(scene, interlaced=True))
    case("png", f"grey of {depth} bits, black transparent")(lambda scene, make=shades: make(scene, clear=True))
    case("png", f"grey of {depth} bits, the lightest but white transparent")(whitest)
    case("png", f"palette of {depth} bits")(painted)


def colours(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """A palette (64, 3), and the places (H, W) in it that come near the scene."""
    steps = np.array([0, 85, 170, 255], np.uint8)
    palette = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    near = (scene.rgb.astype(int) + 42) // 85
    return palette, (near @ np.array([16, 4, 1])).astype(np.uint8)


@case("png", "grey")
def _(s: Scene) -> Picture:
    return Picture(png(s.grey, 8, 0), s.grey)


@case("png", "grey, one shade transparent")
def _(s: Scene) -> Picture:
    clear = int(np.bincount(s.grey.ravel()).argmax())
    return Picture(png(s.grey, 8, 0, {b"tRNS": struct.pack(">H", clear)}), np.where(s.grey == clear, 255, s.grey))


@case("png", "colour, interlaced")
def _(s: Scene) -> Picture:
    return Picture(png(s.rgb, 8, 2, interlaced=True), s.rgb)


@case("png", "colour, one transparent")
def _(s: Scene) -> Picture:
    clear = s.rgb[s.mask > 0][0]
    shown = np.where((s.rgb == clear).all(2, keepdims=True), 255, s.rgb).astype(np.uint8)
    return Picture(png(s.rgb, 8, 2, {b"tRNS": struct.pack(">3H", *clear.tolist())}), shown)


@case("png", "colour and alpha")
def _(s: Scene) -> Picture:
    return Picture(png(np.dstack([s.rgb, s.alpha]), 8, 6), on_white(s.rgb, s.alpha))


@case("png", "a cut-out, black under all of it")
def _(s: Scene) -> Picture:
    black = np.zeros_like(s.rgb)
    return Picture(png(np.dstack([black, s.alpha]), 8, 6), on_white(black, s.alpha))


@case("png", "transparent everywhere")
def _(s: Scene) -> Picture:
    return Picture(png(np.dstack([s.rgb, 0 * s.alpha]), 8, 6), np.full_like(s.rgb, 255))


@case("png", "grey and alpha")
def _(s: Scene) -> Picture:
    return Picture(png(np.dstack([s.grey, s.alpha]), 8, 4), on_white(s.grey, s.alpha))


@case("png", "grey of 16 bits")
def _(s: Scene) -> Picture:
    return Picture(png(s.wide, 16, 0), s.grey)


@case("png", "grey of 16 bits, one shade transparent")
def _(s: Scene) -> Picture:
    clear = int(s.wide[-2, -2])
    return Picture(png(s.wide, 16, 0, {b"tRNS": struct.pack(">H", clear)}), np.where(s.wide == clear, 255, s.grey))


@case("png", "grey and alpha of 16 bits")
def _(s: Scene) -> Picture:
    alpha = s.alpha.astype(np.uint16) * 257
    return Picture(png(np.dstack([s.wide, alpha]), 16, 4), on_white(s.grey, s.alpha))


@case("png", "colour of 16 bits, interlaced")
def _(s: Scene) -> Picture:
    return Picture(png(s.wide_rgb, 16, 2, interlaced=True), s.rgb)


@case("png", "colour and alpha of 16 bits")
def _(s: Scene) -> Picture:
    return Picture(png(np.dstack([s.wide_rgb, s.alpha.astype(np.uint16) * 257]), 16, 6), on_white(s.rgb, s.alpha))


@case("png", "palette")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    return Picture(png(places, 8, 3, {b"PLTE": palette.tobytes()}), palette[places])


@case("png", "palette, some colours half transparent")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    alpha = s.draw.integers(0, 256, len(palette), dtype=np.uint8)
    chunks = {b"PLTE": palette.tobytes(), b"tRNS": alpha.tobytes()}
    return Picture(png(places, 8, 3, chunks), on_white(palette[places], alpha[places]))


@case("png", "palette, one colour transparent")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    clear = int(np.bincount(places.ravel()).argmax())
    alpha = np.where(np.arange(len(palette)) == clear, 0, 255).astype(np.uint8)
    chunks = {b"PLTE": palette.tobytes(), b"tRNS": alpha[: clear + 1].tobytes()}
    return Picture(png(places, 8, 3, chunks), on_white(palette[places], alpha[places]))


for orientation, order in ((2, "<"), (3, ">"), (4, "<"), (5, ">"), (6, "<"), (7, ">"), (8, "<")):

    @case("png", f"orientation {orientation}")
    def _(s: Scene, orientation: int = orientation, order: str = order) -> Picture:
        return Picture(png(s.rgb, 8, 2, {b"eXIf": exif(orientation, order)}), SHOWN[orientation](s.rgb))

    @case("jpg", f"orientation {orientation}")
    def _(s: Scene, orientation: int = orientation, order: str = order) -> Picture:
        content = saved(Image.fromarray(s.rgb), "JPEG", quality=95, exif=b"Exif\0\0" + exif(orientation, order))
        return Picture(content, SHOWN[orientation](s.rgb), LOSSY)

    @case("webp", f"orientation {orientation}")
    def _(s: Scene, orientation: int = orientation, order: str = order) -> Picture:
        content = saved(Image.fromarray(s.rgb), "WEBP", lossless=True, exif=exif(orientation, order))
        return Picture(content, SHOWN[orientation](s.rgb))

    @case("tif", f"orientation {orientation}")
    def _(s: Scene, orientation: int = orientation, order: str = order) -> Picture:
        return Picture(tiff(s.rgb, 2, order=order, tags={274: orientation}), SHOWN[orientation](s.rgb))

    if features.check("avif"):

        @case("avif", f"orientation {orientation}")
        def _(s: Scene, orientation: int = orientation, order: str = order) -> Picture:
            content = saved(Image.fromarray(s.rgb), "AVIF", quality=95, speed=10, exif=exif(orientation, order))
            return Picture(content, SHOWN[orientation](s.rgb), LOSSY)


@case("png", "grey and alpha, orientation 6")
def _(s: Scene) -> Picture:
    content = png(np.dstack([s.grey, s.alpha]), 8, 4, {b"eXIf": exif(6)})
    return Picture(content, SHOWN[6](on_white(s.grey, s.alpha)))


@case("png", "grey of 16 bits, orientation 8")
def _(s: Scene) -> Picture:
    return Picture(png(s.wide, 16, 0, {b"eXIf": exif(8)}), SHOWN[8](s.grey))


@case("jpg", "grey, orientation 6")
def _(s: Scene) -> Picture:
    content = saved(Image.fromarray(s.grey), "JPEG", quality=95, exif=b"Exif\0\0" + exif(6))
    return Picture(content, SHOWN[6](s.grey), LOSSY)


@case("jpg", "EXIF that is damaged")
def _(s: Scene) -> Picture:
    content = saved(Image.fromarray(s.rgb), "JPEG", quality=95, exif=b"Exif\0\0" + exif(6)[:7])
    return Picture(content, s.rgb, LOSSY)


@case("tif", "orientation 6, LZW")
def _(s: Scene) -> Picture:
    content = saved(Image.fromarray(s.rgb), "TIFF", compression="tiff_lzw", tiffinfo={274: 6})
    return Picture(content, SHOWN[6](s.rgb))


@case("tif", "grey, orientation 7")
def _(s: Scene) -> Picture:
    return Picture(tiff(s.grey, 1, tags={274: 7}), SHOWN[7](s.grey))


@case("tif", "grey of 16 bits, orientation 5")
def _(s: Scene) -> Picture:
    return Picture(tiff(s.wide, 1, bits=16, tags={274: 5}), SHOWN[5](s.grey))


# JPEG


@case("jpeg", "progressive")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.rgb), "JPEG", quality=95, progressive=True), s.rgb, LOSSY)


@case("JPG", "grey")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.grey), "JPEG", quality=95), s.grey, LOSSY)


@case("jfif", "RGB as it is, without YCbCr")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.rgb), "JPEG", quality=95, keep_rgb=True), s.rgb, LOSSY)


def inked(s: Scene) -> tuple[np.ndarray, np.ndarray]:
    """CMYK (H, W, 4), and what it shows: (1 - ink) (1 - black)."""
    key = 255 - s.rgb.max(2)
    ink = np.dstack([s.rgb.max(2, keepdims=True) - s.rgb, key // 2])
    shown = (255 - ink[..., :3].astype(float)) * (255 - ink[..., 3:]) / 255
    return ink.astype(np.uint8), np.floor(shown + 0.5).astype(np.uint8)


@case("jpg", "CMYK by Adobe, inverted")
def _(s: Scene) -> Picture:
    ink, shown = inked(s)
    return Picture(saved(Image.fromarray(ink, "CMYK"), "JPEG", quality=98), shown, LOSSY)


@case("jpg", "CMYK that does not say which end is ink", REFUSED)
def _(s: Scene) -> Picture:
    content = saved(Image.fromarray(inked(s)[0], "CMYK"), "JPEG", quality=98)
    at = content.index(b"\xff\xee")  # Adobe's marker
    return Picture(content[:at] + content[at + 2 + int.from_bytes(content[at + 2 : at + 4], "big") :], None)


@case("jpg", "a second picture, as cameras make")
def _(s: Scene) -> Picture:
    second = Image.fromarray(255 - s.rgb)
    content = saved(Image.fromarray(s.rgb), "MPO", save_all=True, append_images=[second], quality=95)
    return Picture(content, s.rgb, LOSSY)


# GIF, BMP, ICO, WebP, AVIF


@case("gif", "palette")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    return Picture(saved(with_palette(places, palette), "GIF"), palette[places])


@case("gif", "one colour transparent")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    clear = int(np.bincount(places.ravel()).argmax())
    content = saved(with_palette(places, palette), "GIF", transparency=clear)
    return Picture(content, np.where((places == clear)[..., None], 255, palette[places]).astype(np.uint8))


def gif(places: np.ndarray, palette: np.ndarray, at: tuple[int, int], clear: int | None = None) -> bytes:
    """A GIF whose only frame begins at `at` and leaves as much room on the other side; codes of 9 bits, none reused."""
    height, width = places.shape
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    codes = [code for i, place in enumerate(places.ravel().tolist()) for code in ([256] * (i % 100 == 0) + [place])]
    bits = "".join(f"{code:09b}"[::-1] for code in [*codes, 257])
    packed_ = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(packed_[i : i + 255])]) + packed_[i : i + 255] for i in range(0, len(packed_), 255))
    canvas = struct.pack("<HHBBB", width + 2 * at[0], height + 2 * at[1], 0xF7, 0, 0)
    control = b"" if clear is None else b"\x21\xf9\4\1\0\0" + bytes([clear, 0])
    frame = b"," + struct.pack("<HHHHB", *at, width, height, 0) + b"\x08"
    return b"GIF89a" + canvas + table.tobytes() + control + frame + blocks + b"\0;"


@case("gif", "a frame that does not cover the canvas")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    shown = np.pad(palette[places], ((2, 2), (3, 3), (0, 0)), constant_values=255)
    return Picture(gif(places, palette, (3, 2)), shown)


@case("gif", "a frame that does not cover the canvas, one colour transparent")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    clear = int(np.bincount(places.ravel()).argmax())
    frame = np.where((places == clear)[..., None], 255, palette[places])
    return Picture(gif(places, palette, (3, 2), clear), np.pad(frame, ((2, 2), (3, 3), (0, 0)), constant_values=255))


@case("gif", "greys, one of them transparent")
def _(s: Scene) -> Picture:
    clear = int(np.bincount(s.grey.ravel()).argmax())
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    return Picture(gif(s.grey, greys, (0, 0), clear), np.where(s.grey == clear, 255, s.grey))


def icon(inside: bytes, scene: Scene) -> bytes:
    """An icon of one picture, a PNG."""
    height, width = scene.grey.shape
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, width, height, 0, 0, 1, 32, len(inside), 22) + inside


@case("ico", "alpha")
def _(s: Scene) -> Picture:
    return Picture(icon(png(np.dstack([s.rgb, s.alpha]), 8, 6), s), on_white(s.rgb, s.alpha))


@case("ico", "palette, one colour transparent")
def _(s: Scene) -> Picture:
    picture = CASES["png: palette, one colour transparent"][1](s)
    return Picture(icon(picture.content, s), picture.shown)


@case("png", "an icon of 12 bits in 16, under another name", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(icon(png(s.wide_rgb >> 4, 16, 2), s), None)


@case("tga", "an alpha that nobody has set")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(np.dstack([s.rgb, 0 * s.alpha])), "TGA"), s.rgb)


@case("jpg", "a drawing, under another name", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.rgb), "EPS"), None)


if features.check("jpg_2000"):

    @case("jp2", "grey of 16 bits")
    def _(s: Scene) -> Picture:
        return Picture(saved(Image.fromarray(s.wide), "JPEG2000"), s.grey)

    @case("jp2", "colour and alpha")
    def _(s: Scene) -> Picture:
        image = Image.fromarray(np.dstack([s.rgb, s.alpha]))
        return Picture(saved(image, "JPEG2000"), on_white(s.rgb, s.alpha))


@case("gif", "an animation", REFUSED)
def _(s: Scene) -> Picture:
    frames = [Image.fromarray(s.rgb), Image.fromarray(255 - s.rgb)]
    return Picture(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), None)


def with_palette(places: np.ndarray, palette: np.ndarray) -> Image.Image:
    image = Image.fromarray(places, "P")
    image.putpalette(palette.tobytes())
    return image


def bmp(rows: bytes, width: int, height: int, bits: int, compression: int = 0, extra: bytes = b"") -> bytes:
    """A BMP from its lowest row upwards; `extra`: masks, or a palette of four bytes a colour."""
    offset, used = 54 + len(extra), len(extra) // 4 if bits <= 8 else 0
    head = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset)
    about = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 0, 0, used, 0)
    return head + about + extra + rows


@case("bmp", "colour")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.rgb), "BMP"), s.rgb)


@case("bmp", "32 bits, the fourth byte not used")
def _(s: Scene) -> Picture:
    rows = np.dstack([s.rgb[..., ::-1], 0 * s.grey])[::-1]
    return Picture(bmp(rows.tobytes(), *s.grey.shape[::-1], 32), s.rgb)


def masked(s: Scene, alpha: np.ndarray) -> bytes:
    """32 bits with masks for red, green, blue and alpha: the fourth version of the header."""
    rows = np.dstack([s.rgb[..., ::-1], alpha])[::-1].tobytes()
    height, width = s.grey.shape
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    about = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(rows), 0, 0, 0, 0) + masks + bytes(52)
    return struct.pack("<2sIHHI", b"BM", 122 + len(rows), 0, 0, 122) + about + rows


@case("bmp", "32 bits with alpha")
def _(s: Scene) -> Picture:
    return Picture(masked(s, s.alpha), on_white(s.rgb, s.alpha))


@case("bmp", "32 bits with an alpha that nobody has set")
def _(s: Scene) -> Picture:
    return Picture(masked(s, 0 * s.alpha), s.rgb)


@case("bmp", "runs of a palette")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    runs = b"".join(b"".join(bytes([1, place]) for place in row) + b"\0\0" for row in places[::-1]) + b"\0\1"
    table = np.dstack([palette[None, :, ::-1], np.zeros((1, len(palette), 1), np.uint8)]).tobytes()
    return Picture(bmp(runs, *s.grey.shape[::-1], 8, 1, table), palette[places])


@case("bmp", "16 bits, of 5, 6 and 5")
def _(s: Scene) -> Picture:
    red, green, blue = (s.rgb[..., i].astype(int) >> (2 if i == 1 else 3) for i in range(3))
    packed_ = (red << 11 | green << 5 | blue).astype("<u2")
    rows = np.pad(packed_, ((0, 0), (0, packed_.shape[1] % 2)))[::-1].astype("<u2").tobytes()
    content = bmp(rows, *s.grey.shape[::-1], 16, 3, struct.pack("<3I", 0xF800, 0x7E0, 0x1F))
    shown = np.dstack([red * 255 // 31, green * 255 // 63, blue * 255 // 31]).astype(np.uint8)
    return Picture(content, shown, 1.0)


@case("webp", "lossy")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.rgb), "WEBP", quality=95), s.rgb, LOSSY)


@case("webp", "lossless, with alpha")
def _(s: Scene) -> Picture:
    image = Image.fromarray(np.dstack([s.rgb, s.alpha]))
    return Picture(saved(image, "WEBP", lossless=True, exact=True), on_white(s.rgb, s.alpha))


@case("webp", "an animation", REFUSED)
def _(s: Scene) -> Picture:
    frames = [Image.fromarray(s.rgb), Image.fromarray(255 - s.rgb)]
    return Picture(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]), None)


if features.check("avif"):

    @case("AVIF", "colour")
    def _(s: Scene) -> Picture:
        return Picture(saved(Image.fromarray(s.rgb), "AVIF", quality=95, speed=10), s.rgb, LOSSY)

    @case("jpg", "AVIF with alpha, as browsers name it")
    def _(s: Scene) -> Picture:
        image = Image.fromarray(np.dstack([s.rgb, s.alpha]))
        return Picture(saved(image, "AVIF", quality=95, speed=10), on_white(s.rgb, s.alpha), LOSSY)


# Portable maps


@case("pnm", "grey")
def _(s: Scene) -> Picture:
    return Picture(b"P5\n# a comment\n%d %d\n255\n" % s.grey.shape[::-1] + s.grey.tobytes(), s.grey)


@case("pgm", "16 bits")
def _(s: Scene) -> Picture:
    return Picture(b"P5 %d %d 65535\n" % s.grey.shape[::-1] + s.wide.astype(">u2").tobytes(), s.grey)


@case("pgm", "a range of 12 bits, which it names")
def _(s: Scene) -> Picture:
    values = s.grey.astype(np.uint16) * 16 + 8
    values[-1, -1] = 4095
    return Picture(b"P5 %d %d 4095\n" % s.grey.shape[::-1] + values.astype(">u2").tobytes(), s.grey, 1.0)


@case("ppm", "colour")
def _(s: Scene) -> Picture:
    return Picture(b"P6 %d %d 255\n" % s.grey.shape[::-1] + s.rgb.tobytes(), s.rgb)


@case("ppm", "16 bits")
def _(s: Scene) -> Picture:
    return Picture(b"P6 %d %d 65535\n" % s.grey.shape[::-1] + s.wide_rgb.astype(">u2").tobytes(), s.rgb, 1.0)


@case("ppm", "a range of 12 bits, which it names")
def _(s: Scene) -> Picture:
    content = b"P6 %d %d 4095\n" % s.grey.shape[::-1] + ((s.wide_rgb >> 4) // 3).astype(">u2").tobytes()
    return Picture(content, s.rgb // 3, 1.0)


@case("ppm", "12 bits of a camera in 16", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(b"P6 %d %d 65535\n" % s.grey.shape[::-1] + (s.wide_rgb >> 4).astype(">u2").tobytes(), None)


@case("ppm", "numbers as text")
def _(s: Scene) -> Picture:
    text = " ".join(map(str, s.rgb.ravel().tolist()))
    return Picture(b"P3 %d %d 255\n" % s.grey.shape[::-1] + text.encode(), s.rgb)


@case("pbm", "1 is black")
def _(s: Scene) -> Picture:
    dark = s.grey < 128
    return Picture(b"P4 %d %d\n" % s.grey.shape[::-1] + np.packbits(dark, 1).tobytes(), np.where(dark, 0, 255))


@case("pgm", "PAM with alpha", REFUSED)
def _(s: Scene) -> Picture:
    head = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" % s.grey.shape[::-1]
    return Picture(head + np.dstack([s.rgb, s.alpha]).tobytes(), None)


# TIFF, written here: any tags, both orders of bytes


def tiff(
    values: np.ndarray,
    photometric: int,
    bits: int = 8,
    order: str = "<",
    sample: int = 1,
    extra: int | None = None,
    tags: dict[int, object] | None = None,
) -> bytes:
    """One strip without compression, of values (H, W) or (H, W, channels)."""
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    if bits in (16, 32):
        pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    else:
        pixels = b"".join(packed(row, bits) for row in values)
    entries: dict[int, object] = {
        256: width,
        257: height,
        258: [bits] * channels,
        259: 1,
        262: photometric,
        273: 8,
        277: channels,
        278: height,
        279: len(pixels),
        339: [sample] * channels,
        **({338: extra} if extra is not None else {}),
        **(tags or {}),
    }
    start = 8 + len(pixels) + len(pixels) % 2
    after, later = start + 2 + 12 * len(entries) + 4, b""
    table = struct.pack(f"{order}H", len(entries))
    for tag, value in sorted(entries.items()):
        numbers = value if isinstance(value, list) else [value]
        wide = tag in (273, 279)
        content = struct.pack(f"{order}{len(numbers)}{'I' if wide else 'H'}", *numbers)
        table += struct.pack(f"{order}HHI", tag, 4 if wide else 3, len(numbers))
        if len(content) > 4:
            table += struct.pack(f"{order}I", after + len(later))
            later += content + b"\0" * (len(content) % 2)
        else:
            table += content.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    return head + pixels + b"\0" * (len(pixels) % 2) + table + bytes(4) + later


for order in "<>":
    kind = {"<": "little", ">": "big"}[order] + " end first"

    @case("tiff", f"grey of 16 bits, {kind}")
    def _(s: Scene, order: str = order) -> Picture:
        return Picture(tiff(s.wide, 1, 16, order), s.grey)

    @case("tif", f"colour of 16 bits, {kind}")
    def _(s: Scene, order: str = order) -> Picture:
        return Picture(tiff(s.wide_rgb, 2, 16, order), s.rgb)

    @case("tif", f"colour and alpha, {kind}")
    def _(s: Scene, order: str = order) -> Picture:
        return Picture(tiff(np.dstack([s.rgb, s.alpha]), 2, order=order, extra=2), on_white(s.rgb, s.alpha))

    @case("tif", f"signed numbers of 16 bits, {kind}", REFUSED)
    def _(s: Scene, order: str = order) -> Picture:
        return Picture(tiff((s.wide.astype(int) - 32768).astype(np.int16), 1, 16, order, sample=2), None)


@case("tif", "white is 0")
def _(s: Scene) -> Picture:
    return Picture(tiff(255 - s.grey, 0), s.grey)


@case("tif", "white is 0, of 16 bits")
def _(s: Scene) -> Picture:
    return Picture(tiff(65535 - s.wide, 0, 16), s.grey)


@case("tif", "white is 0, of 4 bits")
def _(s: Scene) -> Picture:
    values = s.grey >> 4
    return Picture(tiff(15 - values, 0, 4), values * 17)


@case("tif", "white is 0, of 1 bit")
def _(s: Scene) -> Picture:
    dark = s.grey < 128
    return Picture(tiff(dark.astype(np.uint8), 0, 1), np.where(dark, 0, 255))


@case("tif", "12 bits, which it names")
def _(s: Scene) -> Picture:
    values = s.wide >> 4
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(*values.shape, 2), axis=2)[..., 4:]
    rows = np.packbits(bits.reshape(len(values), -1), axis=1)
    content = tiff(rows, 1, 8, tags={256: values.shape[1], 258: 12})
    return Picture(content, s.grey)


@case("tif", "colour and a fourth number that is no alpha")
def _(s: Scene) -> Picture:
    return Picture(tiff(np.dstack([s.rgb, s.alpha]), 2, extra=0), s.rgb)


@case("tif", "colour that is multiplied by alpha")
def _(s: Scene) -> Picture:
    shown = on_white(s.rgb, s.alpha)
    by_alpha = np.floor(s.rgb * (s.alpha[..., None] / 255) + 0.5).astype(np.uint8)
    return Picture(tiff(np.dstack([by_alpha, s.alpha]), 2, extra=1), shown, 1.0)


@case("tif", "grey that is multiplied by alpha")
def _(s: Scene) -> Picture:
    by_alpha = np.floor(s.grey * (s.alpha / 255) + 0.5).astype(np.uint8)
    return Picture(tiff(np.dstack([by_alpha, s.alpha]), 1, extra=1), on_white(s.grey, s.alpha), 1.0)


@case("tif", "grey and alpha")
def _(s: Scene) -> Picture:
    return Picture(tiff(np.dstack([s.grey, s.alpha]), 1, extra=2), on_white(s.grey, s.alpha))


@case("tif", "palette")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    table = np.zeros((256, 3), int)
    table[: len(palette)] = palette.astype(int) * 257
    return Picture(tiff(places, 3, tags={320: table.T.ravel().tolist()}), palette[places])


@case("tif", "palette and alpha")
def _(s: Scene) -> Picture:
    palette, places = colours(s)
    table = np.zeros((256, 3), int)
    table[: len(palette)] = palette.astype(int) * 257
    content = tiff(np.dstack([places, s.alpha]), 3, extra=2, tags={320: table.T.ravel().tolist()})
    return Picture(content, on_white(palette[places], s.alpha))


@case("tif", "CMYK")
def _(s: Scene) -> Picture:
    ink, shown = inked(s)
    return Picture(tiff(ink, 5), shown, 1.0)


@case("tif", "CMYK of 16 bits, little ink")
def _(s: Scene) -> Picture:
    ink = (inked(s)[0] // 3).astype(np.uint16)
    shown = (255 - ink[..., :3].astype(float)) * (255 - ink[..., 3:]) / 255
    return Picture(tiff(ink * 257, 5, 16), np.floor(shown + 0.5).astype(np.uint8), 1.0)


@case("tif", "YCbCr")
def _(s: Scene) -> Picture:
    red, green, blue = (s.rgb[..., i].astype(float) for i in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    values = np.dstack([luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402]).round().clip(0, 255)
    return Picture(tiff(values.astype(np.uint8), 6, tags={530: [1, 1]}), s.rgb, 2.0)


@case("tif", "colour, LZW")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.rgb), "TIFF", compression="tiff_lzw"), s.rgb)


@case("tif", "grey of 16 bits, deflated")
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.wide), "TIFF", compression="tiff_adobe_deflate"), s.grey)


@case("tif", "white is 0, of 16 bits, LZW")
def _(s: Scene) -> Picture:
    image = Image.fromarray(65535 - s.wide)
    return Picture(saved(image, "TIFF", compression="tiff_lzw", tiffinfo={262: 0}), s.grey)


@case("tif", "several pages", REFUSED)
def _(s: Scene) -> Picture:
    pages = [Image.fromarray(s.rgb), Image.fromarray(255 - s.rgb)]
    return Picture(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]), None)


@case("tif", "Lab", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(tiff(s.rgb, 8), None)


@case("tif", "signed numbers of 8 bits", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(tiff(s.grey, 1, sample=2), None)


@case("tif", "real numbers", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(saved(Image.fromarray(s.grey.astype(np.float32)), "TIFF"), None)


@case("tif", "32 bits", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(tiff(s.wide.astype(np.uint32), 1, 32), None)


for bits in (8, 10, 12, 14):

    @case("png", f"{bits} bits of a camera in 16", REFUSED)
    def _(s: Scene, bits: int = bits) -> Picture:
        return Picture(png(s.wide >> (16 - bits), 16, 0), None)

    @case("tif", f"{bits} bits of a camera in 16", REFUSED)
    def _(s: Scene, bits: int = bits) -> Picture:
        return Picture(tiff(s.wide >> (16 - bits), 1, 16), None)

    @case("png", f"{bits} bits of a camera in 16, in colour", REFUSED)
    def _(s: Scene, bits: int = bits) -> Picture:
        return Picture(png(s.wide_rgb >> (16 - bits), 16, 2), None)

    @case("tif", f"{bits} bits of a camera in 16, in colour", REFUSED)
    def _(s: Scene, bits: int = bits) -> Picture:
        return Picture(tiff(s.wide_rgb >> (16 - bits), 2, 16, ">"), None)


@case("png", "16 bits and one transparent colour", REFUSED)
def _(s: Scene) -> Picture:
    return Picture(png(s.wide_rgb, 16, 2, {b"tRNS": struct.pack(">3H", *s.wide_rgb[3, 3].tolist())}), None)


@case("png", "an animation", REFUSED)
def _(s: Scene) -> Picture:
    frames = [Image.fromarray(s.rgb), Image.fromarray(255 - s.rgb)]
    return Picture(saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), None)


# Names


NAMES = (
    "a picture.png",
    "UPPER.PNG",
    "#1.png",
    "100%.png",
    "%20.png",
    "-dash.png",
    "--size=3.png",
    "a'b\"c.png",
    "caf\u00e9.png",
    "cafe\u0301 2.png",
    "\u5199\u771f.png",
    "\U0001f600.png",
    "x" * 200 + ".png",
    "two..dots.png",
    "a.tar.png",
    "$HOME.png",
    "[1].png",
    "a*b?.png",
    "below/deeper/deep.png",
    "new\nline.png",
    "&amp;.png",
    "~.png",
)
HIDDEN = (".hidden.png", "._resource.png", ".ipynb_checkpoints/copy.png", ".thumbnails/small.png")


def write(place: Path, picture: Picture) -> Path:
    """Write one file, and the folders above it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(picture.content)
    return place


def write_folder(root: Path, seed: int, classes: tuple[str, ...] = ("cat", "dog")) -> Iterator[tuple[Path, np.ndarray]]:
    """Write train/ and test/ with every kind that is read; each file, and what it shows."""
    for part, step in (("train", 1), ("test", 5)):
        for i, (ending, make) in enumerate(list(CASES.values())[::step]):
            picture = make(Scene(seed + i))
            file = root / part / classes[i % len(classes)] / f"{i:03}.{ending}"
            yield write(file, picture), picture.shown
