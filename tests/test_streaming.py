"""Images that do not fit into memory: the same bits as in memory, from a file and from photographs of many sizes."""

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
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

import kdlab
from kdlab import Config, Error
from kdlab.data import Batches, decoded, load, split
from kdlab.data.photographs import Crop, Files, Photographs, turns
from kdlab.data.stored import Stored, memory_limit
from kdlab.engine import store

DRAW = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nothing_loaded():
    load.cache_clear()
    yield
    load.cache_clear()


def write(root, part, name, count, side):
    """`count` images of a class, of height and width `side()`."""
    (root / part / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = DRAW.integers(0, 256, (*side(), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / part / name / f"{i:03}.png")


def folder(root, side, count=30):
    for part, many in (("train", count), ("test", count // 3)):
        for name in ("cat", "dog", "owl"):
            write(root, part, name, many, side)
    return root


@pytest.fixture
def even(tmp_path, monkeypatch):
    """Images of one size, enough to be kept."""
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(decoded, "FEW", 50)
    return folder(tmp_path / "even", lambda: (10, 10))


@pytest.fixture
def uneven(tmp_path):
    """Photographs of many sizes, lying and standing."""
    return folder(tmp_path / "uneven", lambda: DRAW.integers(12, 30, 2), count=12)


def streamed(place, monkeypatch, megabytes="0.001"):
    monkeypatch.setenv("KDLAB_MEMORY", megabytes)
    load.cache_clear()
    with pytest.warns(UserWarning, match="streams: its images take 0 MB, and KDLAB_MEMORY allows 0"):
        return load(f"folder:{place}")


# Images of one size, from the file of what was decoded


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
    a, b = split(images, 12, seed=3), split(whole, 12, seed=3)
    assert torch.equal(a.x[torch.arange(len(a.x))], b.x) and torch.equal(a.y, b.y)
    assert torch.equal(a.val_x[:], b.val_x) and torch.equal(a.truth, b.truth)


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
    found = {}
    for place in ("memory", "stream"):
        monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / place))
        if place == "stream":
            streamed(even, monkeypatch)
        result = kdlab.run(config)
        assert isinstance(result.images.train_x, Stored) == (place == "stream")
        timed = ("seconds", "cpu_seconds", "environment")
        metrics = {k: v for k, v in result.metrics.items() if k not in timed}
        found[place] = result.folder.name, metrics, result.network().state_dict()
    (name, metrics, weights), (again, others, streamed_weights) = found.values()
    assert name == again and metrics == others
    assert all(torch.equal(weights[key], streamed_weights[key]) for key in weights)


def test_a_file_that_was_cut_short_is_decoded_anew_or_named(even, monkeypatch):
    images = streamed(even, monkeypatch)
    (kept,) = Path(os.environ["KDLAB_CACHE"]).glob("*.uint8")
    os.truncate(kept, 1000)
    with pytest.raises(Error, match="has become shorter than it was: kdlab data clear"):
        images.test_x[:]
    load.cache_clear()
    with pytest.warns(UserWarning, match="is damaged: its images are decoded anew"):
        again = load(f"folder:{even}")
    assert kept.stat().st_size == 120 * 300 and again.fingerprint() == images.fingerprint()


@pytest.mark.parametrize("given", ["much", "-3", "0", "", "inf", "nan"])
def test_a_limit_that_is_none(given, monkeypatch):
    monkeypatch.setenv("KDLAB_MEMORY", given)
    with pytest.raises(Error, match=f"KDLAB_MEMORY={given}: give the megabytes that"):
        memory_limit()


# Photographs of many sizes


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
    ours = files.drawn(0, [crop], np.random.default_rng(5))
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


def test_a_run_that_stopped_within_an_epoch_goes_on_on_the_same_kind_of_device(runs, monkeypatch):
    monkeypatch.setattr(store, "WITHIN_SECONDS", 0.0)
    save = store.RunFolder.save

    def die(self, state):
        if state["within"]:
            save(self, {**state, "within": {**state["within"], "device": "cuda"}})
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.RunFolder, "save", die)
        with pytest.raises(KeyboardInterrupt):
            kdlab.run(Config(**TINY))
    with pytest.raises(Error, match="stopped within an epoch on cuda, whose random numbers cpu does not have"):
        kdlab.run(Config(**TINY))
    assert kdlab.run(Config(**TINY), fresh=True)["epochs"] == TINY["epochs"]


def test_a_broken_photograph_is_named_and_no_run_is_left(uneven, runs, monkeypatch):
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


MEASURE = """
import sys, warnings
warnings.simplefilter("ignore")
from kdlab import AUGMENTATIONS
from kdlab.data import Batches, load, split

def epoch(name):
    images = load(name, 64)
    data = split(images)
    for batch in Batches(data, [AUGMENTATIONS["none"]["weak"]], sampling="labelled", batch=32).epoch(0, 0):
        batch.x.sum()
    for part in (data.val_x, images.test_x):
        for chunk in part.split(32):
            chunk.sum()

def of(name):
    return int(open("/proc/self/status").read().split(name + ":")[1].split()[0]) / 1e3

epoch("digits")
load.cache_clear()
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew from here
before = of("VmRSS")
epoch("folder:" + sys.argv[1])
print(of("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_streams_stays_under_its_memory(tmp_path):
    """Ten times the allowed memory: 60 MB of images of 64 pixels, 6 MB allowed; built, split, read and evaluated."""
    for part, count in (("train", 1400), ("test", 220)):
        for name in ("cat", "dog", "owl"):
            write(tmp_path / "set", part, name, count, lambda: (64, 64))
    used = {}
    for megabytes in ("6", "600"):
        environment = {
            **os.environ, "KDLAB_MEMORY": megabytes, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1",
            "KDLAB_CACHE": str(tmp_path / megabytes),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path / "set")], env=environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        used[megabytes] = float(done.stdout.split()[-1])
    assert used["600"] > 105, f"in memory it takes what it has: {used}"
    assert used["6"] < 90, f"streamed it takes the pieces that statistics are computed in, and a batch: {used}"
