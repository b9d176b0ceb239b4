"""Decoded images: read once and kept, noticed when they change; every format that a folder may hold."""

import multiprocessing
import os
import warnings
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from typer.testing import CliRunner

from kdlab.cli import app as cli
from kdlab.core.errors import Error
from kdlab.core.places import cache_root
from kdlab.data import cache, load
from kdlab.data.cache import clear, sizes
from kdlab.data.files import decode
from kdlab.data.photographs import Stored

DRAW = np.random.default_rng(0)
TRAIN, TEST = 24, 10


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A folder with enough images to be kept."""
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "FEW", TRAIN)
    for part, count in (("train", TRAIN), ("test", TEST)):
        for name in ("cat", "dog"):
            (tmp_path / "set" / part / name).mkdir(parents=True)
            for i in range(count // 2):
                pixels = DRAW.integers(0, 256, (6, 5, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "set" / part / name / f"{i:03}.png")
    load.cache_clear()
    yield tmp_path / "set"
    load.cache_clear()


def read(folder, size=None):
    load.cache_clear()
    return load(f"folder:{folder}", size)


def fingerprint_of(folder):
    return read(folder).fingerprint()


def left():
    """What lies in the cache beside locks, by the ends of the names."""
    return sorted(file.suffix for file in cache_root().glob("*") if file.name[0] != ".")


def nothing_decoded(monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache, "_write", refuse)


@pytest.fixture
def limited():
    """A function that limits the size of the files that this process writes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda count: resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


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


def test_several_threads_decode_as_one_does(many, monkeypatch):
    monkeypatch.setattr(cache, "processors", lambda: 1)
    alone = read(many)
    clear()
    monkeypatch.setattr(cache, "processors", lambda: 3)
    assert torch.equal(read(many).train_x, alone.train_x)


def test_another_size_is_kept_beside(many, monkeypatch):
    read(many), read(many, 4)
    assert len(sizes()) == 2 and 0 < sum(sizes().values()) - (TRAIN + TEST) * 3 * (30 + 16) < 1000, (
        "pixels, and little else"
    )
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
    (file,) = cache_root().glob("*.npy")
    content = bytearray(file.read_bytes())
    content[1000] ^= 4
    del before
    load.cache_clear()
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{file} is damaged: its images are decoded anew"):
        mended = read(many)
    assert torch.equal(mended.train_x[0], torch.tensor(decode(str(many / "train/cat/000.png"), None)).permute(2, 0, 1))


@pytest.mark.parametrize("limit", ["1000", "0.0005"])
@pytest.mark.parametrize("bit", range(8))
@pytest.mark.filterwarnings("ignore:.* streams")
def test_a_flipped_bit_of_the_header_is_noticed_and_mended(many, bit, limit, monkeypatch):
    monkeypatch.setenv("KDLAB_MEMORY", limit)
    before = read(many).fingerprint()
    (file,) = cache_root().glob("*.npy")
    content = bytearray(file.read_bytes())
    content[content.index(b"}")] ^= 1 << bit
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged: its images are decoded anew"):
        assert read(many).fingerprint() == before


@pytest.mark.parametrize("damaged", [True, False])
def test_what_a_build_replaces_makes_room_for_it(many, damaged, monkeypatch):
    read(many)
    (file,) = cache_root().glob("*.npy")
    content = file.read_bytes()
    load.cache_clear()
    if damaged:
        file.write_bytes(b"damaged")
    else:  # a build of these images, as they were before, that was killed
        file.rename(file.with_name(f"{file.stem[:-16]}{16 * 'a'}.part"))
    free = type("Usage", (), {"free": 0})

    def usage(path):
        free.free = 10**9 * (not [each for each in cache_root().iterdir() if each.suffix in (".npy", ".part")])
        return free

    monkeypatch.setattr(cache.shutil, "disk_usage", usage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(many)
    assert len(left()) == 1 and file.read_bytes() == content


@pytest.mark.parametrize("broken", [b"", b"not an image"])
def test_a_damaged_image_leaves_nothing_that_looks_finished(many, broken):
    (many / "test" / "dog" / "004.png").write_bytes(broken)
    with pytest.raises(Error, match="test/dog/004.png is not a readable image"):
        read(many)
    assert not left()


@pytest.mark.parametrize("facts", [b"", b"{}", b"[1]\n4", b"another mean", b"another shape"])
@pytest.mark.parametrize("limit", ["1000", "0.0005"])
@pytest.mark.filterwarnings("ignore:.* streams")
def test_damaged_facts_are_noticed_and_mended(many, facts, limit, monkeypatch):
    monkeypatch.setenv("KDLAB_MEMORY", limit)
    before = read(many).fingerprint()
    (file,) = cache_root().glob("*.npy")
    content = file.read_bytes()
    start = content.index(b'{"mean')
    if facts == b"another mean":
        changed = content.replace(b'{"mean": [0.', b'{"mean": [1.')
    elif facts == b"another shape":
        changed = content.replace(b"3, 6, 5)", b"3, 6, 4)")
    else:
        changed = content[:start] + facts
    assert changed != content
    file.write_bytes(changed)
    with pytest.warns(UserWarning, match="is damaged: its images are decoded anew"):
        assert read(many).fingerprint() == before


def test_a_missing_file_is_named(many):
    (many / "train" / "cat" / "lost.png").symlink_to("nowhere.png")
    with pytest.raises(Error, match="lost.png is not a readable image .No such file or directory"):
        read(many)


def test_what_a_killed_build_left_goes_with_the_next(many):
    cache_root().mkdir()
    (cache_root() / f"pets-own-{uuid4().hex[:12]}-{uuid4().hex[:16]}.part").write_bytes(b"12345")
    read(many)
    assert left() == [".npy"]


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
    (file,) = cache_root().glob("*.npy")
    content = bytearray(file.read_bytes())
    content[1000] ^= 4
    load.cache_clear()
    file.write_bytes(content)
    if limit == "1000":
        with pytest.warns(UserWarning, match="is damaged: its images are decoded anew"):
            read(many)
    else:
        with pytest.raises(Error, match="hold other images than those in the cache: kdlab data clear"):
            CliRunner().invoke(cli.app, verify, catch_exceptions=False)


def test_few_images_that_are_too_large_are_kept_and_stream(many, monkeypatch):
    monkeypatch.setattr(cache, "FEW", 400)
    assert isinstance(read(many).train_x, torch.Tensor) and not sizes()
    monkeypatch.setenv("KDLAB_MEMORY", "0.0005")
    assert isinstance(read(many).train_x, Stored) and len(sizes()) == 1


def test_what_is_of_an_older_source_goes_with_the_next(many):
    read(many)
    (many / "train" / "cat" / "000.png").unlink()
    assert len(read(many).train_y) == TRAIN - 1 and left() == [".npy"]


def test_nothing_is_cleared_while_a_process_builds(many):
    read(many)
    with (
        FileLock(cache_root() / ".lock"),
        pytest.raises(Error, match="a process is decoding images into .*: try again"),
    ):
        clear()
    assert len(sizes()) == 1


@pytest.mark.skipif(os.name == "nt", reason="no limit of the size of a file")
@pytest.mark.parametrize("room", [1000, 3200])  # too little for the pixels, and for what is known of them
def test_a_full_disk_is_one_sentence(many, room, limited):
    limited(room)
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
        fingerprints = pool.map(fingerprint_of, [many, many], chunksize=1)
    assert set(fingerprints) == {fingerprint_of(many)} and left() == [".npy"]


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
