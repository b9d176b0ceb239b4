"""A run in a process of its own: paused, stopped, orphaned, it ends with the weights of an undisturbed one."""

import json
import subprocess
import sys
import time

import pytest
import torch
from making import TEACHER, TINY
from safetensors.torch import load_file

import kdlab
from kdlab import Config, Error
from kdlab.engine.assemble import chain_images
from kdlab.engine.process import Process
from kdlab.engine.store import RunFolder, log_lines

LONG = Config(**{**TINY, "epochs": 120, "steps": 10, "evaluate_every": 1000})


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


@pytest.fixture
def folder(runs):
    return RunFolder(LONG, chain_images(LONG))


def weights(config):
    return load_file(kdlab.run(config).folder / "weights.safetensors")


def test_paused_stopped_and_continued_it_ends_as_if_undisturbed(folder, tmp_path_factory, monkeypatch):
    process = Process(LONG)
    process.start()
    until(lambda: len(log_lines(folder.path)) > 3)
    assert folder.taken() and process.alive
    process.pause()
    time.sleep(0.5)
    still = len(log_lines(folder.path))
    time.sleep(0.5)
    assert len(log_lines(folder.path)) == still and process.alive and process.paused, "it holds still"
    process.go_on()
    until((folder.path / "checkpoint.pt").exists)  # after five seconds
    process.stop()
    assert not process.alive and not folder.taken() and not process.failure
    assert folder.result() is None and 0 < len(log_lines(folder.path)) < LONG.epochs, "stopped half-way"
    process.start()
    until(lambda: not process.alive)
    assert folder.result() is not None and not process.failure
    disturbed = weights(LONG)
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path_factory.mktemp("undisturbed")))
    undisturbed = weights(LONG)
    assert all(torch.equal(disturbed[name], undisturbed[name]) for name in undisturbed)


def test_it_ends_with_its_parent(folder):
    parent = subprocess.Popen(
        [sys.executable, "-c", "import sys, time\nfrom kdlab import Config\nfrom kdlab.engine.process import Process\n"
         "p = Process(Config.model_validate_json(sys.argv[1])); p.start(); print(p.child.pid, flush=True)\n"
         "p.pause() if len(sys.argv) > 2 else None; time.sleep(600)", LONG.model_dump_json()],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    assert int(parent.stdout.readline()) > 0
    until(lambda: len(log_lines(folder.path)) > 1)
    parent.kill()  # as the system does it for want of memory: nothing is said to the child
    parent.wait()
    until(lambda: not folder.taken(), 20)
    assert folder.result() is None


def test_a_mistake_is_told(runs):
    process = Process(Config(**{**TINY, "dataset": "folder:/nowhere"}))
    process.start()
    until(lambda: not process.alive)
    assert "/nowhere" in process.failure and "Traceback" not in process.failure


def test_what_a_notebook_defined_is_refused(monkeypatch):
    own = type("Own", (kdlab.METHODS["supervised"],), {"__module__": "__main__"})
    monkeypatch.setitem(kdlab.METHODS, "own", own)
    with pytest.raises(Error, match="does not know 'own' of this notebook: kdlab.run trains it"):
        Process(Config(**{**TINY, "method": "own"}))


def test_half_a_line_of_a_log_is_left_for_the_next_look(tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps({"epoch": 1}) + '\n{"epoch": ')
    assert log_lines(tmp_path) == [{"epoch": 1}] and log_lines(tmp_path / "none") == []


def test_a_panel_follows_a_run(runs):
    from kdlab import widgets

    config = Config(**{**TINY, "method": "kd", "teacher": TEACHER, "epochs": 5})
    panel = widgets.training(config)
    empty = panel.png
    assert "not started" in panel.told.value and panel.buttons["pause"].disabled
    with pytest.raises(Error, match="this run is not done"):
        _ = panel.result
    panel.start()
    second = widgets.training(config)
    until(lambda: second.elsewhere() or second.tick() or panel.folders[-1].result() is not None)
    until(lambda: not panel.tick())
    assert "done" in panel.told.value and panel.png != empty and panel.buttons["start"].disabled
    assert panel.result["epochs"] == 5 and panel.result.config == config
    second.tick()
    assert "done" in second.told.value, "two panels on one run tell the same"
    second.start()
    second.stop()
    assert second.result.folder == panel.result.folder
