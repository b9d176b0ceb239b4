"""A command ends at once: what it printed is written, what it registered runs, and its code is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}
LEAVING = """
import atexit, sys
from kdlab.core.starting import leave
atexit.register(print, "at the end")
print("written", end=" ")
leave({code})
"""


def said(code, returns=0):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == returns and not done.stderr
    return done.stdout


@pytest.mark.parametrize("code", [0, 3])
def test_who_leaves_has_written_everything(code):
    assert said(LEAVING.format(code=code), returns=code) == "written at the end\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_who_cannot_write_says_so():
    code = "from kdlab.core.starting import leave\nprint('data')\nleave(0)"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], env=BUFFERED, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 120 and done.stderr == "kdlab: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("without", ["sys.stdout = None", "sys.stdout.close()"])
def test_who_has_no_output_leaves_all_the_same(without):
    assert said(f"import sys\nfrom kdlab.core.starting import leave\n{without}\nleave(5)", returns=5) == ""


UNREAD = """
import sys
from kdlab.core.starting import leave
print("first", flush=True)
print("nobody reads this")
sys.stdin.read()
leave(1)
"""


def test_who_leaves_without_a_reader_says_nothing():
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    child = subprocess.Popen([sys.executable, "-c", UNREAD], env=BUFFERED, **pipes)
    with child:
        assert child.stdout.readline() == b"first\n"
        child.stdout.close()
        child.stdin.close()
        assert child.wait(60) == 1 and child.stderr.read() == b""
