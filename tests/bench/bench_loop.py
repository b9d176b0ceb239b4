"""What the loop costs over a bare forward, backward, step of the same tensors, on the tour's student step.

    python tests/bench/bench_loop.py      prints CPU milliseconds per step and the ratio; one thread, interleaved, medians

The loop here does all that a run does: schedules, logging of every term, progress bar, log lines, checkpoint.
"""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from kdlab import Config
from kdlab.augment import AUGMENTATIONS
from kdlab.data import Batches, load, split
from kdlab.methods import METHODS
from kdlab.models import build
from kdlab.store import RunFolder
from kdlab.train import fit, make_optimizer

torch.set_num_threads(1)
STEPS, EPOCHS, ROUNDS = 10, 15, 9
CONFIG = Config(
    method="litenet_ssd",
    teacher=Config(model="resnet18", size=10, labels=20),
    size=10,
    labels=20,
    batch=16,
    epochs=EPOCHS,
    steps=STEPS,
)


class Fixed:
    """The same batches, ready on the device, every epoch."""

    def __init__(self, batches: Batches):
        self.batches, self.steps, self.images_per_step = (
            list(batches.epoch(0, 0)),
            batches.steps,
            batches.images_per_step,
        )

    def epoch(self, seed, epoch):
        return iter(self.batches)


def method():
    return METHODS["litenet_ssd"](build("litenet_dsc", 10, 1, 0.25), build("resnet18", 10, 1, 0.25), batch=16).train()


def bare(batches):
    net = method()
    optimizer = make_optimizer(net, CONFIG)
    began = time.process_time()
    for epoch in range(EPOCHS):
        for batch in batches.epoch(0, epoch):
            loss, _ = net(batch, 0.5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.process_time() - began


def loop(batches):
    net, fabric = method(), Fabric(accelerator="cpu", devices=1)
    with tempfile.TemporaryDirectory() as root, open(os.devnull, "w") as nowhere:
        bar = tqdm(total=EPOCHS * STEPS, file=nowhere)
        folder = RunFolder(CONFIG, {"bench": 1}, Path(root))
        folder.open()
        began = time.process_time()
        fit(net, batches, CONFIG, fabric, folder, dict, bar)
        return time.process_time() - began


views = [AUGMENTATIONS["digits"][role] for role in METHODS["litenet_ssd"].views]
fixed = Fixed(Batches(split(load("digits", 10), 20), views, draw="mixed", batch=16, steps=STEPS, ratio=3))
bare(fixed), loop(fixed)
rounds = [(bare(fixed), loop(fixed)) for _ in range(ROUNDS)]
scale = 1e3 / (EPOCHS * STEPS)
print(
    f"bare {scale * median(b for b, _ in rounds):.2f} ms   loop {scale * median(r for _, r in rounds):.2f} ms   "
    f"ratio {median(r / b for b, r in rounds):.3f} [{min(r / b for b, r in rounds):.3f}-{max(r / b for b, r in rounds):.3f}]"
)
