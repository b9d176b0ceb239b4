"""Fork kernels for tests from a process that has loaded what notebooks import.

`kernels()` starts that process and lets `python3` be a kernel that asks it for a fork, wherever Jupyter is told nothing
else. Run as a script, this file is what Jupyter starts instead of a kernel: it hands over its arguments, folder,
environment and outputs, passes signals on, and lasts as long as the fork, which ends with it. Everything that a kernel
gets is its own: only the modules are there already.
"""

import atexit
import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from select import select

SOCKET = "KDLAB_TEST_FORKS"  # names where the process with the modules listens
SIZE = 1 << 20  # bytes of a request at most
LOADED = (  # by most notebooks
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.legend",
    "ipywidgets",
    "anywidget",
    "lightning_fabric",
    "safetensors.torch",
    "torch._dynamo",
    "torch.utils.flop_counter",
    "sklearn.linear_model",
    "scipy.stats",
    "kdlab.cli.app",
    "kdlab.studies",
)  # but not pyplot, nor what imports it: as it is loaded it looks whether there is a kernel that shows figures


@contextmanager
def kernels(folder):
    """Let kernels inside be forks where the system can fork safely; `folder` is empty."""
    if sys.platform != "linux":
        yield
        return
    import subprocess  # here: who asks for a kernel needs neither, and is there at once

    from kdlab.cli.notebooks import quiet_kernels
    from kdlab.core.places import environment

    spec = folder / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [sys.executable, "-IS", __file__, "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Python 3 (ipykernel)", "language": "python"}))
    address = str(folder / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)  # what asks before everything is loaded waits
        variables = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        with quiet_kernels(**variables):  # what libraries read as they are loaded
            loaded = subprocess.Popen(
                [sys.executable, __file__, "--serve", str(listening.fileno())],
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C belongs to the tests
                pass_fds=[listening.fileno()],
            )
    try:
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))
        with environment(**{SOCKET: address, "JUPYTER_PATH": path}):
            yield
    finally:
        loaded.stdin.close()  # that ends it, and what is left of its forks
        loaded.wait()


def serve(number):
    """Load the modules when somebody asks first, and fork for all who ask.

    It ends with the standard input.
    """
    del sys.path[0]  # the folder of this file is not on the path of a notebook
    ready, _, _ = select([0, number], [], [])  # nothing is loaded for tests without a kernel
    for module in LOADED if 0 not in ready else ():
        import_module(module)
    gc.freeze()  # collections of a fork leave these objects where they are, shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that no fork stays as a zombie
    life, held = os.pipe()  # it ends for the forks when this process does
    with socket.socket(fileno=number) as listening:
        while 0 not in select([0, listening], [], [])[0]:
            connection, _ = listening.accept()
            message, outputs, *_ = socket.recv_fds(connection, SIZE, 3)
            if message and not os.fork():
                os.close(held)
                listening.close()
                be_a_kernel(connection, life, json.loads(message), outputs)
            for end in (connection.detach(), *outputs):
                os.close(end)
    os._exit(0)


def be_a_kernel(connection, life, request, outputs):
    """Be what `python -m ipykernel_launcher` is, until who asked for it has gone."""
    os.setsid()  # as Jupyter starts kernels
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for place, output in enumerate(outputs):
        os.dup2(output, place)
        os.close(output)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ.pop("JPY_PARENT_PID", None)  # a kernel would look for the parent that it does not have
    os.chdir(request["folder"])
    sys.argv = ["ipykernel_launcher", "-f", *request["arguments"]]
    connection.send(f"{os.getpid()}\n".encode())

    def watch():
        select([connection, life], [], [])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    code = 1
    try:
        from ipykernel import kernelapp

        kernelapp.launch_new_instance()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else end.code is not None
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(str(int(code)).encode())
        os._exit(code)


def ask():
    """Be a kernel for Jupyter: ask for a fork, pass signals on, end as it does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[SOCKET])
        request = {"arguments": sys.argv[1:], "folder": str(Path.cwd()), "environment": dict(os.environ)}
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        with connection.makefile("r") as answers:
            pid = int(answers.readline())
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda number, _: os.kill(pid, number))
            return int(answers.read() or 1)


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[2])) if sys.argv[1] == "--serve" else ask())
