"""Compare a sweep in several processes with one process: wall time, and rows bit for bit.

python tests/bench/bench_sweep.py FOLDER [--runs 200] [--epochs 100] [--workers 2], on a machine that does nothing else.
"""

import argparse
import os
import time
from pathlib import Path

from kdlab import Config
from kdlab.core.places import environment
from kdlab.engine.sweep import results_of, run_all

words = argparse.ArgumentParser()
words.add_argument("folder", type=Path)
words.add_argument("--runs", type=int, default=200)
words.add_argument("--epochs", type=int, default=100)
words.add_argument("--workers", type=int, default=2)


def timed(root, configs, workers):
    """Run a sweep in a folder; return its seconds, and its rows without times."""
    with environment(KDLAB_RUNS=str(root)):
        began = time.perf_counter()
        results = results_of(run_all(configs, workers=workers))
        seconds = time.perf_counter() - began
    rows = [{n: v for n, v in each.metrics.items() if n not in ("seconds", "cpu_seconds")} for each in results]
    print(f"workers={workers}: {seconds:.1f} s; load {os.getloadavg()[0]:.1f}", flush=True)
    return seconds, rows


def main():
    options = words.parse_args()
    fields = {"labels": 100, "epochs": options.epochs, "steps": 2, "batch": 32, "evaluate_every": 10**6}
    configs = [Config(**fields, seed=seed) for seed in range(options.runs)]
    several, rows = timed(options.folder / "several", configs, options.workers)
    stored, again = timed(options.folder / "several", configs, options.workers)
    single, expected = timed(options.folder / "single", configs, 1)
    print(
        f"ratio {several / single:.2f}; rows equal: {rows == expected == again}; {options.runs} stored: {stored:.1f} s"
    )


if __name__ == "__main__":
    main()
