"""Data sets in their own file formats: small genuine files, written as those of the official pages are."""

import pickle
import struct
from hashlib import md5
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets import STL10

DRAW = np.random.default_rng(0)
IDS = ("n01443537", "n01629819", "n02110341")


def write_idx(path: Path, array: np.ndarray):
    """The idx format of MNIST: two zero bytes, 8 = unsigned byte, number of dimensions, sizes, data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


def pixels(*shape):
    return DRAW.integers(0, 256, shape, dtype=np.uint8)


def signed(listed, folder):
    """torchvision's list of files with the checksums of those in `folder`."""
    return [[name, md5((folder / name).read_bytes()).hexdigest()] for name, _ in listed]


def write_cifar(root, reader, monkeypatch, key, meta, classes, rows=20):
    """Pickles as on the official pages: rows of 3,072 bytes, channel after channel."""
    directory = root / reader.base_folder
    directory.mkdir()
    written = {}
    for name, _ in reader.train_list + reader.test_list:
        data, labels = pixels(rows, 3072), [int(c) for c in np.arange(rows) % len(classes)]
        (directory / name).write_bytes(pickle.dumps({"data": data, key: labels}))
        written[name] = data.reshape(rows, 3, 32, 32), labels
    (directory / meta["filename"]).write_bytes(pickle.dumps({meta["key"]: classes}))
    for field in ("train_list", "test_list"):
        monkeypatch.setattr(reader, field, signed(getattr(reader, field), directory))
    monkeypatch.setattr(reader, "meta", {**meta, "md5": md5((directory / meta["filename"]).read_bytes()).hexdigest()})
    return written


def write_stl10(root, monkeypatch, train=40, test=20, unlabeled=30):
    """Binaries as on the official page: bytes, columns first; labels from 1."""
    directory = root / STL10.base_folder
    directory.mkdir()
    written = {}
    for part, count in (("train", train), ("test", test), ("unlabeled", unlabeled)):
        written[part] = pixels(count, 3, 96, 96)
        (directory / f"{part}_X.bin").write_bytes(written[part].transpose(0, 1, 3, 2).tobytes())
        if part != "unlabeled":
            (directory / f"{part}_y.bin").write_bytes((np.arange(count) % 10 + 1).astype(np.uint8).tobytes())
    for field in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, field, signed(getattr(STL10, field), directory))
    return written


def write_tiny(root, name="tiny-imagenet-200", ids=IDS):
    directory = root / name
    lines = []
    for label, wnid in enumerate(ids):
        (directory / "train" / wnid / "images").mkdir(parents=True)
        (directory / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t62\t62\n")
        for i in range(4):  # flat colours survive JPEG
            picture = Image.new("RGB", (64, 64), (60 * label, 40 * i, 200))
            picture = picture.convert("L") if i == 3 else picture
            picture.save(directory / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", quality=95)
    (directory / "val" / "images").mkdir(parents=True)
    for i, wnid in enumerate(reversed(ids)):
        Image.new("L", (64, 64), 50 * i).save(directory / "val" / "images" / f"val_{i}.JPEG", quality=95)
        lines.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t62\t62\n")
    (directory / "val" / "val_annotations.txt").write_text("".join(lines))
    (directory / "wnids.txt").write_text("\n".join(reversed(ids)) + "\n")
    (directory / "words.txt").write_text(
        "n01443537\tgoldfish, Carassius auratus\nn01629819\tcrane\nn02110341\tcrane, Grus\n"
    )
    return directory
