"""Kernels that start at once: forked from a process that has imported what every notebook needs, and nothing of kdlab.

Run as `warm.py FD` this is that process: it forks a kernel for everyone who connects to FD, a socket that listens.
Run as `warm.py SOCKET ARGUMENTS` it stands in a kernel's place: it asks there for one with these arguments and lasts
until that kernel, or who started the stand-in, has ended. What ends the stand-in kills the kernel with its process
group; its exit status is not the kernel's.

Such a kernel differs from others in what Python and libraries read once, when they start: the seed of string hashes,
PYTHONPATH, numbers of threads and what is imported are those of the process it was forked from.
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
from contextlib import contextmanager
from pathlib import Path

NEEDED = (  # four seconds; what looks for its kernel while it is imported, as pyplot and ipywidgets do, is none of it
    "torchvision",
    "sklearn.datasets",
    "sklearn.manifold",
    "scipy.stats",
    "pandas",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "pydantic",
    "ipykernel.kernelapp",
)


@contextmanager
def kernels():
    """Let this process and its children find such kernels under the name python3; gives whether they do."""
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/socket"
        # elsewhere forking is not safe with these libraries loaded; the path of a socket has at most 107 bytes
        if sys.platform != "linux" or len(os.fsencode(place)) > 107:
            yield False
            return
        with source(place):
            prefer(Path(folder), [sys.executable, "-IS", __file__, place, "-f", "{connection_file}"])
            yield True


def prefer(folder, command):
    """Let Jupyter find a kernel in `folder` before all others that are called python3."""
    from ipykernel.kernelspec import get_kernel_dict

    # an interrupt is a message: a signal would reach the one who asked, not the kernel
    spec = {**get_kernel_dict(), "argv": command, "interrupt_mode": "message"}
    place = folder / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))


@contextmanager
def source(place):
    """The process that forks them; it ends with this block, and with this process however that ends."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        inline = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # set in kernels before matplotlib comes
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            start_new_session=True,
            stdin=subprocess.PIPE,
            env={**inline, **os.environ, "OMP_NUM_THREADS": "1"},
        )
    with process:
        try:
            yield
        finally:
            process.kill()  # its kernels see that, or end with who started them


def ask(place, *words):
    """Have a kernel made, and wait for its end or that of this process's parent."""
    with socket.socket(socket.AF_UNIX) as kernel:
        kernel.connect(place)
        wanted = os.memfd_create("wanted")
        os.write(wanted, json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode())
        socket.send_fds(kernel, [b"."], [wanted, 0, 1, 2])
        while os.getppid() == int(os.environ["JPY_PARENT_PID"]) and not select.select([kernel], [], [], 1)[0]:
            pass


def fork_kernels(listener):
    """Fork a kernel for everyone who asks, until standard input ends."""
    for name in NEEDED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for kernels that have ended
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        asker, _ = listener.accept()
        if not os.fork():
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            become_kernel(asker)
            return
        asker.close()


def become_kernel(asker):
    """Be what `python -m ipykernel_launcher` would be in the place of the asker, and die with it."""
    import fcntl

    import numpy

    numpy.random.seed()  # noqa: NPY002 - the generator that Python does not seed anew in a fork, as it does its own
    os.setsid()
    # the system kills this group when the asker's end closes: a thread that waits for it would need the interpreter
    fcntl.fcntl(asker, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(asker, fcntl.F_SETSIG, signal.SIGKILL)
    _, received, *_ = socket.recv_fds(asker, 1, 4)
    fcntl.fcntl(asker, fcntl.F_SETFL, fcntl.fcntl(asker, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([asker], [], [], 0)[0]:
        return  # it is gone already
    wanted, *streams = received
    os.register_at_fork(after_in_child=asker.close)  # what outlives the kernel does not look like it
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    with os.fdopen(wanted) as file:
        file.seek(0)
        words, place, environment = json.load(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    sys.path.insert(0, place)  # as `-m` does: the launcher takes it away, and would else take the same of PYTHONPATH
    sys.argv = ["ipykernel_launcher", *words, f"--IPKernelApp.parent_handle={os.getppid()}"]
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        with socket.socket(fileno=int(sys.argv[1])) as listener:
            fork_kernels(listener)
    else:
        ask(*sys.argv[1:])
