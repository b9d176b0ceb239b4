"""Kernels of the tests behave and end as others do, also those that warm.py forks."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from jupyter_client.manager import start_new_kernel
from test_process import until

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; warm.py forks nowhere else")


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(kernel_name="python3")
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@linux
def test_kernels_are_forked_nbvals_too(kernel, request):
    if not hasattr(request.config, "workerinput"):
        pytest.skip("without pytest-xdist nothing is forked")
    if not request.config.workerinput["forks"]:
        pytest.skip("TMPDIR is too long for a socket")
    assert warm.__file__ in kernel[0].kernel_spec.argv
    assert not request.config.option.nbval_current_env


def test_what_notebooks_import_warns_of_nothing():
    """A forked kernel would not show it: its imports are done."""
    command = [sys.executable, "-c", f"import {', '.join(warm.NEEDED)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


BUSY = """
import ctypes, os, pathlib, subprocess
new = pathlib.Path({path!r}, "new")
new.write_text(f"{{os.getpid()}} {{subprocess.Popen(['sleep', '60']).pid}}")
new.rename(new.with_name("pids"))
ctypes.PyDLL(None).sleep(60)
"""


@linux
def test_a_killed_kernel_is_gone_and_its_children_too(kernel, tmp_path):
    """Even while a cell holds the interpreter's lock."""
    manager, client = kernel
    client.execute(BUSY.format(path=str(tmp_path)))
    until((tmp_path / "pids").exists)
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2 and not any(map(gone, pids))
    manager.signal_kernel(signal.SIGKILL)
    until(lambda: all(map(gone, pids)))


START = """
from time import sleep
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="python3")
client.execute_interactive("import os; print(os.getpid())")
print("", flush=True)
sleep(60)
"""


@linux
def test_a_kernel_ends_with_the_process_that_started_it():
    with subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True) as starter:
        pid = starter.stdout.readline().strip()
        assert not gone(pid)
        starter.kill()
    until(lambda: gone(pid))


@pytest.mark.skipif(sys.platform == "win32", reason="a cell forks")
def test_cells_are_interrupted_read_nothing_and_a_dead_kernel_is_known_to_be_dead(kernel, tmp_path):
    manager, client = kernel
    read = "import subprocess\nassert subprocess.run('cat; exit 3', shell=True, timeout=10).returncode == 3"
    assert client.execute(read, reply=True, timeout=30)["content"]["status"] == "ok"
    begun = tmp_path / "begun"
    # stop_on_error: else what is asked soon after the error may not run
    client.execute(f"import time\nopen({str(begun)!r}, 'w')\ntime.sleep(60)", stop_on_error=False)
    until(begun.exists)
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=30)["content"]["ename"] == "KeyboardInterrupt"
    client.execute("import os\nif not os.fork():\n    time.sleep(30)\nos._exit(1)")
    until(lambda: not manager.is_alive(), seconds=20)  # before its child ends
