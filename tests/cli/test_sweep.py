"""`kdlab sweep`: a grid of runs, or of a notebook's parameters, as one command with one table."""

import json
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import psutil
import pytest
from making import TINY
from PIL import Image

from kdlab.cli import app as cli
from kdlab.core.places import runs_root

WORDS = [f"{name}={value}" for name, value in TINY.items() if name != "labels"]


@pytest.fixture
def kdlab(runs, monkeypatch, capsys):
    """Calls the command in this process: its exit code, output, and the sentences on stderr."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kdlab", "sweep", *map(str, words)])
        try:
            cli.call()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


def write(path, *sources):
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_grid_gives_a_table_a_file_and_a_picture(kdlab, tmp_path):
    grid = ["method=supervised,label_smoothing", "labels=20,30", "seed=0-1", *WORDS, "--workers", 1]
    code, out, _ = kdlab(*grid, "--dry-run")
    assert code == 0 and out.count("to train") == 8 and "8 runs, 0 stored; 8 train" in out and "no run like" in out
    assert not list(runs_root().glob("*/*")), "nothing is trained"
    code, out, err = kdlab(*grid, "--csv", tmp_path / "a.csv", "--figure", tmp_path / "a.png")
    assert code == 0, err
    frame = pd.read_csv(tmp_path / "a.csv")
    means = frame.groupby(["method", "labels"])["test/accuracy"].mean()
    assert len(frame) == 8 and list(frame)[:3] == ["method", "labels", "seed"]
    lines = [line.split() for line in out.splitlines()]
    assert lines[:2] == [["test/accuracy"], ["method", "labels", "mean", "±", "95", "%", "n"]]
    assert {(m, int(at)): (mean, n) for m, at, mean, _, n in lines[2:]} == {
        group: (f"{mean:.1f}", "2") for group, mean in means.items()
    }
    assert Image.open(tmp_path / "a.png").size[0] > 400
    code, out, _ = kdlab(*grid, "lr=0.001,0.002", "--dry-run")
    assert "16 runs, 8 stored; 8 train" in out and "about" in out and "at 1 at a time" in out


def test_words_are_laid_over_a_file_and_what_fails_is_told(kdlab, tmp_path):
    file = tmp_path / "sweep.yaml"
    fields = [f"{name}: {value}" for name, value in TINY.items() if name != "labels"]
    file.write_text("\n".join(["workers: 2", "lr: [1e-3, 2e-3]", "labels: [20, 5]", "teacher.width: 0.125", *fields]))
    code, out, err = kdlab(
        file,
        "method=supervised",
        "teacher=none",
        "lr=0.001",
        "seed=1",
        "--workers",
        1,
        "--json",
        "--metric",
        "test/ece",
    )
    report = json.loads(out)
    assert code == 1 and report["metric"] == "test/ece", err
    assert [(row["labels"], row["seed"]) for row in report["runs"]] == [(20, 1)] and report["means"][0]["n"] == 1
    (failed,) = report["failed"]
    assert failed["labels"] == 5 and "label" in failed["message"] and failed["command"].startswith("kdlab run ")


@pytest.mark.parametrize(
    "words, message",
    [
        (["methd=kd,crd"], "did you mean 'method'"),
        (["labels=20,30", "--figure", "a.jpg"], "ends in .png"),
        (["seed=0-1", "--figure", "a.png"], "unknown field with several values ''"),
        (["labels=20,30", "--figure", "a.png", "--x", "label"], "did you mean 'labels'"),
        (["none.yaml"], "there is no file none.yaml"),
        (["a.yaml", "b.yaml"], "give one file"),
        (["workers.yaml"], "workers='two' in workers.yaml"),
        (["labels=20,30", "--folder", "out"], "--folder is that of notebooks"),
        (["labels=20,30", "--csv", "nowhere/a.csv"], "in a folder that can be written to"),
        (["--notebook", "run_experiment", "labls=20,30"], "did you mean 'labels'"),
        (["--notebook", "run_experiment", "method=kd", "teacher.modle=resnet8,resnet20"], "did you mean 'model'"),
        (["--notebook", "run_experiment", "labels=20", "--scheduler", "tcp://h:1"], "runs here, in kernels of its own"),
        (["--notebook", "run_experimnt", "labels=20,30"], "did you mean 'run_experiment'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(kdlab, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workers.yaml").write_text("workers: two")
    code, out, err = kdlab(*words)
    assert code == 2 and out == "" and message in err and err.count("\n") == 1
    assert [path.name for path in runs_root().iterdir()] == ["workers.yaml"]


def test_a_notebook_runs_in_kernels_that_stay_warm_and_clean(kdlab, tmp_path):
    path = write(
        tmp_path / "a.ipynb",
        "a: int = 0\nb: list = []",
        "import os\nassert 'left' not in globals() and len(In) == 4, 'not clean'\nleft = a",
        "1 / (a - 2)\n{'kernel': os.getpid(), 'sum': a + len(b), 'odd': float('nan')}",
    )
    words = ["--notebook", path, "a=0-3", "b=[[1],[1,2]]", "--workers", 1, "--folder", tmp_path / "out"]
    code, out, err = kdlab(*words, "--metric", "sum", "--csv", tmp_path / "a.csv")
    frame = pd.read_csv(tmp_path / "a.csv")
    assert code == 1 and out.count("ZeroDivisionError") == 2 and "kdlab notebooks run" in out, (out, err)
    assert frame.equals(pd.read_csv(tmp_path / "out" / "table.csv"))
    assert [*zip(frame.a, frame.b, frame["sum"], strict=True)] == [
        *((a, b, a + len(json.loads(b))) for a in (0, 1, 3) for b in ("[1]", "[1, 2]"))
    ]
    assert frame.kernel.nunique() < 4, "one kernel, and a new one after a failure"
    assert len(list((tmp_path / "out").glob("*.part.ipynb"))) == 2 and len(list(tmp_path.glob("out/*.ipynb"))) == 8
    code, out, _ = kdlab(*words, "--dry-run")
    assert "8 notebooks" in out and "6 there" in out and "at 1 at a time" in out


def test_an_interrupted_sweep_leaves_no_kernel_and_nothing_half_written(tmp_path, interrupts):
    path = write(
        tmp_path / "a.ipynb",
        "a: int = 0",
        f"open({str(tmp_path)!r} + f'/begun{{a}}', 'w').close()\nimport time\ntime.sleep(a)\na",
    )
    command = [sys.executable, "-m", "kdlab", "sweep", "--notebook", path, "a=0,98,99", "--folder", tmp_path / "out"]
    process = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (tmp_path / "begun98").exists() or not (tmp_path / "begun99").exists():
        assert process.poll() is None and not time.sleep(0.1)
    kernels = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130 and process.stderr.read().endswith("the same command goes on from there\n")
    assert len(kernels) >= 2 and not psutil.wait_procs(kernels, 10)[1]
    (done,) = (tmp_path / "out").iterdir()
    assert done.name.startswith("a-a=0-") and done.suffix == ".ipynb"
