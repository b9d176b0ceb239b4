"""Photographs of many sizes: cropped at random as threads decode them, the same bits for any number of these."""

import errno
import multiprocessing
import multiprocessing.synchronize
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from making import TINY
from own_images import animals
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

import kdlab
from kdlab import Config, Error
from kdlab.data import Batches, load, split
from kdlab.data.changes import View
from kdlab.data.photographs import Crop, Photographs, turns
from kdlab.engine import store

DRAW = np.random.default_rng(0)


@pytest.fixture
def uneven(tmp_path):
    """Photographs of many sizes, lying and standing."""
    load.cache_clear()
    yield animals(tmp_path / "uneven", lambda: DRAW.integers(12, 30, 2), count=12)
    load.cache_clear()


def batches_of(folder, workers, monkeypatch, views=("weak",), shared=None, **options):
    monkeypatch.setenv("KDLAB_WORKERS", str(workers))
    load.cache_clear()
    images = load(f"photographs:{folder}", 16)
    family = kdlab.AUGMENTATIONS["photographs"]
    return Batches(
        split(images, validation=0.2),
        [family[role] for role in views],
        sampling="all",
        batch=8,
        shared=family[shared] if shared else None,
        **options,
    )


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
    crops = {}
    for epoch in (0, 1):
        for batch in batches.epoch(0, epoch):
            for index, image in zip(batch.index.tolist(), batch.x[0], strict=True):
                crops.setdefault(index, []).append(image)
    assert len(crops) == len(batches.y) == 30
    for images in crops.values():
        assert len({image.numpy().tobytes() for image in images}) == len(images) >= 4


def test_crops_are_torchvisions(uneven):
    """The pixels of a box, and the central crop of an evaluation: Resize(18), CenterCrop(16)."""
    (file,) = [str(next((uneven / "train" / "cat").glob("*.png")))]
    photographs, image = Photographs([file], 16), Image.open(file)
    crop = Crop((0.3, 0.6), (3 / 4, 4 / 3))
    left, top, right, lower = crop.box(*image.size, np.random.default_rng(5))
    theirs = TF.resized_crop(image, top, left, lower - top, right - left, [16, 16], antialias=True)
    ours = np.empty((1, 3, 16, 16), np.uint8)
    photographs.draw(0, [crop], np.random.default_rng(5), ours)
    assert np.array_equal(ours[0].transpose(1, 2, 0), np.asarray(theirs))
    central = TF.center_crop(TF.resize(image, [18], antialias=True), [16, 16])
    assert np.array_equal(photographs[0].permute(1, 2, 0), np.asarray(central))


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
        with pytest.raises(Error, match=r"dog/000.png is not a readable image \(it is a text\): mend or"):
            kdlab.run(config)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_evaluation_sees_the_same_memory_layout_with_any_number_of_workers(workers, uneven, monkeypatch):
    """Strides decide which kernels compute, and so the last bits."""
    monkeypatch.setenv("KDLAB_WORKERS", workers)
    images = load(f"photographs:{uneven}", 16).test_x
    assert all(chunk.is_contiguous() for chunk in images.split(5)) and images[:2].is_contiguous()
    assert images[:0].shape == (0, 3, 16, 16) and images[np.int64(1)].shape == (3, 16, 16)


def small(folder, **fields):
    """A run of a moment on photographs."""
    tiny = {**TINY, "dataset": f"photographs:{folder}", "size": 16, "steps": 4, "epochs": 1, "batch": 4, "labels": None}
    return Config(**{**tiny, **fields})


def trained(config):
    """Whether a run trains, or what it raises."""
    try:
        return kdlab.run(config)["epochs"] == config.epochs
    except Exception as error:
        return f"{type(error).__name__}: {error}"


SCRIPT = """
import multiprocessing, sys
multiprocessing.set_start_method(sys.argv[1])
print("started", flush=True)
from kdlab import Config, run
run(Config(dataset="photographs:" + sys.argv[2], size=16, width=0.125, epochs=1, steps=2, batch=4))
print("trained", flush=True)
"""


@pytest.mark.parametrize("start", ["spawn"])
def test_a_script_without_a_main_guard_trains_however_processes_start(start, uneven, tmp_path):
    """As macOS and Windows start processes: they would run the script again, whose lock its parent holds."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "KDLAB_RUNS": str(tmp_path / "runs"), "KDLAB_WORKERS": "2", "KDLAB_PROGRESS": "0"}
    command = [sys.executable, str(script), start, str(uneven)]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(timeout=60)[0].split()
        except subprocess.TimeoutExpired:
            said = "it waits for itself"
            os.killpg(process.pid, signal.SIGKILL)
    assert said == ["started", "trained"]


POOL = """
import multiprocessing, sys
from test_photographs import small, trained
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.apply(trained, [small(sys.argv[1])]))
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes start slowly here")
def test_a_process_of_a_pool_trains(uneven, runs):
    """It is daemonic, and may start no process of its own; nothing was trained before it was forked."""
    folders = (Path(__file__).parent, Path(__file__).parents[1], Path(kdlab.__file__).parents[1])
    paths = os.pathsep.join(map(str, folders))
    environment = {**os.environ, "PYTHONPATH": paths, "KDLAB_RUNS": str(runs), "KDLAB_WORKERS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", POOL, str(uneven)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "True", done.stdout + done.stderr


def test_a_thread_trains(uneven, runs, monkeypatch):
    """As those of an executor of a cluster do."""
    monkeypatch.setenv("KDLAB_WORKERS", "2")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(trained, small(uneven)).result() is True


def test_there_is_no_process_that_could_be_killed(uneven, runs, monkeypatch):
    """For want of memory systems end processes, and the run that waits for one would fail anywhere in a step."""
    monkeypatch.setenv("KDLAB_WORKERS", "2")
    children, log = [], store.RunFolder.log

    class Looking(View):
        def draw(self, shape, generator):
            children.extend(multiprocessing.active_children())
            return []

    data = split(load(f"photographs:{uneven}", 16))
    batches = Batches(data, [Looking()], sampling="all", batch=8, steps=3)
    assert len(list(batches.epoch(0, 0))) == 3 and not children
    monkeypatch.setattr(
        store.RunFolder, "log", lambda *line: (children.extend(multiprocessing.active_children()), log(*line))
    )
    assert trained(small(uneven)) is True and not children


def test_neither_semaphores_nor_shared_memory_are_needed(uneven, runs, monkeypatch):
    """A container's /dev/shm may be full, or not writable."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("KDLAB_WORKERS", "2")
    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", full)
    assert trained(small(uneven)) is True


def test_where_no_thread_can_be_started_a_sentence_says_so(uneven, runs, monkeypatch):
    def none(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setenv("KDLAB_WORKERS", "2")
    monkeypatch.setattr(threading.Thread, "start", none)
    assert trained(small(uneven)).startswith("Error: a thread that reads images cannot be started (can't start new")


@pytest.mark.parametrize(
    "variable, value",
    [
        ("KDLAB_WORKERS", "many"),
        ("KDLAB_WORKERS", "-1"),
        ("KDLAB_WORKERS", ""),
        ("KDLAB_MEMORY", "lots"),
        ("KDLAB_MEMORY", "0"),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_wrong_variables_are_refused_before_anything_is_written(variable, value, fresh, uneven, runs, monkeypatch):
    monkeypatch.setenv(variable, value)
    before = sorted(runs.rglob("*"))
    with pytest.raises(Error, match=f"{variable}={value}: give the "):
        kdlab.run(small(uneven, teacher=small(uneven), method="kd"), fresh=fresh)
    assert sorted(runs.rglob("*")) == before
