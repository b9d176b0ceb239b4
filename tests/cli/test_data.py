"""The `kdlab data` commands."""

import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kdlab import Error
from kdlab.cli.data import app
from kdlab.data import cache, load


def data(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "FEW", 8)
    for part, count in (("train", 6), ("test", 2)):
        for value, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(np.full((6, 6, 3), 60 * value + i, np.uint8)).save(tmp_path / part / name / f"{i}.png")
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


def test_list_says_what_is_there_and_where_the_rest_must_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    (tmp_path / "tiny-imagenet-100").mkdir()
    lines = {line.split()[0]: line for line in data("list").splitlines()}
    assert lines["cifar100"].endswith(f"NOT THERE: its folder is {tmp_path}/cifar-100-python")
    assert all("NOT THERE" not in lines[name] for name in ("digits", "tiny-imagenet", "folder"))


def test_inspect_counts_classes_and_draws_a_sheet(photos):
    text = data("inspect", f"folder:{photos}", "--labels", "4", "--sheet", photos / "sheet.png", "--verify")
    assert "12 images for training, 4 for testing, 2 classes, 6 x 6 pixels, 3 channels" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["cat"] == ["5", "2", "1", "2"] and rows["all"] == ["10", "4", "2", "4"], "of six, one is for validation"
    assert Image.open(photos / "sheet.png").width > 500 and "verified" in text


def test_an_image_that_is_exchanged_is_seen_whatever_its_name_size_and_time(photos):
    file = photos / "train" / "cat" / "3.png"
    before = data("get", f"folder:{photos}")
    old = file.stat()
    Image.fromarray(np.full((6, 6, 3), 7, np.uint8)).save(file)
    assert file.stat().st_size == old.st_size
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
    load.cache_clear()
    assert data("get", f"folder:{photos}") != before
    assert "verified" in data("inspect", f"folder:{photos}", "--verify")


def test_kept_images_are_listed(photos):
    data("get", f"folder:{photos}", "--size", "4")
    assert "in the cache: " in data("list")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--labels", "abc"], "labels=abc: give a number of images, or a share"),
        (["--sheet", "nowhere/a.png"], "give a name that ends in .png, in a folder that can be written to"),
        (["--labels", "1.5"], "labels=1.5: a share is above 0 and at most 1.0"),
        (["--labels", "NaN"], "labels=nan: a share is above 0"),
        (["--sheet", "a.foo"], "give a name that ends in .png"),
    ],
)
def test_mistakes_are_one_sentence(words, message):
    with pytest.raises(Error, match=message):
        data("inspect", "digits", *words)


def test_photographs_are_decoded_before_anything_is_trained(photos):
    file = photos / "test" / "dog" / "1.png"
    file.write_bytes(file.read_bytes()[:40])
    for options in ([], ["--verify"]):
        with pytest.raises(Error, match=r"1 file that cannot be read, named above"):
            data("inspect", f"photographs:{photos}", "--size", 8, *options)


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_a_name_that_ends_a_line_is_written_as_an_escape(photos):
    odd = photos / "train" / "cat\n\x1b[31mdamaged: 0"
    odd.mkdir()
    (photos / "test" / odd.name).mkdir()
    for part in ("train", "test"):
        Image.fromarray(np.full((6, 6, 3), 9, np.uint8)).save(photos / part / odd.name / "0.png")
    (odd / "notes.txt").write_text("none")
    text = data("inspect", f"folder:{photos}")
    assert "\x1b" not in text and not [
        line for line in text.splitlines() if line.lstrip().startswith(("\x1b", "damaged"))
    ]
    assert r"cat\n\x1b[31mdamaged: 0" in next(line for line in text.splitlines() if "left out" in line)
