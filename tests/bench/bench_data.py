"""What data cost: decoding, a batch from memory, streaming; each as a ratio of two things measured in one run.

    python tests/bench/bench_data.py [FOLDER]    FOLDER/train/CLASS/*.jpg, of one size; else noise; prints a table

Decoding and crops run on all processors, everything else on one thread. Decoding reads the files over again until there
are DECODED; crops are of photographs that are written as noise, as large as ImageNet's. Ratios are medians of ROUNDS
interleaved pairs; seconds are by the clock, as several threads and processes decode, so nothing else should run
meanwhile; those of batches from memory are CPU time.
"""

import os
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from kdlab import AUGMENTATIONS, Config, assemble
from kdlab.core.places import processors
from kdlab.data import Batches, cache, load, split
from kdlab.data.files import picture
from kdlab.data.photographs import Crop, Photographs
from kdlab.engine.train import make_optimizer

torch.set_num_threads(1)
ROUNDS, COUNT, BATCH, DECODED, PHOTOGRAPHS = 5, 6000, 64, 50_000, 1920
CROP = Crop((0.08, 1.0), (3 / 4, 4 / 3))


def noise(root, count=COUNT, width=64, height=64):
    """`count` images in two classes, and a few for testing."""
    draw = np.random.default_rng(0)
    for part, images in (("train", count), ("test", 100)):
        for i in range(images):
            file = root / part / f"class{i % 2}" / f"{i:05}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            small = Image.fromarray(draw.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
            small.resize((width, height), Image.Resampling.BICUBIC).save(file, quality=90)
    return root


def timed(function, clock):
    began = clock()
    function()
    return clock() - began


def ratio(ours, theirs, clock=time.perf_counter):
    """Median of theirs / ours: the share of the other's speed that ours has."""
    return median(timed(theirs, clock) / timed(ours, clock) for _ in range(ROUNDS))


def bare_decoding(files):
    for file in files:
        np.asarray(Image.open(file).convert("RGB"))


def bare_crops(job):
    files, seed = job
    draw = np.random.default_rng(seed)
    for file in files:
        image = picture(file)
        np.asarray(image.crop(CROP.box(*image.size, draw)).resize((224, 224), Image.Resampling.BILINEAR))


def decoding(files, folder):
    """Threads that decode for the cache against a bare loop over the same decoder on as many processes."""
    files = [files[i % len(files)] for i in range(DECODED)]
    parts = [files[i :: processors()] for i in range(processors())]

    def ours():
        with (Path(folder) / "pixels").open("wb") as file:
            cache._write(file, files, None, 0)

    def theirs():
        with get_context("fork").Pool(processors()) as pool:
            pool.map(bare_decoding, parts, chunksize=1)

    return ratio(ours, theirs)


def crops(files):
    """Batches of cropped photographs against a bare loop over decoder and crop on as many processes."""
    photographs = Photographs(files, 224)
    order = torch.randperm(len(files))[: len(files) // BATCH * BATCH].view(-1, BATCH)
    parts = [(files[i :: processors()], i) for i in range(processors())]

    def theirs():
        with get_context("fork").Pool(processors()) as pool:
            pool.map(bare_crops, parts, chunksize=1)

    return ratio(lambda: list(photographs.crops(order, [CROP], (0, 0))), theirs)


def memory(images):
    """An epoch of batches of bytes, 32 pixels, against DataLoader over the same tensor without workers."""
    data = split(images.resized(32), validation=0.0)
    batches = Batches(data, [AUGMENTATIONS["none"]["clean"]], sampling="all", batch=BATCH)
    loader = DataLoader(TensorDataset(data.x, data.y), BATCH, shuffle=True, drop_last=True)

    def ours():  # before they are augmented and normalised, which DataLoader does not do
        order = batches.pools[0].order(batches.steps, [], torch.Generator().manual_seed(0))
        for index, rows in zip(order, batches._read(order, (0, 0), 0), strict=True):
            data.x.index_select(0, rows), data.y.index_select(0, index)

    return 1 / ratio(ours, lambda: list(loader), time.process_time)


def streaming(name, images):
    """Images a second of training steps on streamed images, as a share of the same steps on images in memory."""
    config = Config(dataset=name, model="resnet20", width=1.0, batch=BATCH, steps=30, validation=0.0)

    def steps(setup):
        optimizer = make_optimizer(setup.method.train(), config)
        for batch in setup.batches.epoch(0, 0):
            loss, _ = setup.method(batch, 0.5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    inside, outside = (assemble(config, {(name, None): each}) for each in images)
    return ratio(lambda: steps(outside), lambda: steps(inside))


def files_of(root):
    return sorted(str(f) for f in (Path(root) / "train").rglob("*") if f.is_file())[:COUNT]


def main(root):
    name, files = f"folder:{root}", files_of(root)
    whole = load(name)
    os.environ["KDLAB_MEMORY"] = "1"
    load.cache_clear()
    streamed = load(name)
    del os.environ["KDLAB_MEMORY"]  # it also limits the threads that decode
    with tempfile.TemporaryDirectory() as folder:
        photographs = files_of(noise(Path(folder) / "photographs", PHOTOGRAPHS, 500, 375))
        rows = {
            "decoding, share of a bare loop's speed": decoding(files, folder),
            "random crops of photographs, share of a bare loop's speed": crops(photographs),
            "a batch from memory, share of DataLoader's time": memory(whole),
            "streamed training, share of the speed in memory": streaming(name, (whole, streamed)),
        }
    print(f"{len(files):,} files, {processors()} processors\n\n| measured | ratio |\n|---|---|")
    for what, value in rows.items():
        print(f"| {what} | {value:.2f} |")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        os.environ["KDLAB_CACHE"] = f"{directory}/decoded"
        cache.FEW = 100
        main(sys.argv[1] if len(sys.argv) > 1 else noise(Path(directory) / "noise"))
