"""Images larger than memory: read from the file that they were decoded into, with the bits they would have in it."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from making import TINY
from own_images import animals, write_noise

import kdlab
from kdlab import Config, Error
from kdlab.core.places import memory_limit
from kdlab.data import cache, load, split
from kdlab.data.photographs import Stored

DRAW = np.random.default_rng(0)


@pytest.fixture
def even(tmp_path, monkeypatch):
    """Images of one size, enough to be kept."""
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "FEW", 50)
    return animals(tmp_path / "even", lambda: (10, 10))


def streamed(place, monkeypatch, megabytes="0.001"):
    monkeypatch.setenv("KDLAB_MEMORY", megabytes)
    load.cache_clear()
    with pytest.warns(UserWarning, match="streams: its images take 0 MB, and KDLAB_MEMORY allows 0"):
        return load(f"folder:{place}")


def test_what_streams_is_what_is_in_memory(even, monkeypatch):
    whole = load(f"folder:{even}")
    assert isinstance(whole.train_x, torch.Tensor)
    images = streamed(even, monkeypatch)
    assert isinstance(images.train_x, Stored) and images.train_x.shape == whole.train_x.shape == (90, 3, 10, 10)
    assert images.fingerprint() == whole.fingerprint() and (images.mean, images.std) == (whole.mean, whole.std)
    assert torch.equal(torch.cat(list(images.train_x.split(7))), whole.train_x)
    rows = torch.tensor([5, 3, 3, 89, 0])
    assert torch.equal(images.test_x[:4], whole.test_x[:4]) and torch.equal(images.train_x[rows], whole.train_x[rows])
    assert torch.equal(images.train_x[-1], whole.train_x[-1]) and torch.equal(images.train_x[2], whole.train_x[2])
    assert len(images.train_x[rows[:0]]) == 0
    assert torch.equal(images.train_x.only(rows)[:], whole.train_x[rows])
    a, b = split(images, 12, seed=3), split(whole, 12, seed=3)
    assert torch.equal(a.x[torch.arange(len(a.x))], b.x) and torch.equal(a.y, b.y)
    assert torch.equal(a.val_x[:], b.val_x) and torch.equal(a.truth, b.truth)


def test_what_streams_is_sent_and_copied_by_the_name_of_its_file(even, monkeypatch):
    images = streamed(even, monkeypatch)
    rows = torch.tensor([5, 3, 3, 89, 0])
    content = pickle.dumps(images.train_x.only(rows))
    assert len(content) < 2_000 < images.train_x.pixels.nbytes
    for other in (pickle.loads(content), copy.deepcopy(images.train_x.only(rows))):
        assert torch.equal(other[:], images.train_x[rows]) and isinstance(other.pixels, np.memmap)
        assert str(other.pixels.filename) == str(images.train_x.pixels.filename)


def test_statistics_and_fingerprint_are_those_of_memory_also_when_it_is_built_streaming(even, monkeypatch, tmp_path):
    images = streamed(even, monkeypatch)
    monkeypatch.delenv("KDLAB_MEMORY")
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "another"))
    load.cache_clear()
    whole = load(f"folder:{even}")
    assert images.fingerprint() == whole.fingerprint() and (images.mean, images.std) == (whole.mean, whole.std)


@pytest.mark.parametrize("method", ["supervised", "simclr", "litenet_ssd"])
def test_a_streamed_run_is_the_run_in_memory(method, even, tmp_path, monkeypatch):
    task = {**TINY, "dataset": f"folder:{even}", "labels": 30, "validation": 0.2}
    teacher = {"teacher": Config(**{**task, "model": "resnet8", "epochs": 1})} if method == "litenet_ssd" else {}
    config = Config(**{**task, "method": method, **teacher})
    outcomes = {}
    for place in ("memory", "stream"):
        monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / place))
        if place == "stream":
            streamed(even, monkeypatch)
        result = kdlab.run(config)
        assert isinstance(result.images.train_x, Stored) == (place == "stream")
        timed = ("seconds", "cpu_seconds", "environment")
        metrics = {k: v for k, v in result.metrics.items() if k not in timed}
        outcomes[place] = result.folder.name, metrics, result.network().state_dict()
    (name, metrics, weights), (again, others, streamed_weights) = outcomes.values()
    assert name == again and metrics == others
    assert all(torch.equal(weights[key], streamed_weights[key]) for key in weights)


def test_a_file_that_was_cut_short_is_decoded_anew_or_named(even, monkeypatch):
    images = streamed(even, monkeypatch)
    (kept,) = Path(os.environ["KDLAB_CACHE"]).glob("*.npy")
    size = kept.stat().st_size
    os.truncate(kept, 1000)
    with pytest.raises(Error, match="has become shorter than it was: kdlab data clear"):
        images.test_x[:]
    load.cache_clear()
    with pytest.warns(UserWarning, match="is damaged: its images are decoded anew"):
        again = load(f"folder:{even}")
    assert kept.stat().st_size == size and again.fingerprint() == images.fingerprint()


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be removed there")
def test_what_streams_is_read_on_when_the_cache_is_cleared(even, monkeypatch):
    whole = load(f"folder:{even}").train_x.clone()
    images = streamed(even, monkeypatch)
    assert cache.clear() > 0 and torch.equal(images.train_x[:], whole)


@pytest.mark.parametrize("given", ["much", "-3", "0", "", "inf", "nan"])
def test_a_limit_that_is_none(given, monkeypatch):
    monkeypatch.setenv("KDLAB_MEMORY", given)
    with pytest.raises(Error, match=f"KDLAB_MEMORY={given}: give the megabytes that"):
        memory_limit()


MEASURE = """
import sys, warnings
warnings.simplefilter("ignore")
from kdlab import AUGMENTATIONS
from kdlab.data import Batches, load, split

def epoch(name):
    images = load(name, 64)
    data = split(images)
    for batch in Batches(data, [AUGMENTATIONS["none"]["weak"]], sampling="labelled", batch=32).epoch(0, 0):
        batch.x.sum(), look()
    for part in (data.val_x, images.test_x):
        for chunk in part.split(32):
            chunk.sum(), look()

def anonymous():
    # Megabytes that no file holds: what is mapped from one the system can take back at any time
    return int(open("/proc/self/status").read().split("RssAnon:")[1].split()[0]) / 1e3

def look():
    global peak
    peak = max(peak, anonymous())

peak = 0
epoch("digits")
load.cache_clear()
before = anonymous()
peak = 0
epoch("folder:" + sys.argv[1])
print(peak - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_streams_stays_under_its_memory(tmp_path):
    """Ten times the allowed memory: 60 MB of images of 64 pixels, 6 MB allowed; built, split, read and evaluated."""
    for part, count in (("train", 1400), ("test", 220)):
        for name in ("cat", "dog", "owl"):
            write_noise(tmp_path / "set", part, name, count, lambda: (64, 64))
    used = {}
    for megabytes in ("6", "600"):
        environment = {
            **os.environ,
            "KDLAB_MEMORY": megabytes,
            "OMP_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "1",
            "MALLOC_MMAP_THRESHOLD_": "65536",  # what is freed goes back to the system
            "KDLAB_CACHE": str(tmp_path / megabytes),
        }
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path / "set")],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        used[megabytes] = float(done.stdout.split()[-1])
    assert used["600"] > 45, f"in memory it takes what it has: {used}"
    assert used["6"] < 30, f"streamed it takes the pieces that statistics are computed in, and a batch: {used}"
