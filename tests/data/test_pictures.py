"""What a picture shows is what is read of it, for every kind of file that people have, or it is refused by name."""

import os
import socket
import threading
import warnings
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import functional as TF
from torture import CASES, HIDDEN, NAMES, REFUSED, SHOWN, Picture, Scene, exif, png, saved, write, write_folder

import kdlab
from kdlab import Config, Error
from kdlab.data import load

EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One folder for all examples: to make and to remove folders would take most of the time."""
    return tmp_path_factory.mktemp("set")


def folder_of(root, picture, ending="png"):
    """A data set whose first image is `picture`; the others are grey, of the same size."""
    for old in Path(root).glob("train/cat/a.*"):
        old.unlink()
    file = write(Path(root) / "train" / "cat" / f"a.{ending}", picture)
    height, width = (24, 40) if picture.shown is None else picture.shown.shape[:2]
    other = Picture(png(np.full((height, width), 128, np.uint8), 8, 0), None)
    for directory in ("train/dog", "test/cat", "test/dog"):
        write(Path(root) / directory / "b.png", other)
    return file


def read(root, size=None, reader="folder"):
    """The data set; that it is refused is a failure."""
    load.cache_clear()
    try:
        images = load(f"{reader}:{root}", size)
        images.train_x[:1]  # photographs are decoded when they are asked for
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}")
    return images


def compare(image, shown, tolerance, what):
    """An image (C, H, W), and the pixels that it should be."""
    shown = shown[None] if shown.ndim == 2 else shown.transpose(2, 0, 1)
    assert tuple(image.shape) == shown.shape, what
    difference = np.abs(image.numpy().astype(int) - shown)
    assert difference.max() <= tolerance if tolerance < 3 else difference.mean() <= tolerance, (
        what,
        difference.mean(),
        difference.max(),
    )


def refused(root, file, reader="folder", size=None):
    """The one sentence that names the file, or None where it is read."""
    load.cache_clear()
    try:
        for _ in load(f"{reader}:{root}", size).train_x.split(100):
            pass
        return None
    except Exception as error:
        sentence = str(error) if isinstance(error, Error) else pytest.fail(f"{type(error).__name__}: {error}")
    assert file.name in sentence and "\n" not in sentence and len(sentence) < 400 + len(str(file)), sentence
    assert sentence.isprintable() and "decompression" not in sentence, sentence
    return sentence


# Every kind of file


@pytest.mark.parametrize("kind", CASES)
def test_a_folder_reads_what_a_picture_shows(kind, root):
    ending, make = CASES[kind]
    picture = make(Scene(5))
    folder_of(root, picture, ending)
    compare(read(root).train_x[0], picture.shown, picture.tolerance, kind)


@given(kind=st.sampled_from(sorted(CASES)), seed=SEEDS)
@EXAMPLES
def test_whatever_the_scene_it_is_what_the_picture_shows(root, kind, seed):
    ending, make = CASES[kind]
    picture = make(Scene(seed))
    folder_of(root, picture, ending)
    compare(read(root).train_x[0], picture.shown, picture.tolerance, kind)


@pytest.mark.parametrize("kind", CASES)
def test_photographs_show_the_same(kind, root, monkeypatch):
    """The central crop of an evaluation: torchvision's Resize(18) and CenterCrop(16) of what the picture shows."""
    monkeypatch.setenv("KDLAB_WORKERS", "0")
    ending, make = CASES[kind]
    picture = make(Scene(5))
    folder_of(root, picture, ending)
    image = read(root, 16, "photographs").train_x[0]
    whole = Image.fromarray(picture.shown.astype(np.uint8)).convert("RGB")
    expected = np.asarray(TF.center_crop(TF.resize(whole, [18], antialias=True), [16, 16]))
    compare(image, expected, picture.tolerance, kind)


@pytest.mark.parametrize("reader", ["folder", "photographs"])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_nobody_can_know_is_refused_in_one_sentence(kind, reader, root, monkeypatch):
    monkeypatch.setenv("KDLAB_WORKERS", "0")
    ending, make = REFUSED[kind]
    file = folder_of(root, make(Scene(6, 24, 40)), ending)
    sentence = refused(root, file, reader, 16)
    assert sentence, kind
    if "bits of a camera" in kind:
        assert "16 bits and no value above" in sentence
    if "signed" in kind:
        assert "signed numbers" in sentence and "32 bits" not in sentence


def test_the_largest_value_is_named(tmp_path):
    values = Scene(7).wide >> 4
    file = folder_of(tmp_path, Picture(png(values, 16, 0), None))
    assert f"no value above {values.max()}," in (refused(tmp_path, file, size=16) or "it was read")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
