"""Photographs of many sizes: cropped at random as processes decode them, the same bits for any number of these."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from making import TINY
from PIL import Image
from test_streaming import folder
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

import kdlab
from kdlab import Config, Error
from kdlab.data import Batches, load, split
from kdlab.data.photographs import Crop, Files, Photographs, turns
from kdlab.engine import store

DRAW = np.random.default_rng(0)


@pytest.fixture
def uneven(tmp_path):
    """Photographs of many sizes, lying and standing."""
    load.cache_clear()
    yield folder(tmp_path / "uneven", lambda: DRAW.integers(12, 30, 2), count=12)
    load.cache_clear()


def batches_of(place, workers, monkeypatch, views=("weak",), shared=None, **options):
    monkeypatch.setenv("KDLAB_WORKERS", str(workers))
    load.cache_clear()
    images = load(f"photographs:{place}", 16)
    family = kdlab.AUGMENTATIONS["photographs"]
    return Batches(
        split(images, validation=0.2), [family[role] for role in views], sampling="all", batch=8,
        shared=family[shared] if shared else None, **options,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")
@pytest.mark.parametrize("views, shared", [(["weak"], None), (["strong", "second"], None), (["crop"] * 4, "flip")])
def test_any_number_of_workers_gives_the_same_bits(views, shared, uneven, monkeypatch):
    torch.manual_seed(1)
    first, *others = (
        list(batches_of(uneven, workers, monkeypatch, views, shared, steps=5).epoch(0, 2)) for workers in (0, 1, 3)
    )
    monkeypatch.setattr("kdlab.data.processes.get_start_method", lambda: "spawn")  # no memory that is shared
    others.append(list(batches_of(uneven, 3, monkeypatch, views, shared, steps=5).epoch(0, 2)))
    assert first[0].x.shape == (len(views), 8, 3, 16, 16)
    for other in others:
        assert all(torch.equal(a.x, b.x) and torch.equal(a.index, b.index) for a, b in zip(first, other, strict=True))
    if len(views) > 1:
        assert torch.equal(first[0].x[0], first[0].x[1]) == (shared is not None), "versions of one crop, or two crops"
    torch.manual_seed(1)
    assert torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(1))), "global draws: none"


def test_an_image_that_comes_twice_is_cropped_anew_and_each_epoch_differs(uneven, monkeypatch):
    batches = batches_of(uneven, 0, monkeypatch, normalise=False, steps=8)  # 64 images an epoch, of 30
    seen = {}
    for epoch in (0, 1):
        for batch in batches.epoch(0, epoch):
            for index, image in zip(batch.index.tolist(), batch.x[0], strict=True):
                seen.setdefault(index, []).append(image)
    assert len(seen) == len(batches.y) == 30
    for images in seen.values():
        assert len({image.numpy().tobytes() for image in images}) == len(images) >= 4


def test_crops_are_torchvisions(uneven):
    """The pixels of a box, and the central crop of an evaluation: Resize(18), CenterCrop(16)."""
    (file,) = [str(next((uneven / "train" / "cat").glob("*.png")))]
    files, image = Files([file], 16), Image.open(file)
    crop = Crop((0.3, 0.6), (3 / 4, 4 / 3))
    left, top, right, lower = crop.box(*image.size, np.random.default_rng(5))
    theirs = TF.resized_crop(image, top, left, lower - top, right - left, [16, 16], antialias=True)
    ours = files.room(1)
    files.draw(0, [crop], np.random.default_rng(5), ours)
    assert np.array_equal(ours[0].transpose(1, 2, 0), np.asarray(theirs))
    central = TF.center_crop(TF.resize(image, [18], antialias=True), [16, 16])
    assert np.array_equal(Photographs(files)[0].permute(1, 2, 0), np.asarray(central))


def test_boxes_are_drawn_as_torchvision_draws_them():
    """Means and spreads of many boxes on a lying image; boxes that no draw fits are central."""
    draw, image, scale, ratio = np.random.default_rng(0), torch.empty(3, 300, 400), (0.08, 1.0), (3 / 4, 4 / 3)
    torch.manual_seed(0)
    theirs = np.array([RandomResizedCrop.get_params(image, scale, ratio) for _ in range(4000)])
    boxes = np.array([Crop(scale, ratio).box(400, 300, draw) for _ in range(4000)])
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= 400).all() and (boxes[:, 3] <= 300).all()
    ours = np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], 1)
    assert np.allclose(ours.mean(0), theirs.mean(0), atol=5) and np.allclose(ours.std(0), theirs.std(0), atol=5)
    assert np.allclose(np.corrcoef(ours.T), np.corrcoef(theirs.T), atol=0.08)
    assert Crop((1.0, 1.0), (1.0, 1.0)).box(90, 30, draw) == (30, 0, 60, 30)
    assert turns(torch.tensor([[3, 1], [3, 3], [1, 2]])).tolist() == [[0, 0], [1, 2], [1, 0]]


def test_photographs_train_and_go_on_within_an_epoch(uneven, runs, monkeypatch):
    """Killed after every second step, and continued with another number of workers."""
    config = Config(**{**TINY, "dataset": f"photographs:{uneven}", "size": 16, "steps": 4, "epochs": 2, "batch": 8})
    monkeypatch.setenv("KDLAB_WORKERS", "2")
    whole = kdlab.run(config)
    assert whole.folder.name.startswith("photographs_uneven")
    weights, save, steps = whole.network().state_dict(), store.RunFolder.save, []
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "killed"))
    monkeypatch.setattr(store, "WITHIN_SECONDS", 0.0)

    def die(self, state):
        save(self, state)
        if state["within"] and state["within"]["step"] == 2:
            steps.append(state["epoch"])
            raise KeyboardInterrupt

    monkeypatch.setattr(store.RunFolder, "save", die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            kdlab.run(config)
        monkeypatch.setenv("KDLAB_WORKERS", "0")
    again = kdlab.run(config)
    assert steps == [0, 1] and again["test/nll"] == whole["test/nll"]
    assert all(torch.equal(weights[name], tensor) for name, tensor in again.network().state_dict().items())


def test_a_broken_photograph_is_named(uneven, runs, monkeypatch):
    config = Config(**{**TINY, "dataset": f"photographs:{uneven}", "size": 16, "steps": 4, "epochs": 1, "batch": 8})
    (uneven / "train" / "dog" / "000.png").write_bytes(b"broken")
    for workers in ("0", "2"):
        monkeypatch.setenv("KDLAB_WORKERS", workers)
        with pytest.raises(Error, match=r"dog/000.png is not a readable image \(UnidentifiedImageError\): mend or"):
            kdlab.run(config)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_evaluation_sees_the_same_memory_layout_with_any_number_of_workers(workers, uneven, monkeypatch):
    """Strides decide which kernels compute, and so the last bits."""
    monkeypatch.setenv("KDLAB_WORKERS", workers)
    images = load(f"photographs:{uneven}", 16).test_x
    assert all(chunk.is_contiguous() for chunk in images.split(5)) and images[:2].is_contiguous()
    assert images[:0].shape == (0, 3, 16, 16) and images[np.int64(1)].shape == (3, 16, 16)


ORPHANS = """
import os, signal, sys, torch
from kdlab.data import load
images = load("photographs:" + sys.argv[1], 64).train_x
order = torch.randint(0, len(images), (400, 32))
for batch in images.crops(order, [None], (0, 0)):
    print(os.getpid(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_end_with_their_parent_however_that_ends(uneven):
    done = subprocess.run(
        [sys.executable, "-c", ORPHANS, str(uneven)], env={**os.environ, "KDLAB_WORKERS": "2"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip(), done.stderr[-300:]  # which comes when the last of them has closed it
    deadline = time.monotonic() + 30
    while left := [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(uneven).encode() in _text(p)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def _text(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("given", ["many", "-1"])
def test_a_number_of_workers_that_is_none(given, uneven, monkeypatch):
    with pytest.raises(Error, match=f"KDLAB_WORKERS={given}: give the number of processes"):
        next(batches_of(uneven, given, monkeypatch).epoch(0, 0))
