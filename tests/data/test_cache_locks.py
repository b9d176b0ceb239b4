"""What is kept of decoded images: by their pixels, one lock a data set, and nobody else's files are touched."""

import os
import signal
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kdlab
from kdlab import Error
from kdlab.core.places import cache_root, installed_memory
from kdlab.data import cache, kept, load

DRAW = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache in which the smallest data set is kept."""
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "FEW", 4)
    load.cache_clear()
    yield tmp_path / "kept"
    load.cache_clear()


def small(root, ending="png"):
    for directory in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (root / directory).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(DRAW.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(root / directory / f"{i}.{ending}")
    return root


def read(root, size=None):
    load.cache_clear()
    return load(f"folder:{root}", size)


def left():
    """What lies in the cache beside locks, by the ends of the names."""
    return sorted(file.suffix for file in cache_root().glob("*") if file.name[0] != ".")


# What is kept


def large(root):
    for directory in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (root / directory).mkdir(parents=True)
        Image.fromarray(np.full((2200, 2000), 200, np.uint8)).save(root / directory / "0.png")
    return root


def test_few_photographs_of_many_pixels_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "FEW", 400)
    first = read(large(tmp_path / "large"), 8)
    assert len(kept()) == 1 and first.train_x.eq(200).all()
    monkeypatch.setattr(cache, "_build", lambda *_: pytest.fail("decoded again"))
    assert read(tmp_path / "large", 8).fingerprint() == first.fingerprint()
    read(small(tmp_path / "small"))
    assert len(kept()) == 1, "few images of few pixels are read anew"


@pytest.mark.filterwarnings("ignore:.* Until then they are decoded at each start")
def test_few_photographs_are_read_also_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(cache, "FEW", 400)
    assert read(large(tmp_path / "large"), 8).train_x.eq(200).all()


@pytest.mark.parametrize("ending", ["bmp", "png"])
def test_images_that_are_exchanged_with_name_size_and_time_kept_are_noticed(ending, tmp_path):
    """As from an archive whose times are all the same."""
    root = small(tmp_path / "set", "bmp")
    one, other = (root / "train" / "cat" / f"{i}.bmp" for i in range(2))
    if ending == "png":  # what the name says is not what is in the file
        one, other = (file.rename(file.with_suffix(".png")) for file in (one, other))
    for file in (one, other):
        os.utime(file, ns=(10**18, 10**18))
    before = read(root)
    contents = one.read_bytes(), other.read_bytes()
    for file, content in zip((other, one), contents, strict=True):
        file.write_bytes(content)
        os.utime(file, ns=(10**18, 10**18))
    after = read(root)
    assert after.train_x[:2].equal(before.train_x[:2].flip(0)) and after.fingerprint() != before.fingerprint()


def test_a_rebuild_leaves_other_files_alone(tmp_path):
    root = small(tmp_path / "set")
    read(root)
    (file,) = cache_root().glob("*.npy")
    key = file.name.split("-")[-2]
    mine = [file.with_name(name) for name in (f"notes-{key}-mine.txt", f"{file.name}.bak", f"{key}.part")]
    for each in mine:
        each.write_text("mine")
    (root / "train" / "cat" / "0.png").unlink()
    assert len(read(root).train_y) == 3 and not file.exists()
    assert [each.exists() for each in mine] == [True] * 3


# Processes and threads


@pytest.fixture
def slow(monkeypatch):
    """Decoding of a folder "slow" begins, and goes on when it may."""
    real, begun, go_on = cache._write, threading.Event(), threading.Event()

    def wait(file, files, *rest):
        if "/slow/" in Path(files[0]).as_posix():
            begun.set()
            go_on.wait(60)
        return real(file, files, *rest)

    monkeypatch.setattr(cache, "_write", wait)
    yield begun, go_on
    go_on.set()


def reading(root, results):
    thread = threading.Thread(target=lambda: results.append(read(root)))
    thread.start()
    return thread


def test_one_data_set_does_not_wait_for_another(tmp_path, slow):
    begun, go_on = slow
    waited, quick = [], []
    first = reading(small(tmp_path / "slow"), waited)
    assert begun.wait(60)
    second = reading(small(tmp_path / "quick"), quick)
    second.join(5)
    alone = len(quick)
    go_on.set()
    first.join(60), second.join(60)
    assert alone == 1, "it was read while the other was decoded"
    assert len(waited) == 1 and len(kept()) == 2 and left() == [".npy", ".npy"]


def test_a_process_that_waits_for_another_says_so(tmp_path, slow, monkeypatch):
    monkeypatch.setattr(cache, "SILENT_SECONDS", 0.05, raising=False)
    begun, go_on = slow
    results, root = [], small(tmp_path / "slow")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        threads = [reading(root, results)]
        assert begun.wait(60)
        threads.append(reading(root, results))
        for _ in range(100):
            if not said:
                threads[1].join(0.05)
        words = [str(each.message) for each in said]
        go_on.set()
        for thread in threads:
            thread.join(60)
    assert words and f"another process is decoding the images of {root}: waiting for it" in words[0]
    assert results[0].fingerprint() == results[1].fingerprint() and len(kept()) == 1


def test_what_is_being_decoded_is_not_cleared(tmp_path, slow):
    begun, go_on = slow
    results = []
    read(small(tmp_path / "quick"))
    thread = reading(small(tmp_path / "slow"), results)
    assert begun.wait(60)
    with pytest.raises(Error, match="a process is decoding images into .*: try again"):
        kdlab.data.clear()
    go_on.set()
    thread.join(60)
    assert len(kept()) == 2 and kdlab.data.clear() > 0 and not left()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_ended_leaves_nothing_or_what_the_next_one_removes(number, tmp_path, monkeypatch):
    root = small(tmp_path / "set")
    monkeypatch.setattr(cache, "_write", lambda *_: os.kill(os.getpid(), number) or signal.pause())
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            read(root)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == number
    if number == signal.SIGTERM:
        assert not left()
    monkeypatch.undo()
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "FEW", 4)
    read(small(tmp_path / "another") if number == signal.SIGKILL else root)
    assert left() == [".npy"]


# Memory


@pytest.mark.skipif(os.name == "nt", reason="control groups are Linux's")
@pytest.mark.parametrize(
    "group, limit",
    [
        ("4:memory:/docker/0123", "memory/memory.limit_in_bytes"),
        ("4:cpu,memory:/slice/lab", "memory/slice/lab/memory.limit_in_bytes"),
        ("4:memory:/slice/lab", "memory/slice/memory.limit_in_bytes"),
        ("0::/", "memory.max"),
        ("0::/slice/lab", "slice/memory.max"),
    ],
)
def test_the_limit_of_a_control_group_counts(group, limit, monkeypatch):
    files = {"/proc/self/cgroup": f"9:pids:/\n{group}\n", f"/sys/fs/cgroup/{limit}": "500000000\n"}
    real = Path.read_text

    def read_text(self, *args, **options):
        if str(self) in files:
            return files[str(self)]
        if str(self).startswith("/sys/fs/cgroup/"):
            raise FileNotFoundError(str(self))
        return real(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert installed_memory() == 500_000_000
