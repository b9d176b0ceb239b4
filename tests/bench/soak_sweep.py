"""Disturb sweeps: workers killed, the scheduler killed and started again, two sweeps at once on one store.

python tests/bench/soak_sweep.py FOLDER [--runs 40] [--epochs 4000] [--every 15]

Each sweep has `runs` students of three teachers. Rows are compared with those of an undisturbed sweep, digit by digit.
"""

import argparse
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from kdlab import Config, Error
from kdlab.core.places import environment, runs_root
from kdlab.engine.reading import read_runs
from kdlab.engine.sweep import results_of, run_all

words = argparse.ArgumentParser()
words.add_argument("folder", type=Path)
words.add_argument("--runs", type=int, default=40)
words.add_argument("--epochs", type=int, default=4000)
words.add_argument("--every", type=float, default=15.0)
words.add_argument("--only", default="")
words.add_argument("--client", action="store_true")
options = words.parse_args()

FIELDS = {"labels": 20, "width": 0.125, "epochs": options.epochs, "steps": 10, "batch": 8, "evaluate_every": 10**6}
TEACHER = Config(model="resnet8x4", **{**FIELDS, "width": 0.5})
CONFIGS = [
    Config(method="kd", teacher=TEACHER, **FIELDS).replace(lr=1e-3 * (1 + i // 3)).seeded(i % 3)
    for i in range(options.runs)
]


def numbers(results):
    return [{n: v for n, v in each.metrics.items() if n not in ("seconds", "cpu_seconds")} for each in results]


def workers():
    return [p for p in psutil.Process().children(recursive=True) if "dask_worker" in " ".join(p.cmdline())]


def killing(stop, kills):
    while not stop.wait(options.every):
        if there := workers():
            random.choice(there).kill()
            kills.append(time.monotonic())


def check(name, results, undisturbed, began):
    teachers = [run for run in read_runs(runs_root()) if run.config["method"] == "supervised"]
    print(
        f"{name}: {time.monotonic() - began:.0f} s, {len(teachers)} teachers, equal: {numbers(results) == undisturbed}",
        flush=True,
    )


def undisturbed():
    with environment(KDLAB_RUNS=str(options.folder / "undisturbed")):
        began = time.monotonic()
        results = results_of(run_all(CONFIGS, workers=2))
        lengths = sorted(each["seconds"] for each in results)
        print(
            f"undisturbed: {time.monotonic() - began:.0f} s, a run {lengths[0]:.0f} to {lengths[-1]:.0f} s", flush=True
        )
        return numbers(results)


def killed_workers(expected):
    stop, kills, began = threading.Event(), [], time.monotonic()
    thread = threading.Thread(target=killing, args=(stop, kills))
    thread.start()
    try:
        results = results_of(run_all(CONFIGS, workers=2))
    finally:
        stop.set()
        thread.join()
    check(f"{len(kills)} workers killed", results, expected, began)


def killed_scheduler(expected):
    file, began = runs_root() / "scheduler.json", time.monotonic()

    def start():
        here = ["--host", "127.0.0.1"]
        commands = [["dask_scheduler", *here, "--port", "0", "--scheduler-file", str(file), "--no-dashboard"]]
        commands += [["dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", *here]] * 2
        return [
            subprocess.Popen([sys.executable, "-m", f"distributed.cli.{c}", *rest], stderr=subprocess.DEVNULL)
            for c, *rest in commands
        ]

    def end(processes):
        for each in processes:
            for child in [*psutil.Process(each.pid).children(recursive=True), each]:
                child.kill()
            each.wait()

    processes = start()
    while not file.exists():
        time.sleep(0.1)
    threading.Timer(3 * options.every, processes[0].kill).start()
    try:
        run_all(CONFIGS, scheduler=str(file))
    except Error as error:
        print(f"scheduler killed, {time.monotonic() - began:.0f} s: {error}", flush=True)
    end(processes)
    file.unlink()
    processes = start()
    while not file.exists():
        time.sleep(0.1)
    results = results_of(run_all(CONFIGS, scheduler=str(file)))
    check("scheduler killed and started again", results, expected, began)
    end(processes)


def two_at_once(expected):
    began = time.monotonic()
    other = subprocess.Popen([sys.executable, *sys.argv, "--client"])
    results = results_of(run_all(CONFIGS, workers=2))
    check(f"two sweeps at once (the other ended with {other.wait()})", results, expected, began)


def main():
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.client:
        results_of(run_all(CONFIGS, workers=2))
        return
    expected = undisturbed()
    for part in (killed_workers, killed_scheduler, two_at_once):
        if options.only in part.__name__:
            folder = options.folder / part.__name__
            folder.mkdir()
            with environment(KDLAB_RUNS=str(folder)):
                part(expected)


if __name__ == "__main__":
    main()