@given(kind=st.sampled_from(sorted(CASES)), seed=SEEDS, share=st.floats(0.0, 0.999))
@EXAMPLES
def test_half_a_file_is_refused_by_name_or_whole_all_the_same(root, kind, seed, share):
    """Some formats end with what their pixels do not need."""
    ending, make = CASES[kind]
    picture = make(Scene(seed))
    cut = Picture(picture.content[: int(share * len(picture.content))], picture.shown)
    file = folder_of(root, cut, ending)
    if refused(root, file) is None:
        compare(read(root).train_x[0], picture.shown, picture.tolerance, (kind, share))


@pytest.mark.filterwarnings("ignore")
@given(kind=st.sampled_from(sorted(CASES)), seed=SEEDS, places=st.lists(st.floats(0, 0.999), min_size=1, max_size=4))
@EXAMPLES
def test_damage_is_never_a_traceback(root, kind, seed, places):
    ending, make = CASES[kind]
    picture = make(Scene(seed))
    content = bytearray(picture.content)
    for directory in places:
        content[int(directory * len(content))] ^= 0xFF
    file = folder_of(root, Picture(bytes(content), picture.shown), ending)
    refused(root, file, size=8)


# The whole folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("torture")
    return root, list(write_folder(root, 11))


@pytest.mark.parametrize("reader", ["folder", "photographs"])
def test_a_run_trains_on_all_of_them(folder, reader, runs, monkeypatch):
    monkeypatch.setenv("KDLAB_WORKERS", "0")
    load.cache_clear()
    root, written = folder
    small = {"model": "resnet8", "width": 0.125, "epochs": 1, "steps": 2, "batch": 8, "validation": 0}
    try:
        result = kdlab.run(Config(dataset=f"{reader}:{root}", size=16, **small))
    except Error as error:
        pytest.fail(str(error))
    assert len(result.images.train_y) + len(result.images.test_y) == len(written)
    sides = {shown.shape[:2] for _, shown in written}
    assert len(sides) > 20, "pictures of many sizes"


def test_orientation_counts_before_size(tmp_path):
    """A picture of 40 x 10 that lies is squeezed as it stands, and not as it lies."""
    scene = Scene(3, 10, 40)
    folder_of(tmp_path, Picture(png(scene.rgb, 8, 2, {b"eXIf": exif(6)}), SHOWN[6](scene.rgb)))
    expected = Image.fromarray(SHOWN[6](scene.rgb)).resize((16, 16), Image.Resampling.BILINEAR)
    compare(read(tmp_path, 16).train_x[0], np.asarray(expected), 0, "turned, then squeezed")


def test_photographs_that_are_turned_have_another_fingerprint_than_lying_ones(tmp_path):
    """Two folders of one content are one data set, on all machines."""
    picture = Picture(saved(Image.fromarray(Scene(4).rgb), "JPEG"), Scene(4).rgb)
    for name in ("one", "two"):
        folder_of(tmp_path / name, picture, "jpg")
    one, two = (read(tmp_path / name, 16, "photographs").fingerprint() for name in ("one", "two"))
    assert one == two


# Names


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_names_of_every_kind_are_read(tmp_path):
    """Each picture is of one shade: whatever the order, all of them come."""
    shades = {}
    for i, name in enumerate(NAMES):
        for part in ("train", "test"):
            picture = Picture(png(np.full((4, 4), i, np.uint8), 8, 0), None)
            shades[write(tmp_path / part / ("cat", "dog")[i % 2] / name, picture)] = i
    hidden = Picture(png(np.full((4, 4), 255, np.uint8), 8, 0), None)
    for name in HIDDEN:
        write(tmp_path / "train" / "cat" / name, hidden)
    images = read(tmp_path)
    assert sorted(images.train_x[:, 0, 0, 0].tolist()) == sorted(images.test_x[:, 0, 0, 0].tolist())
    assert sorted(images.train_x[:, 0, 0, 0].tolist()) == list(range(len(NAMES)))


# Files that are no files


@contextmanager
def pipe(directory):
    """A pipe that somebody writes into whenever it is opened, so that a reader that opens it comes back."""
    os.mkfifo(directory)
    done = threading.Event()

    def feed():
        while not done.is_set():
            with suppress(BrokenPipeError), directory.open("wb", buffering=0) as end:
                end.write(b"no image" * 10)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        done.set()
        end = os.open(directory, os.O_RDONLY | os.O_NONBLOCK)  # lets the writer go
        thread.join()
        os.close(end)


@contextmanager
def listening(directory):
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(directory.parent)  # the name of a socket is short
        server.bind(directory.name)
        os.chdir(before)
        yield


@contextmanager
def device(directory):
    directory.symlink_to(os.devnull)
    yield


