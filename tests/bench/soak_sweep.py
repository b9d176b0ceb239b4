"""Disturb sweeps: workers, scheduler and the sweep itself killed, two sweeps at once on one store.

python tests/bench/soak_sweep.py FOLDER [--runs 40] [--epochs 30] [--steps 5] [--pace 1.5] [--workers 2] [--every 15]
[--only PART]

Each sweep has `runs` students of three teachers. `--pace` seconds of sleep after every epoch make runs last on any
machine. Rows are compared with those of an undisturbed sweep without sleep, digit by digit.
"""

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from paced import numbers, students

from kdlab import Error
from kdlab.core.places import environment, runs_root
from kdlab.engine.reading import log_lines, read_runs
from kdlab.engine.sweep import results_of, run_all

words = argparse.ArgumentParser()
words.add_argument("folder", type=Path)
words.add_argument("--runs", type=int, default=40)
words.add_argument("--epochs", type=int, default=30)
words.add_argument("--steps", type=int, default=5)
words.add_argument("--pace", type=float, default=1.5)
words.add_argument("--workers", type=int, default=2)
words.add_argument("--every", type=float, default=15.0)
words.add_argument("--only", default="")
words.add_argument("--client", action="store_true")
options = words.parse_args()

CONFIGS = students(options.runs, options.epochs, options.steps)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def check(name, results, seconds):
    """Print what a disturbed sweep has left, and whether its rows are those of the undisturbed one."""
    runs = read_runs(runs_root())
    lengths = sorted(run.result["seconds"] for run in runs)
    teachers = sum(run.config["method"] == "paced_supervised" for run in runs)
    left = sorted(path.name for path in runs_root().glob(".*"))
    say(
        f"{name}: {seconds:.0f} s, {len(results)} rows, {len(runs)} runs of {lengths[0]:.0f} to "
        f"{lengths[-1]:.0f} s, {teachers} teachers, rows equal: {numbers(results) == undisturbed()}, left over: {left}"
    )


def undisturbed():
    with environment(KDLAB_RUNS=str(options.folder / "undisturbed"), PACE="0"):
        return numbers(results_of(run_all(CONFIGS, workers=options.workers)))


def killed_workers():
    """Kill a worker at a time, and each tenth time the server that forks them, with which all of them end."""
    stop, kills = threading.Event(), []

    def killing():
        while not stop.wait(options.every):
            servers = psutil.Process().children()
            workers = [worker for server in servers for worker in server.children()]
            if workers:
                random.choice(servers if len(kills) % 10 == 9 else workers).kill()
                kills.append(time.monotonic())

    thread = threading.Thread(target=killing)
    thread.start()
    try:
        results = results_of(run_all(CONFIGS, workers=options.workers))
    finally:
        stop.set()
        thread.join()
    return f"{len(kills)} workers killed, one every {options.every:.0f} s", results


def client():
    """Start the same sweep in a process of its own."""
    return subprocess.Popen([sys.executable, *sys.argv, "--client"])


def until_trained(share):
    """Wait until so much of all epochs is trained."""
    epochs = share * options.epochs * len({run for config in CONFIGS for run in config.chain()})
    while sum(len(log_lines(folder)) for folder in runs_root().iterdir() if folder.is_dir()) < epochs:
        time.sleep(0.5)


def killed_sweep():
    """Kill the process with client and scheduler in it, three times."""
    for share in (0.2, 0.4, 0.6):
        process = client()
        until_trained(share)
        below = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        _, there = psutil.wait_procs(below, timeout=10)
        alive = [each for each in there if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        trained = len(read_runs(runs_root()))
        say(f"sweep killed: {trained} runs are stored, {len(alive)} of its {len(below)} processes live on")
    return "sweep killed three times", results_of(run_all(CONFIGS, workers=options.workers))


def killed_scheduler():
    """Kill a scheduler of its own, which then starts again with other workers."""
    file = runs_root() / "scheduler.json"
    here = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]

    def start():
        file.unlink(missing_ok=True)
        commands = [
            ["dask_scheduler", *here, "--port", "0"],
            *[["dask_worker", *here, "--nthreads", "1"]] * options.workers,
        ]
        processes = [
            subprocess.Popen([sys.executable, "-m", f"distributed.cli.{c}", *rest], stderr=subprocess.DEVNULL)
            for c, *rest in commands
        ]
        while not file.exists():
            time.sleep(0.1)
        return processes

    def end(processes):
        for each in processes:
            for child in [*psutil.Process(each.pid).children(recursive=True), each]:
                child.kill()
            each.wait()

    processes = start()
    threading.Thread(target=lambda: (until_trained(0.4), processes[0].kill())).start()
    try:
        run_all(CONFIGS, scheduler=str(file))
    except Error as error:
        say(f"scheduler killed: {error}")
    end(processes)
    processes = start()
    try:
        return "scheduler killed and started again", results_of(run_all(CONFIGS, scheduler=str(file)))
    finally:
        end(processes)
        file.unlink()


def two_at_once():
    other = client()
    results = results_of(run_all(CONFIGS, workers=options.workers))
    return f"two sweeps at once (the other ended with {other.wait()})", results


def main():
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.client:
        results_of(run_all(CONFIGS, workers=options.workers))
        return
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    for part in (killed_workers, killed_sweep, killed_scheduler, two_at_once):
        if options.only in part.__name__:
            folder = options.folder / part.__name__
            folder.mkdir(exist_ok=True)  # what was begun goes on
            with environment(KDLAB_RUNS=str(folder), PACE=str(options.pace), PYTHONPATH=here):
                began = time.monotonic()
                name, results = part()
                say(f"{name}: it ended, and is compared")
                check(name, results, time.monotonic() - began)


if __name__ == "__main__":
    main()
