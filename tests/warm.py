"""Kernels that start at once: forked from a process that has imported what every notebook needs, and nothing of kdlab.

Run as `warm.py FD` this is that process: it forks a kernel for everyone who connects to FD, a socket that listens,
until its standard input ends. Run as `warm.py SOCKET ARGUMENTS` it stands in a kernel's place: it asks there for one
with these arguments and lasts as long as it does. Ending one ends the other, and what the kernel prints outside its
cells goes to the streams of this process.
"""

import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

NEEDED = (  # four seconds; what looks for its kernel while it is imported, as pyplot and ipywidgets do, is none of it
    "torchvision", "sklearn.datasets", "sklearn.manifold", "scipy.stats", "pandas", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "pydantic", "ipykernel.kernelapp",
)  # fmt: skip


@contextmanager
def kernels(at_once):
    """Kernels of this process and its children are those of this Python; where they can, they start `at_once`."""
    with tempfile.TemporaryDirectory() as folder:
        if at_once and sys.platform == "linux":  # elsewhere forking is not safe with these libraries loaded
            # an interrupt is a message: a signal would reach the one who asked, not the kernel
            with source(f"{folder}/socket"):
                prefer(Path(folder), ["-ISs", __file__, f"{folder}/socket"], interrupt_mode="message")
                yield
        else:
            prefer(Path(folder), ["-m", "ipykernel_launcher"])
            yield


def prefer(folder, command, **options):
    """Let Jupyter find a kernel in `folder` before all others of that name."""
    place = folder / "kernels" / "python3"
    place.mkdir(parents=True)
    spec = {"argv": [sys.executable, *command, "-f", "{connection_file}"], "display_name": "Python 3 (ipykernel)"}
    (place / "kernel.json").write_text(json.dumps({**spec, "language": "python", **options}))
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))


@contextmanager
def source(place):
    """The process that forks them."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(place)
        listener.listen()
        inline = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # as kernels set it before they import it
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listener.fileno())], pass_fds=[listener.fileno()],
            start_new_session=True, stdin=subprocess.PIPE, env={**inline, **os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    try:
        yield
    finally:
        process.communicate()  # its standard input ends, and it


def ask(place, *words):
    """Have a kernel made, and wait for its end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as source:
        source.connect(place)
        wanted = json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(source, [wanted], [1, 2])
        source.recv(1)


def fork_kernels(listener):
    """Fork a kernel for everyone who asks, until standard input ends."""
    for name in NEEDED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for kernels that have ended
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        asker, _ = listener.accept()
        if not os.fork():
            listener.close()
            become_kernel(asker)
            return
        asker.close()


def become_kernel(asker):
    """Be what `python -m ipykernel_launcher` would be in the place of the asker, and end with it."""
    wanted, streams, *_ = socket.recv_fds(asker, 1 << 20, 2)
    words, place, environment = json.loads(wanted)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    threading.Thread(target=lambda: os._exit(len(asker.recv(1))), daemon=True).start()
    sys.argv = ["ipykernel_launcher", *words, f"--IPKernelApp.parent_handle={os.getppid()}"]
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        with socket.socket(fileno=int(sys.argv[1])) as listener:
            fork_kernels(listener)
    else:
        ask(*sys.argv[1:])
