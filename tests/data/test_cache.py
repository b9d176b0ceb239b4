"""Decoded images: read once and kept, noticed when they change; every format that a folder may hold."""

import errno
import json
import multiprocessing
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from typer.testing import CliRunner

from kdlab.cli import app as cli
from kdlab.core.errors import Error
from kdlab.data import decoded, load
from kdlab.data import files as decoding
from kdlab.data.decoded import cache_root, clear, sizes
from kdlab.data.files import decode
from kdlab.data.stored import Stored

DRAW = np.random.default_rng(0)
TRAIN, TEST = 24, 10


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A folder with enough images to be kept."""
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(decoded, "FEW", TRAIN)
    for part, count in (("train", TRAIN), ("test", TEST)):
        for name in ("cat", "dog"):
            (tmp_path / "set" / part / name).mkdir(parents=True)
            for i in range(count // 2):
                pixels = DRAW.integers(0, 256, (6, 5, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "set" / part / name / f"{i:03}.png")
    load.cache_clear()
    yield tmp_path / "set"
    load.cache_clear()


def read(place, size=None):
    load.cache_clear()
    return load(f"folder:{place}", size)


def fingerprint_of(place):
    return read(place).fingerprint()


def left():
    """What lies in the cache beside locks, by the ends of the names."""
    return sorted(file.suffix for file in cache_root().glob("*") if file.name[0] != ".")


def nothing_decoded(monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(decoded, "decode_into", refuse)


def test_images_are_decoded_once(many, monkeypatch):
    first = read(many)
    assert first.train_x.shape == (TRAIN, 3, 6, 5) and len(first.test_y) == TEST
    file = many / "train" / "dog" / "003.png"
    assert (first.train_x[TRAIN // 2 + 3].numpy() == decode(str(file), None).transpose(2, 0, 1)).all()
    nothing_decoded(monkeypatch)
    again = read(many)
    with monkeypatch.context() as without:
        without.setattr("kdlab.data.images.blake2b", None)  # it is known, nothing is read for it
        assert again.fingerprint() == first.fingerprint() and again.mean == first.mean
    assert replace(again, train_y=again.train_y.flip(0)).fingerprint() != first.fingerprint()
    assert torch.equal(again.train_x, first.train_x) and torch.equal(again.test_x, first.test_x)
    assert again.resized(4).fingerprint() != again.fingerprint()


def test_processes_decode_as_one_does(many, monkeypatch):
    monkeypatch.setattr("kdlab.data.files.processors", lambda: 1)
    alone = read(many)
    clear()
    monkeypatch.setattr("kdlab.data.files.FEW", 10)
    monkeypatch.setattr("kdlab.data.files.processors", lambda: 3)
    assert torch.equal(read(many).train_x, alone.train_x)


def test_another_size_is_kept_beside(many, monkeypatch):
    read(many), read(many, 4)
    assert len(sizes()) == 2 and sum(sizes().values()) == (TRAIN + TEST) * 3 * (30 + 16)
    nothing_decoded(monkeypatch)
    assert read(many, 4).train_x.shape[-2:] == (4, 4)
    assert clear() > (TRAIN + TEST) * 3 * 46 and not sizes() and not left()


def test_greyscale_throughout_is_one_channel(many):
    for file in many.rglob("*.png"):
        Image.open(file).convert("L").save(file)
    images = read(many)
    assert images.train_x.shape == (TRAIN, 1, 6, 5)
    assert (images.train_x[7, 0].numpy() == np.asarray(Image.open(many / "train" / "cat" / "007.png"))).all()


@pytest.mark.parametrize("change", ["pixels", "name", "another image", "label"])
def test_a_changed_source_is_noticed(many, change):
    before, file = read(many), many / "train" / "cat" / "005.png"
    if change == "pixels":
        Image.fromarray(DRAW.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(file)
    elif change == "another image":
        (many / "train" / "cat" / "zzz.png").write_bytes(file.read_bytes())
    else:
        file.rename(file.with_name("zzz.png") if change == "name" else many / "train" / "dog" / "zzz.png")
    assert read(many).fingerprint() != before.fingerprint()


def test_a_flipped_bit_is_noticed_and_mended(many):
    before = read(many)
    (file,) = cache_root().glob("*.uint8")
    content = bytearray(file.read_bytes())
    content[1000] ^= 4
    del before
    load.cache_clear()
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{file} is damaged: its images are decoded anew"):
        mended = read(many)
    assert torch.equal(mended.train_x[0], torch.tensor(decode(str(many / "train/cat/000.png"), None)).permute(2, 0, 1))


@pytest.mark.parametrize("broken", [b"", b"not an image"])
def test_a_damaged_image_leaves_nothing_that_looks_finished(many, broken):
    (many / "test" / "dog" / "004.png").write_bytes(broken)
    with pytest.raises(Error, match="test/dog/004.png is not a readable image"):
        read(many)
    assert not left()


@pytest.mark.parametrize("facts", ["", "{}", "[1]", '{"shape": [2, 3, 6, 5], "sum": 0}', "another mean"])
def test_damaged_facts_are_noticed_and_mended(many, facts):
    before = read(many).fingerprint()
    (file,) = cache_root().glob("*.json")
    if facts == "another mean":
        told = json.loads(file.read_text())
        facts = json.dumps(told | {"mean": [0.9, *told["mean"][1:]]})
    file.write_text(facts)
    with pytest.warns(UserWarning, match="is damaged: its images are decoded anew"):
        assert read(many).fingerprint() == before


def test_a_missing_file_is_named(many):
    (many / "train" / "cat" / "lost.png").symlink_to("nowhere.png")
    with pytest.raises(Error, match="lost.png is not a readable image .No such file or directory"):
        read(many)


def test_what_a_killed_build_left_goes_with_the_next(many):
    cache_root().mkdir()
    (cache_root() / f"{uuid4().hex}.part").write_bytes(b"12345")
    read(many)
    assert left() == [".json", ".uint8"]


def test_other_files_in_the_folder_stay(many):
    cache_root().mkdir()
    others = [cache_root() / name for name in ("package.json", "film.mkv.part", "mine.uint8", "my-own-notes.json")]
    for other in others:
        other.write_text("mine")
    read(many)
    assert len(sizes()) == 1 and clear() > 0 and not sizes()
    assert [other.read_text() for other in others] == ["mine"] * 4


@pytest.mark.parametrize("limit", ["1000", "0.0005"])
def test_verify_looks_at_what_is_kept_also_where_it_streams(many, limit, monkeypatch):
    monkeypatch.setenv("KDLAB_MEMORY", limit)
    verify = ["data", "inspect", f"folder:{many}", "--verify"]
    assert "verified" in CliRunner().invoke(cli.app, verify, catch_exceptions=False).output
    (file,) = cache_root().glob("*.uint8")
    content = bytearray(file.read_bytes())
    content[1000] ^= 4
    load.cache_clear()
    file.write_bytes(content)
    if limit == "1000":
        with pytest.warns(UserWarning, match="is damaged: its images are decoded anew"):
            read(many)
    else:
        with pytest.raises(Error, match="hold other images than those that are kept: kdlab data clear"):
            CliRunner().invoke(cli.app, verify, catch_exceptions=False)


def test_few_images_that_are_too_large_are_kept_and_stream(many, monkeypatch):
    monkeypatch.setattr(decoded, "FEW", 400)
    assert isinstance(read(many).train_x, torch.Tensor) and not sizes()
    monkeypatch.setenv("KDLAB_MEMORY", "0.0005")
    assert isinstance(read(many).train_x, Stored) and len(sizes()) == 1


def test_no_file_of_the_current_folder_is_run(many, tmp_path, monkeypatch):
    (tmp_path / "numbers.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(decoding, "FEW", 1)  # processes decode
    assert len(read(many).train_y) == TRAIN


def test_what_is_of_an_older_source_goes_with_the_next(many):
    read(many)
    (many / "train" / "cat" / "000.png").unlink()
    assert len(read(many).train_y) == TRAIN - 1 and left() == [".json", ".uint8"]


def test_nothing_is_cleared_while_a_process_builds(many):
    read(many)
    with (
        FileLock(cache_root() / ".lock"),
        pytest.raises(Error, match="a process is decoding images into .*: try again"),
    ):
        clear()
    assert len(sizes()) == 1


def test_processes_that_decode_end_with_their_parent(many):
    """Its end closes their standard input."""
    files = [str(file) for file in sorted(many.rglob("*.png"))] * 400
    job = [str(many / "rows"), [len(files), 3, 6, 5], 0, files, None]
    (many / "rows").write_bytes(bytes(len(files) * 90))
    child = subprocess.Popen([sys.executable, "-m", "kdlab.data.files"], stdin=subprocess.PIPE, text=True)
    print(json.dumps(job), file=child.stdin, flush=True)
    child.stdin.close()
    assert child.wait(60) == 1


@pytest.mark.parametrize("of, call", [(decoded.os, "posix_fallocate"), (Path, "write_text")])  # of pixels, of facts
def test_a_full_disk_is_one_sentence(many, of, call, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(of, call, full, raising=False)
    with pytest.raises(
        Error, match=r"decoded images of 0.0 MB do not fit into .*kept, where [\d,.]+ MB are free: make room"
    ):
        read(many)
    assert not left()


def test_a_place_that_cannot_hold_them_is_one_sentence(many, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(Error, match="cannot hold decoded images .*: set KDLAB_CACHE"):
        read(many)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes start slowly here")
def test_two_processes_build_it_at_once(many):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        told = pool.map(fingerprint_of, [many, many], chunksize=1)
    assert set(told) == {fingerprint_of(many)} and left() == [".json", ".uint8"]


# Formats


GREY = DRAW.integers(0, 256, (6, 5), dtype=np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P", "RGBA", "L", "LA", "1"])
def test_what_a_file_may_hold(tmp_path, mode):
    name = "a.tif" if mode == "CMYK" else "a.png"
    image = Image.fromarray(np.stack([GREY, GREY[::-1], 255 - GREY], 2)).convert(mode)
    image.save(tmp_path / name)
    expected = image.convert("L" if mode in ("L", "LA", "1") else "RGB")
    assert (decode(str(tmp_path / name), None) == np.asarray(expected)).all()


def test_of_16_bits_the_upper_8_count(tmp_path):
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "a.png")
    (tmp_path / "a.pgm").write_bytes(b"P5 5 6 65535\n" + (GREY.astype(">u2") * 257).tobytes())
    assert all((decode(str(tmp_path / name), None) == GREY).all() for name in ("a.png", "a.pgm"))
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(Error, match="b.tif has 32 bits a pixel and so no fixed range: save it with 8 or 16"):
        decode(str(tmp_path / "b.tif"), None)


def test_an_animation_is_refused(tmp_path):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    for name in ("a.webp", "a.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(Error, match=f"{name} is an animation or a stack of 2 images: save the one you want"):
            decode(str(tmp_path / name), None)


def test_a_truncated_file_says_so(tmp_path):
    Image.fromarray(GREY).resize((60, 60)).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) - 300])
    with pytest.raises(Error, match=r"a.jpg is not a readable image \(image file is truncated"):
        decode(str(tmp_path / "a.jpg"), None)


def test_of_a_photograph_with_a_second_picture_the_first_counts(tmp_path):
    pictures = [Image.fromarray(np.stack([GREY] * 3, 2)), Image.fromarray(np.stack([255 - GREY] * 3, 2))]
    pictures[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=pictures[1:], quality=95)
    assert abs(decode(str(tmp_path / "a.jpg"), None).astype(int).mean() - GREY.mean()) < 3


@pytest.fixture
def pets(tmp_path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(GREY).save(tmp_path / part / name / "a.png")
    return tmp_path


def test_a_link_to_the_folder_itself_ends(pets):
    (pets / "train" / "cat" / "again").symlink_to(pets / "train" / "cat")
    (pets / "test" / "dog" / "b.png").symlink_to("b.png")
    with pytest.raises(Error, match="dog/b.png is not a readable image .Too many levels of symbolic links"):
        read(pets)
    (pets / "test" / "dog" / "b.png").unlink()
    assert len(read(pets).train_y) == 2


@pytest.mark.parametrize(
    "to, message",
    [
        ("train/dog", "cat/more and .*train/dog are one folder, of the classes cat and dog: remove the link"),
        ("train", "cat/more/dog and .*train/dog are one folder, of the classes cat and dog: remove the link"),
    ],
)
def test_a_link_to_another_class_is_refused(pets, to, message):
    (pets / "train" / "cat" / "more").symlink_to(pets / to)
    with pytest.raises(Error, match=message):
        read(pets)


def test_a_folder_that_cannot_be_read_is_named(pets):
    (pets / "train" / "loop").symlink_to("loop")
    with pytest.raises(Error, match="train/loop cannot be read .Too many levels of symbolic links.: mend or remove it"):
        read(pets)


def test_gif_and_jfif_are_images(pets):
    Image.fromarray(GREY).save(pets / "train" / "cat" / "b.gif")
    Image.fromarray(GREY).save(pets / "train" / "dog" / "b.jfif", "JPEG")
    assert len(read(pets).train_y) == 4


@pytest.mark.parametrize("one, other", [("Cat", "cat"), ("stra\u00dfe", "STRASSE"), ("caf\u00e9", "cafe\u0301")])
def test_names_that_are_one_elsewhere(tmp_path, one, other):
    for name in (one, other):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.fromarray(GREY).save(tmp_path / "train" / name / "a.png")
    (tmp_path / "test").mkdir()
    with pytest.raises(Error, match="which are one and the same on other systems: rename one"):
        read(tmp_path)
