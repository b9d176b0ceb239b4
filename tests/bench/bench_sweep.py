"""Compare a sweep in several processes with one process: wall time, and rows bit for bit; then stored runs.

python tests/bench/bench_sweep.py FOLDER [--runs 200] [--seconds 2] [--workers 2] [--stored 40], on a machine that does
nothing else: about 11 minutes. Runs have as many epochs as one process trains in `--seconds` here.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from kdlab import Config
from kdlab.core.places import environment
from kdlab.engine.sweep import results_of, run_all

words = argparse.ArgumentParser()
words.add_argument("folder", type=Path)
words.add_argument("--runs", type=int, default=200)
words.add_argument("--seconds", type=float, default=2.0)
words.add_argument("--epochs", type=int, default=0)
words.add_argument("--workers", type=int, default=2)
words.add_argument("--stored", type=int, default=40)
words.add_argument("--again", action="store_true")
options = words.parse_args()

FIELDS = {"labels": 100, "steps": 2, "batch": 32, "evaluate_every": 10**6}
SEVERAL, SINGLE = (options.folder / name for name in ("several", "single"))


def timed(root, configs, workers):
    """Run a sweep in a folder; return its seconds, and its rows without times."""
    with environment(KDLAB_RUNS=str(root)):
        began = time.perf_counter()
        results = results_of(run_all(configs, workers=workers))
        seconds = time.perf_counter() - began
    rows = [{n: v for n, v in each.metrics.items() if n not in ("seconds", "cpu_seconds")} for each in results]
    return seconds, rows, sum(each["seconds"] for each in results) / len(results)


def configs(count, epochs):
    return [Config(**FIELDS, epochs=epochs, seed=seed) for seed in range(count)]


def fitting():
    """Return how many epochs a run trains in `--seconds`, by the second of two."""
    trial = 50
    for seed in (-2, -1):
        began = time.perf_counter()
        timed(options.folder / "trial", [Config(**FIELDS, epochs=trial, seed=options.runs - seed)], 1)
        seconds = time.perf_counter() - began
    return max(1, round(trial * options.seconds / seconds))


def main():
    if options.again:
        timed(SEVERAL, configs(options.stored, options.epochs), options.workers)
        return
    epochs = options.epochs or fitting()
    print(f"{options.runs} runs of {epochs} epochs; load {os.getloadavg()[0]:.1f}", flush=True)
    several, rows, length = timed(SEVERAL, configs(options.runs, epochs), options.workers)
    print(
        f"{options.workers} processes: {several:.1f} s, {length:.2f} a run; load {os.getloadavg()[0]:.1f}", flush=True
    )
    began = time.perf_counter()
    subprocess.run([sys.executable, *sys.argv, "--again", "--epochs", str(epochs)], check=True)
    print(f"{options.stored} stored runs in a process of their own: {time.perf_counter() - began:.1f} s", flush=True)
    single, expected, length = timed(SINGLE, configs(options.runs, epochs), 1)
    print(f"one process: {single:.1f} s, {length:.2f} a run; load {os.getloadavg()[0]:.1f}")
    print(f"ratio {several / single:.2f}; rows equal: {rows == expected}")


if __name__ == "__main__":
    main()
