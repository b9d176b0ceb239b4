"""Images in folders: PATH/train/<class>/*.png, and PATH/test/ (or PATH/val/) with the same classes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from ..errors import Error
from .images import ImageSet


def folder(part: str, size: int | None = None) -> ImageSet:
    """Images of your own: PATH/train/CLASS/*.png (or .jpg, ...), and PATH/test/ or PATH/val/ with the same classes.

    Images of different sizes are brought to `size`; without it they must agree. Greyscale throughout gives one channel,
    otherwise three. Where test/ and val/ both exist, val/ is for validation.
    """
    root = Path(part).expanduser()
    if not root.is_dir():
        raise Error(f"there is no folder {root}: folder:PATH needs PATH/train/ and PATH/test/ or PATH/val/")
    parts = {name: root / name for name in ("train", "test", "val") if (root / name).is_dir()}
    if "train" not in parts or len(parts) == 1:
        raise Error(f"{root} needs a train/ and a test/ or val/ folder, it has {_names(root) or 'no folders'}")
    files = {name: _listing(place) for name, place in parts.items()}
    classes = tuple(files["train"])
    for name, listing in files.items():
        if odd := set(listing) ^ set(classes):
            raise Error(f"the classes of {parts[name]} and {parts['train']} differ: {', '.join(sorted(odd))}")
    loaded = {name: _load(listing, size) for name, listing in files.items()}
    channels = max(x.shape[1] for x, _ in loaded.values())
    shapes = {(x.shape[2], x.shape[3]) for x, _ in loaded.values()}
    if len(shapes) > 1:
        raise Error(f"the images under {root} have several sizes, {_sizes(shapes)}: set size to the pixels you want")
    loaded = {name: (x.expand(-1, channels, -1, -1).contiguous(), y) for name, (x, y) in loaded.items()}
    test = loaded["test"] if "test" in loaded else loaded["val"]
    val = loaded["val"] if len(loaded) == 3 else (None, None)
    return ImageSet(f"folder:{part}", classes, *loaded["train"], *test, style="colour", val_x=val[0], val_y=val[1])


def _names(root: Path) -> str:
    return ", ".join(sorted(f"{p.name}/" for p in root.iterdir() if p.is_dir()))


def _sizes(shapes: set[tuple[int, int]]) -> str:
    return ", ".join(f"{h} x {w}" for h, w in sorted(shapes)[:3]) + (" ..." if len(shapes) > 3 else "")


def _listing(place: Path) -> dict[str, list[Path]]:
    """Class name -> its image files, both sorted."""
    found = {
        folder.name: sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMG_EXTENSIONS)
        for folder in sorted(place.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    }
    if empty := [name for name, files in found.items() if not files] or ([place.name] if not found else []):
        raise Error(
            f"no images in {place} for {', '.join(empty)}: each class needs a folder with {', '.join(IMG_EXTENSIONS)}"
        )
    return found


def _load(listing: dict[str, list[Path]], size: int | None) -> tuple[Tensor, Tensor]:
    files = [f for group in listing.values() for f in group]
    labels = torch.tensor([label for label, group in enumerate(listing.values()) for _ in group])
    return read_images(files, size, files[0].parents[1]), labels


def read_images(files: Sequence[Path], size: int | None, place: Path) -> Tensor:
    """uint8 (n, C, H, W), at `size` x `size` pixels if that is given; C is 1 if all files are greyscale, else 3."""
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
        arrays = list(pool.map(lambda file: _decode(file, size), files))
    shapes = {a.shape[:2] for a in arrays}
    if len(shapes) > 1:
        raise Error(f"the images under {place} have several sizes, {_sizes(shapes)}: set size to the pixels you want")
    channels = 3 if any(a.ndim == 3 for a in arrays) else 1
    images = np.empty((len(arrays), channels, *shapes.pop()), dtype=np.uint8)
    for image, a in zip(images, arrays, strict=True):
        image[:] = a if a.ndim == 2 else a.transpose(2, 0, 1)
    return torch.from_numpy(images)


def _decode(file: Path, size: int | None) -> np.ndarray:
    """One image as uint8, (H, W) for greyscale and (H, W, 3) for anything else."""
    try:
        with Image.open(file) as opened:
            image = opened.convert("L" if opened.mode in ("1", "L", "I", "I;16", "F") else "RGB")
            if size:
                image = image.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise Error(f"{file} is not a readable image ({error}): mend or remove it") from error
