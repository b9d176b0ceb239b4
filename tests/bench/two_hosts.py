"""Disturb a sweep on two hosts: two network namespaces, a shared folder, a scheduler and workers of their own.

python tests/bench/two_hosts.py FOLDER [--runs 9] [--epochs 15] [--steps 5] [--pace 1.5] [--limit 900], as root.

A worker is killed on each host; then one host is cut off for as long as it takes the scheduler to notice, and comes
back, where its worker is started again. Rows are compared with those of an undisturbed sweep, digit by digit. Nothing
outside the two namespaces is touched, and they are removed at the end, which comes after `--limit` seconds at last.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from paced import numbers, students

from kdlab.core.places import environment
from kdlab.engine.reading import read_runs
from kdlab.engine.sweep import results_of, run_all

words = argparse.ArgumentParser()
words.add_argument("folder", type=Path)
words.add_argument("--runs", type=int, default=9)
words.add_argument("--epochs", type=int, default=15)
words.add_argument("--steps", type=int, default=5)
words.add_argument("--pace", type=float, default=1.5)
words.add_argument("--limit", type=int, default=900)
words.add_argument("--client", action="store_true")
options = words.parse_args()

CONFIGS = students(options.runs, options.epochs, options.steps)
HOSTS = {f"kdlab-{os.getpid()}-{i}": f"10.213.0.{i}" for i in (1, 2)}  # namespaces and their addresses
RUNS, FILE = (options.folder.resolve() / name for name in ("runs", "scheduler.json"))


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@contextmanager
def hosts():
    """Two hosts with a cable between them."""
    first, second = HOSTS
    try:
        for host in HOSTS:
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
        ip("-n", first, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", second)
        for host, address in HOSTS.items():
            ip("-n", host, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", host, "link", "set", "cable", "up")
        yield first, second
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "delete", host], check=False)


def start(stack, host, *command, stderr=subprocess.DEVNULL):
    """Start a process on a host, which is killed at the end with all below it."""
    process = subprocess.Popen(["ip", "netns", "exec", host, sys.executable, *map(str, command)], stderr=stderr)
    stack.callback(end, process)
    return process


def end(process):
    for each in below(process):
        each.kill()
    process.kill()
    process.wait()


def below(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def trainer(nanny):
    """Return the worker below a nanny: the largest of its processes."""
    return max(below(nanny), key=lambda each: each.memory_info().rss)


def start_worker(stack, host):
    output = ["--no-dashboard", "--nthreads", "1", "--memory-limit", "0"]
    return start(
        stack, host, "-m", "distributed.cli.dask_worker", "--scheduler-file", FILE, *output, stderr=subprocess.DEVNULL
    )


def trained():
    return len(read_runs(RUNS)) if RUNS.exists() else 0


def until(condition):
    while not condition():
        time.sleep(0.5)


def until_the_next_run():
    before = trained()
    until(lambda: trained() > before)


def disturbed():
    """Train all runs on two hosts while they are disturbed; return how the client ended."""
    with ExitStack() as stack:
        first, second = stack.enter_context(hosts())
        listening = ["--host", HOSTS[first], "--scheduler-file", FILE, "--no-dashboard"]
        start(stack, first, "-m", "distributed.cli.dask_scheduler", *listening)
        until(FILE.exists)
        workers = {host: start_worker(stack, host) for host in HOSTS}
        client = start(stack, first, *sys.argv, "--client", stderr=None)
        for host in HOSTS:
            until_the_next_run()
            trainer(workers[host]).kill()  # its nanny starts another one
            say(f"{trained()} runs are stored; a worker on {HOSTS[host]} was killed")
        until_the_next_run()
        process = trainer(workers[second])
        ip("-n", second, "link", "set", "cable", "down")
        began = time.monotonic()
        say(f"{trained()} runs are stored; {HOSTS[second]} was cut off")
        until(lambda: not process.is_running() or time.monotonic() - began > 120)
        state = "goes on" if process.is_running() else "has ended"
        say(f"{trained()} runs are stored; after {time.monotonic() - began:.0f} s its worker {state}")
        ip("-n", second, "link", "set", "cable", "up")
        start_worker(stack, second)
        say(f"{HOSTS[second]} is back, with a new worker")
        return client.wait()


def stop(*_):
    raise SystemExit(f"it took longer than {options.limit} s")


def main():
    if options.client:
        results_of(run_all(CONFIGS, scheduler=str(FILE)))
        return
    if sys.platform != "linux" or os.geteuid() or not shutil.which("ip"):
        raise SystemExit("two hosts are two network namespaces of Linux: they need root and the command ip")
    options.folder.mkdir(parents=True)
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(options.limit)
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with environment(KDLAB_RUNS=str(RUNS), PACE=str(options.pace), PYTHONPATH=path):
        began = time.monotonic()
        code = disturbed()
        say(f"the sweep ended with {code} after {time.monotonic() - began:.0f} s")
        teachers = sum(run.config["method"] == "paced_supervised" for run in read_runs(RUNS))
        count, left = trained(), sorted(path.name for path in RUNS.glob(".*"))
        results = results_of(run_all(CONFIGS, workers=1))  # stored
    with environment(KDLAB_RUNS=str(options.folder / "undisturbed")):
        equal = numbers(results) == numbers(results_of(run_all(CONFIGS, workers=2)))
    say(f"{len(results)} rows, {count} runs, {teachers} teachers, rows equal: {equal}, left over: {left}")


if __name__ == "__main__":
    main()
