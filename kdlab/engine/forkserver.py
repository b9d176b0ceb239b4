"""A process that has loaded what runs need, and forks the workers of a sweep.

A worker that died is replaced in a moment then, not after seconds of imports, which workers also pay for once together.
Called as `python -m kdlab.engine.forkserver ADDRESS FOLDER`, it reads a line of JSON for each worker that it shall
start, its environment variables, and answers with the process id. Where a system cannot fork safely, it becomes the
worker itself.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

FORKS = sys.platform == "linux"  # macOS: its own libraries may crash in a forked process
LOADED = ("distributed.cli.dask_worker", "lightning_fabric", "safetensors.torch", "torch._dynamo", "kdlab.engine.run")


def main() -> None:
    """Start workers as they are asked for, until the standard input ends."""
    for module in LOADED:
        import_module(module)
    if not FORKS:
        line = sys.stdin.readline()
        print(os.getpid(), flush=True)
        _work(json.loads(line), os.dup(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that none of them stays as a zombie
    life, held = os.pipe()  # it ends for the workers when this process does
    for line in iter(sys.stdin.readline, ""):
        if pid := os.fork():
            print(pid, flush=True)
        else:
            os.close(held)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _work(json.loads(line), life)
    os._exit(0)  # at once: with torch loaded the interpreter would take itself apart for two seconds


def _work(variables: Mapping[str, str], life: int) -> None:
    """Be a worker until the pipe `life` ends."""
    try:
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        threading.Thread(target=lambda: (os.read(life, 1), os._exit(1)), daemon=True).start()
        os.environ.update(variables)
        from distributed.cli.dask_worker import main as work

        address, folder = sys.argv[1:]
        options = ["--no-nanny", "--nthreads=1", "--no-dashboard", "--memory-limit=0", f"--local-directory={folder}"]
        work([address, *options])
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
