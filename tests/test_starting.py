"""Processes start and end sooner, and nothing else about them changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}
LATE = """
import gc
usual = gc.get_threshold()
import kdlab
print(gc.get_threshold()[0] > 100 * usual[0], len(gc.callbacks))
kdlab.core.starting.collect_late()  # as a notebook does that loads its modules anew
gc.collect()
print(gc.get_threshold() == usual, len(gc.callbacks))
"""
NEVER = "import gc; gc.set_threshold(0); import kdlab; print(gc.get_threshold()[0], gc.callbacks)"
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


def test_the_collector_is_as_it_was_after_its_first_look():
    assert said(LATE) == "True 1\nTrue 0\n"


def test_a_collector_that_is_not_wanted_stays_so():
    assert said(NEVER) == "0 []\n"


def test_what_somebody_sets_meanwhile_stays():
    assert said("import gc, kdlab; gc.set_threshold(50_000, 20, 20); gc.collect(); print(gc.get_threshold())") == (
        "(50000, 20, 20)\n"
    )


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
