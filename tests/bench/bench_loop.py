"""What a run costs over a bare forward, backward, step of batches that lie ready.

    python tests/bench/bench_loop.py [loop] [simclr] [kd] [lsskd] [--rounds 9]    default: all

Of "loop" both sides have the same batches, of the tour's student step. The others are methods on colour images of 32
pixels, each with the views that it draws: there the fraction says how near an epoch comes to its steps alone. A run
does all that a run does but evaluation: schedules, logging of every term, progress bar, log lines, checkpoint. CPU
time, one thread, interleaved, medians.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from tqdm import tqdm

from kdlab import DATASETS, Config, assemble
from kdlab.data.images import ImageSet
from kdlab.engine.bench import Ready
from kdlab.engine.store import RunFolder
from kdlab.engine.train import fit, make_optimizer
from kdlab.experiment.setup import chain_images
from kdlab.metrics import diagnose


def noise() -> ImageSet:
    """A thousand colour images of ten classes."""
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randint(256, (1000, 3, 32, 32), generator=draw, dtype=torch.uint8), torch.arange(1000) % 10
    return ImageSet("noise", tuple("abcdefghij"), x, y, x, y, style="colour")


DATASETS["noise"] = noise
SMALL = {"size": 10, "labels": 20, "validation": 0.0}
LARGE = {"dataset": "noise", "validation": 0.0, "epochs": 1, "steps": 8}
WHOLE = {**LARGE, "width": 1.0}
CASES = {
    "loop": Config(
        method="litenet_ssd", teacher=Config(model="resnet18", **SMALL), batch=16, epochs=15, steps=10, **SMALL
    ),
    "simclr": Config(method="simclr", model="resnet18", batch=64, **LARGE),
    "kd": Config(method="kd", model="resnet20", teacher=Config(model="resnet56", **WHOLE), batch=64, **WHOLE),
    "lsskd": Config(method="lsskd", model="resnet20", batch=16, **WHOLE),
}


def bare(config: Config, batches: Ready) -> float:
    """Return CPU seconds of a run's steps alone."""
    method = assemble(config).method.train()
    optimizer = make_optimizer(method, config)
    began = time.process_time()
    for epoch in range(config.epochs):
        for batch in batches.epoch(0, epoch):
            loss, _ = method(batch, 0.5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            method.after_step(0.5)
    return time.process_time() - began


def run(config: Config, batches: Ready | None) -> float:
    """Return CPU seconds of a run, with batches of its own or `batches`."""
    setup = assemble(config)
    setup = replace(setup, batches=batches or setup.batches)
    with tempfile.TemporaryDirectory() as root, Path(os.devnull).open("w") as nowhere:
        bar = tqdm(total=config.epochs * setup.batches.steps, file=nowhere)
        folder = RunFolder(config, chain_images(config), Path(root))
        folder.open()
        began = time.process_time()
        fit(setup, folder, [diagnose], bar)
        return time.process_time() - began


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("names", nargs="*", choices=[[], *CASES])
    words.add_argument("--rounds", type=int, default=9)
    options = words.parse_args()
    torch.set_num_threads(1)
    for name in options.names or CASES:
        config = CASES[name]
        ready = Ready(assemble(config).batches)
        given = ready if name == "loop" else None
        rounds = [(bare(config, ready), run(config, given)) for _ in range(1 + options.rounds)][1:]  # one warms up
        scale, ratios = 1e3 / (config.epochs * ready.steps), [b / r for b, r in rounds]
        times = " and ".join(f"{scale * median(part):.2f}" for part in zip(*rounds, strict=True))
        spread = f"{median(ratios):.3f} [{min(ratios):.3f}-{max(ratios):.3f}]"
        print(f"{name}: bare and run {times} ms a step, bare / run {spread}", flush=True)


if __name__ == "__main__":
    main()
