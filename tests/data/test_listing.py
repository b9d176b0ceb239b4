"""Which files of a folder are images: what systems leave there is passed over, what cannot be read is counted."""

import shutil
import socket
import warnings

import numpy as np
import pytest
from genuine import IDS, write_tiny
from own_images import counts, fill, image, loaded, pets, refused
from PIL import Image

from kdlab import Error
from kdlab.data import load

HIDDEN_FOLDERS = (
    ".ipynb_checkpoints",
    ".thumbnails",
    ".Trash-1000",
    ".Spotlight-V100",
    "@eaDir",
    "$RECYCLE.BIN",
    "System Volume Information",
    "__MACOSX",
    "lost+found",
    "#recycle",
    "_gsdata_",
)
HIDDEN_FILES = (
    "._000.png",
    ".nfs000000123.png",
    ".hidden.jpg",
    "Thumbs.db",
    "desktop.ini",
    ".DS_Store",
    "ehthumbs.db",
    "~$000.png",
    ".~lock.000.png#",
    "~WRL0001.tmp",
)


def quietly(name, size=None):
    """The data set, and the warnings of reading it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        images = loaded(name, size)
    return images, [str(each.message) for each in said]


@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_folders_of_systems_hold_no_images(kind, root):
    whole = loaded(f"{kind}:{root}", 16).fingerprint()
    for name in HIDDEN_FOLDERS:
        for folder in (".", "train", "train/cat", "train/cat/deeper/than/that", "test", "test/dog"):
            fill(root / folder / name, 1)
        images, said = quietly(f"{kind}:{root}", 16)
        assert counts(images.train_y) == [5, 5] and counts(images.test_y) == [3, 3] and not said, name
    assert images.fingerprint() == whole
    fill(root / "train/cat/deeper/than", 1)
    assert counts(loaded(f"{kind}:{root}", 16).train_y) == [6, 5], "what nobody hid counts at every depth"


def test_files_of_systems_are_no_images(root):
    for name in HIDDEN_FILES:
        for folder in (".", "train", "train/cat", "train/cat/deeper", "test/dog"):
            (root / folder).mkdir(exist_ok=True)
            (root / folder / name).write_bytes(b"\0\5\x16\7\0\2\0\0")
        images, said = quietly(f"folder:{root}")
        assert counts(images.train_y) == [5, 5] and counts(images.test_y) == [3, 3] and not said, name


def test_a_folder_below_a_hidden_one_is_read(tmp_path):
    """Whoever names the way there means it."""
    assert counts(loaded(f"folder:{pets(tmp_path / '.cache' / 'pets')}").train_y) == [5, 5]


def test_hidden_files_of_tiny_imagenet(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    folder = write_tiny(tmp_path)
    before = loaded("tiny-imagenet").fingerprint()
    (folder / "train" / IDS[0] / "images" / f"._{IDS[0]}_0.JPEG").write_bytes(b"\0\5\x16\7")
    shutil.copytree(folder / "train" / IDS[0] / "images", folder / "train" / IDS[0] / "images" / ".ipynb_checkpoints")
    assert loaded("tiny-imagenet").fingerprint() == before
    (folder / "wnids.txt").unlink()
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "@eaDir").mkdir()
    assert len(loaded("tiny-imagenet").classes) == 3


def test_a_hidden_folder_in_val_of_imagenet_is_no_class(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    folder = tmp_path / "imagenet"
    for wnid in IDS[:2]:
        fill(folder / "train" / wnid, 2, "JPEG")
    fill(folder / "val", 2, "JPEG")
    (folder / "val" / ".ipynb_checkpoints").mkdir()
    rows = "\n".join(["ImageId,PredictionString", f"000,{IDS[0]} 1 2 3 4", f"001,{IDS[1]} 1 2 3 4"])
    (folder / "LOC_val_solution.csv").write_text(rows)
    assert loaded("imagenet", 16).test_y.tolist() == [0, 1]


def test_all_endings_that_pillow_reads_are_images(root):
    for i, ending in enumerate(("avif", "AVIF", "jpe", "JPE", "pnm", "dib", "jp2", "j2k", "tga", "pcx", "jfif", "qoi")):
        image(key=i).save(root / "train" / "cat" / f"x{i}.{ending}")
        images, said = quietly(f"folder:{root}")
        assert counts(images.train_y) == [6 + i, 5] and not said, ending


def test_what_cannot_be_read_is_counted_by_ending_and_place(root):
    for folder, name, count in (
        ("train/cat", "x.heic", 4),
        ("train/dog", "x.HEIC", 1),
        ("train/dog/deep", "x.txt", 2),
        ("test/dog", "raw", 1),
        ("train/cat", "x.pdf", 1),
    ):
        (root / folder).mkdir(exist_ok=True)
        for i in range(count):
            (root / folder / f"{i}{name}").write_bytes(b"ftypheic")
    images, said = quietly(f"folder:{root}")
    assert counts(images.train_y) == [5, 5] and len(said) == 1
    for words in (
        f"folder:{root}: 9 files are left out",
        "4 .heic in train/cat",
        "1 .heic in train/dog",
        "2 .txt in train/dog",
        "1 .pdf in train/cat",
        "1 without an ending in test/dog",
        "save .heic as .jpg",
    ):
        assert words in said[0], said


def test_a_class_of_phone_photographs_alone_says_what_it_has(root):
    for file in (root / "train" / "dog").iterdir():
        file.rename(file.with_suffix(".heic"))
    said = refused(f"folder:{root}")
    assert "no images in" in said and "for dog" in said and "5 .heic" in said


def test_what_lies_beside_and_is_not_read_is_named(root):
    fill(root / "extra", 1)
    (root / "valid").mkdir()
    image().save(root / "train" / "loose.png")
    image().save(root / "cover.jpg")
    (root / "README.md").write_text("about")
    images, said = quietly(f"folder:{root}")
    assert counts(images.train_y) == [5, 5] and len(said) == 1
    for words in ("not read: ", "extra/", "valid/", "1 image in train/ outside its folders", "cover.jpg"):
        assert words in said[0], said
    assert "README" not in said[0]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in folders here")
def test_what_is_no_file_is_not_opened(root, monkeypatch):
    """A socket stands for pipes and devices: to open one of these may never end."""
    monkeypatch.chdir(root / "train" / "cat")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.png")
        images, said = quietly(f"folder:{root}")
    assert counts(images.train_y) == [5, 5] and "1 that is no file in train/cat" in said[0]


def test_sets_in_the_layout_of_before_keep_their_identity(tmp_path):
    """Fingerprints as they were: of pixels, labels and names."""
    folder = tmp_path / "gradients"
    for part in ("train", "test"):
        for k, name in enumerate(("a", "b")):
            (folder / part / name).mkdir(parents=True)
            for i in range(3):
                pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3) // (k + 1) + i
                Image.fromarray(pixels).save(folder / part / name / f"{i}.bmp")
    assert loaded(f"folder:{folder}").fingerprint() == "56e41b52074e6080"
    assert loaded("digits").fingerprint() == "e62efa94ddd49aec"


def test_an_empty_folder_that_is_new_is_noticed_in_the_same_process(root):
    images = loaded(f"folder:{root}")
    assert load(f"folder:{root}") is images
    (root / "train" / "fox").mkdir()
    said = None
    try:
        load(f"folder:{root}")
    except Error as error:
        said = str(error)
    assert said is not None and "no images in" in said and "for fox" in said


def test_a_printed_data_set_is_one_line():
    assert repr(loaded("digits")) == (
        "ImageSet('digits': 1,200 images for training, 597 for testing, 10 classes, 1 x 8 x 8)"
    )
