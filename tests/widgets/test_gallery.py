"""The gallery as a server: who gets a page, and what is left when it ends; JupyterLab ends with the command."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from kdlab.cli import app as cli

SECONDS = 60  # a limit for busy cores, far above what is usual


def answers(port, seconds=2, **headers):
    """The status of the page, None where nobody answers in time."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/", headers=named), timeout=seconds
        ) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def until(condition):
    """Whether a condition holds within the limit."""
    last = time.monotonic() + SECONDS
    while not (holds := condition()) and time.monotonic() < last:
        time.sleep(0.1)
    return holds


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_the_gallery_is_for_this_machine_and_ends_with_its_kernels(tmp_path):
    pytest.importorskip("voila", reason="voila is not installed: pip install -e .[app]")
    psutil = pytest.importorskip("psutil")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "temporary").mkdir()
    place = {"TMPDIR": str(tmp_path / "temporary"), "KDLAB_RUNS": str(tmp_path / "runs"), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "kdlab", "gallery", f"--port={port}", "--no-browser"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **place}, stdout=log, stderr=log)
    family = []
    try:
        assert until(lambda: listens(port)), (tmp_path / "log").read_text()[-2000:]
        strangers = {
            "a name of ours elsewhere": {"Host": f"attacker.example:{port}"},
            "an image of another site": {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "image"},
        }
        refused = {name: answers(port, **headers) for name, headers in strangers.items()}
        process = psutil.Process(server.pid)
        answers(port)  # which starts a kernel and is not waited for
        assert until(lambda: any("ipykernel" in " ".join(each.cmdline()) for each in process.children(recursive=True)))
        family = process.children(recursive=True)
        server.send_signal(signal.SIGTERM)
        server.wait(SECONDS)
        left = psutil.wait_procs(family, timeout=SECONDS / 6)[1]
        assert not left, [" ".join(each.cmdline()) for each in left]
        assert not listens(port)
        assert refused == dict.fromkeys(strangers, 403)
        assert not list((tmp_path / "temporary").rglob("*.ipynb"))
    finally:
        for each in (server, *family):
            with suppress(psutil.Error):
                each.kill()


@pytest.mark.skipif(os.name == "nt", reason="exec is POSIX")
def test_the_command_becomes_jupyterlab(tmp_path, monkeypatch):
    """A child would go on serving when the command is ended by a signal."""
    monkeypatch.chdir(tmp_path)
    became, children = [], []

    def execv(path, command):
        became.append((path, command[1:3]))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(subprocess, "call", lambda command, **options: children.append(command) or 0)
    monkeypatch.setattr(sys, "argv", ["kdlab", "lab"])
    with pytest.raises(SystemExit):
        cli.call()
    assert not children
    assert became == [(sys.executable, ["-m", "jupyterlab"])]
