"""What the loop costs over a bare forward, backward, step of the same tensors, on the tour's student step.

    python tests/bench/bench_loop.py    prints CPU milliseconds per step and the ratio; one thread, interleaved, medians

The loop here does all that a run does: schedules, logging of every term, progress bar, log lines, checkpoint.
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from tqdm import tqdm

from kdlab import Config, assemble
from kdlab.engine.store import RunFolder
from kdlab.engine.train import fit, make_optimizer
from kdlab.experiment.setup import chain_images
from kdlab.metrics import diagnose

torch.set_num_threads(1)
STEPS, EPOCHS, ROUNDS = 10, 15, 9
DATA = {"size": 10, "labels": 20, "validation": 0.0}
TEACHER = Config(model="resnet18", **DATA)
CONFIG = Config(method="litenet_ssd", teacher=TEACHER, batch=16, epochs=EPOCHS, steps=STEPS, **DATA)


class Fixed:
    """The same batches, ready on the device, every epoch."""

    def __init__(self, batches):
        self.ready, self.device, self.normalise = list(batches.epoch(0, 0)), batches.device, batches.normalise
        self.steps, self.images_per_step = batches.steps, batches.images_per_step

    def epoch(self, seed, epoch, start=0, drawn=None):
        return iter(self.ready)


def bare(batches):
    net = assemble(CONFIG).method.train()
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
    setup = replace(assemble(CONFIG), batches=batches)
    with tempfile.TemporaryDirectory() as root, Path(os.devnull).open("w") as nowhere:
        bar = tqdm(total=EPOCHS * STEPS, file=nowhere)
        folder = RunFolder(CONFIG, chain_images(CONFIG), Path(root))
        folder.open()
        began = time.process_time()
        fit(setup, folder, [diagnose], bar)
        return time.process_time() - began


fixed = Fixed(assemble(CONFIG).batches)
bare(fixed), loop(fixed)
rounds = [(bare(fixed), loop(fixed)) for _ in range(ROUNDS)]
scale, ratios = 1e3 / (EPOCHS * STEPS), [r / b for b, r in rounds]
print(f"bare {scale * median(b for b, _ in rounds):.2f} ms   loop {scale * median(r for _, r in rounds):.2f} ms")
print(f"ratio {median(ratios):.3f} [{min(ratios):.3f}-{max(ratios):.3f}]")
