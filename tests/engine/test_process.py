"""A run in a process of its own: paused, stopped, orphaned, it ends with the weights of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings

import psutil
import pytest
import torch
from making import TEACHER, TINY
from safetensors.torch import load_file

import kdlab
from kdlab import Config, Error, widgets
from kdlab.core.places import environment
from kdlab.engine import lock, store
from kdlab.engine import process as processes
from kdlab.engine.process import Process
from kdlab.engine.reading import log_lines
from kdlab.engine.store import RunFolder
from kdlab.experiment.setup import chain_images

DUE = store.CHECKPOINT_SECONDS  # of the processes; here `runs` makes it 0
TICK = 1.0  # seconds between two looks at a panel, which draws at each
# Long enough that a process is still at it when a busy machine looks again
LONG = Config(**{**TINY, "epochs": 60, "steps": 10, "evaluate_every": 1000})


def until(condition, every=0.05, seconds=300):  # a limit for busy cores, far above what is usual
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(every)


@pytest.fixture
def folder(runs):
    return RunFolder(LONG, chain_images(LONG))


def weights(config):
    return load_file(kdlab.run(config).folder / "weights.safetensors")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with environment(KDLAB_RUNS=str(tmp_path_factory.mktemp("undisturbed"))):
        return weights(LONG)


def as_if_undisturbed(undisturbed):
    disturbed = weights(LONG)
    return all(torch.equal(disturbed[name], undisturbed[name]) for name in undisturbed)


def test_paused_stopped_and_continued_it_ends_as_if_undisturbed(folder, undisturbed):
    process = Process(LONG)
    process.start()
    until(lambda: len(log_lines(folder.path)) > 3)
    assert folder.lock.owner() and process.alive
    process.pause()
    time.sleep(0.5)
    still = len(log_lines(folder.path))
    time.sleep(DUE)  # it will want to write one as soon as it goes on, on a fast machine, too
    assert len(log_lines(folder.path)) == still and process.alive and process.paused, "it holds still"
    process.go_on()
    until((folder.path / "checkpoint.pt").exists, every=0.005)
    process.stop()
    assert not process.alive and not folder.lock.owner() and not process.failure
    assert folder.result() is None and 0 < len(log_lines(folder.path)) < LONG.epochs, "stopped half-way"
    process.start()
    until(lambda: not process.alive)
    assert folder.result() is not None and not process.failure
    assert as_if_undisturbed(undisturbed)


@pytest.mark.parametrize(
    "paused", [False, pytest.param(True, marks=pytest.mark.skipif(os.name == "nt", reason="POSIX"))]
)
def test_it_ends_with_its_parent(paused, folder):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom kdlab import Config\nfrom kdlab.engine.process import Process\n"
            "p = Process(Config.model_validate_json(sys.argv[1])); p.start(); print(p.child.pid, flush=True)\n"
            "input(); p.pause() if len(sys.argv) > 2 else None; print(flush=True); time.sleep(600)",
            LONG.model_dump_json(),
            *(["paused"] if paused else []),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    until(lambda: len(log_lines(folder.path)) > 1)
    print(file=parent.stdin, flush=True)
    parent.stdout.readline()
    until(lambda: (psutil.Process(child).status() == psutil.STATUS_STOPPED) == paused)
    parent.kill()  # as the system does it for want of memory: nothing is said to the child
    parent.wait()
    until(lambda: not folder.lock.owner())
    assert folder.result() is None


def test_a_mistake_is_told(runs):
    process = Process(Config(**{**TINY, "labels": 5000}))
    process.start()
    until(lambda: not process.alive)
    assert "more than the 1,080 training images" in process.failure and "Traceback" not in process.failure


def test_what_a_notebook_defined_is_refused(monkeypatch):
    own = type("Own", (kdlab.METHODS["supervised"],), {"__module__": "__main__"})
    monkeypatch.setitem(kdlab.METHODS, "own", own)
    with pytest.raises(Error, match="does not know 'own' of this notebook: kdlab.run trains it"):
        Process(Config(**{**TINY, "method": "own"}))


def test_half_a_line_of_a_log_is_left_for_the_next_look(tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps({"epoch": 1}) + '\n{"epoch": ')
    assert log_lines(tmp_path) == [{"epoch": 1}] and log_lines(tmp_path / "none") == []


def test_a_panel_follows_a_run(runs):
    config = Config(**{**TINY, "method": "kd", "teacher": TEACHER, "epochs": 5})
    panel = widgets.training(config)
    empty = panel.png
    assert "not started" in panel.message.value and panel.buttons["pause"].disabled
    with pytest.raises(Error, match="this run is not done"):
        _ = panel.result
    panel.start()
    until(lambda: not panel.tick(), every=TICK)
    assert "done" in panel.message.value and panel.png != empty and panel.buttons["start"].disabled
    assert panel.result["epochs"] == 5 and panel.result.config == config


def test_two_panels_of_a_notebook_move_one_process(folder, undisturbed):
    one, other = widgets.training(LONG), widgets.training(LONG)
    one.start()
    other.start()
    until(lambda: len(log_lines(folder.path)) > 3)
    other.tick()
    assert "training" in other.message.value and other.process.child is one.process.child
    other.pause()
    one.tick()
    assert "paused" in one.message.value and one.buttons["pause"].disabled and not one.buttons["start"].disabled
    one.start()
    one.close()
    until(lambda: not other.tick(), every=TICK)
    assert "done" in other.message.value and as_if_undisturbed(undisturbed)


def test_the_panel_of_another_notebook_waits_and_takes_over(folder, undisturbed):
    one = widgets.training(LONG)
    processes.PROCESSES.clear()  # a notebook knows nothing of the other's
    other = widgets.training(LONG)
    one.start()
    until(lambda: len(log_lines(folder.path)) > 3)
    other.tick()
    assert "trained by another process" in other.message.value and one.tick() and "training" in one.message.value
    other.start()
    one.pause()
    other.tick()
    assert "waiting for another process" in other.message.value and "paused" in one.message.value
    other.pause()
    assert "paused" in other.message.value
    other.start()
    one.process.child.kill()  # as with its notebook
    until(lambda: other.tick() and "training" in other.message.value)
    until(lambda: not other.tick() and not other.process.alive, every=TICK)
    one.tick()
    assert "done" in other.message.value and "done" in one.message.value and as_if_undisturbed(undisturbed)


def test_a_panel_that_pauses_before_its_turn_ends_with_the_run(folder):
    """Its process waits for another, is paused meanwhile, and has nothing left to do."""
    one = widgets.training(LONG)
    processes.PROCESSES.clear()
    other = widgets.training(LONG)
    one.start()
    until(lambda: len(log_lines(folder.path)) > 3)
    other.start()
    other.pause()
    until(lambda: not other.tick(), every=TICK)
    until(lambda: not other.process.alive)
    assert "done" in other.message.value and not other.process.failure


def test_a_call_that_waits_for_a_paused_process_says_so_and_can_be_interrupted(folder, interrupts, monkeypatch):
    process, said = Process(LONG), []
    process.start()
    until(folder.lock.owner)
    process.pause()
    monkeypatch.setattr(lock, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(warnings, "warn", lambda text, **_: (said.append(text), signal.raise_signal(signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        kdlab.run(LONG)
    assert len(said) == 1 and said[0].startswith(folder.path.name) and "waiting for it" in said[0]
    assert folder.lock.owner() == process.name, "nothing was taken from it"
    process.stop()
    assert not folder.lock.owner()