@pytest.mark.filterwarnings("ignore:.*1 file is left out")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("reader", ["folder", "photographs"])
@pytest.mark.parametrize("kind", [pipe, listening, device])
def test_what_is_no_file_is_refused_or_left_out(kind, reader, tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_WORKERS", "0")
    folder_of(tmp_path, Picture(png(np.zeros((24, 40), np.uint8), 8, 0), np.zeros((24, 40), np.uint8)))
    odd = tmp_path / "train" / "cat" / "odd.png"
    with kind(odd):
        sentence = refused(tmp_path, odd, reader, 16)
        if sentence is None:
            assert len(read(tmp_path, 16, reader).train_y) == 2
        else:
            assert "not an image file" in sentence


# Large pictures


def test_too_many_pixels_say_how_many_are_allowed_and_the_way_out(tmp_path, monkeypatch):
    def blank(width, height):  # a head that promises more than the file holds
        content = png(np.zeros((1, 1), np.uint8), 8, 0)
        head = content[12:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + content[24:29]
        return Picture(content[:12] + head + zlib.crc32(head).to_bytes(4, "big") + content[33:], None)

    file = folder_of(tmp_path, blank(20_000, 10_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none is shown
        sentence = refused(tmp_path, file, size=8) or "it was read"
        assert "200.0 million pixels, and 179.0 million are allowed: make it smaller" in sentence
        assert "KDLAB_MEGAPIXELS" in sentence
        monkeypatch.setenv("KDLAB_MEGAPIXELS", "300")
        assert "is not a readable image (image file is truncated" in (refused(tmp_path, file, size=8) or "")
        folder_of(tmp_path, blank(12_000, 10_000))
        monkeypatch.delenv("KDLAB_MEGAPIXELS")
        sentence = refused(tmp_path, file, size=8) or "it was read"
        assert "image file is truncated" in sentence and "DOS" not in sentence


@pytest.mark.parametrize("given", ["many", "-1", "0", "nan", ""])
def test_a_limit_that_is_none(given, tmp_path, monkeypatch):
    folder_of(tmp_path, Picture(png(np.zeros((4, 4), np.uint8), 8, 0), np.zeros((4, 4))))
    monkeypatch.setenv("KDLAB_MEGAPIXELS", given)
    load.cache_clear()
    with pytest.raises(Error) as caught:
        load(f"folder:{tmp_path}")
    wanted = f"KDLAB_MEGAPIXELS={given}: give the millions of pixels that one image may have, such as 400"
    assert str(caught.value) == wanted


def test_pillows_own_limit_is_left_as_it_was_whatever_threads_do(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_WORKERS", "4")
    folder_of(tmp_path, Picture(png(np.zeros((4, 4), np.uint8), 8, 0), np.zeros((4, 4))))
    before = Image.MAX_IMAGE_PIXELS
    images = read(tmp_path, 8, "photographs")
    for _ in range(20):
        assert len(list(images.train_x.split(1))) == 2
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_thread_of_a_picture_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    """Brought to a height of 256 it would be 25 million pixels wide."""
    monkeypatch.setenv("KDLAB_WORKERS", "0")
    file = folder_of(tmp_path, Picture(png(np.zeros((1, 100_000), np.uint8), 8, 0), np.zeros((24, 40))))
    monkeypatch.setattr(Image.Image, "resize", lambda *_: pytest.fail("resized"))
    with pytest.raises(Error, match="a.png, brought to 25600000 x 256, has 6,553.6 million pixels, and .* are allowed"):
        load(f"photographs:{tmp_path}", 224).train_x[:1]
    assert file.exists()


@pytest.mark.parametrize("dataset", ["digits", "folder", "photographs"])
def test_a_size_that_no_memory_holds_is_one_sentence(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    folder_of(tmp_path / "set", Picture(png(np.zeros((24, 40), np.uint8), 8, 0), np.zeros((24, 40))))
    name = dataset if dataset == "digits" else f"{dataset}:{tmp_path / 'set'}"
    load.cache_clear()
    try:
        load(name, 10_000_000)
        message = "it was read"
    except Exception as error:
        message = str(error) if isinstance(error, Error) else f"{type(error).__name__}, no sentence"
    assert "smaller size" in message
    assert torch.is_tensor(load("digits").train_x)


@pytest.mark.parametrize("threads", [1, 3])
def test_one_dark_image_of_16_bits_has_the_range_of_the_others(threads, tmp_path, monkeypatch):
    monkeypatch.setattr("kdlab.data.cache.processors", lambda: threads)
    for part in ("train", "test"):
        for name, most in (("a", 60_000), ("b", 300)):
            (tmp_path / part / name).mkdir(parents=True)
            values = np.arange(64, dtype=np.uint16).reshape(8, 8) * (most // 63)
            Image.fromarray(values).save(tmp_path / part / name / "0.png")
    images = read(tmp_path)
    assert images.train_x.amax((1, 2, 3)).tolist() == [59976 >> 8, 252 >> 8]
