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
from kdlab.cli.warm import results
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


def test_words_are_laid_over_a_file_and_what_fails_is_named(kdlab, tmp_path):
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
        (["seed=0-1", "--figure", "a.png"], "nothing can be drawn: give a field other than seed"),
        (["labels=20,30", "--figure", "a.png", "--x", "label"], "did you mean 'labels'"),
        (["none.yaml"], "there is no file none.yaml"),
        (["a.yaml", "b.yaml"], "give one file"),
        (["workers.yaml"], "workers='two' in workers.yaml"),
        (["workers=-1", "labels=20,30", "--dry-run"], "workers=-1: write the number of processes, 1 or more"),
        (["workers=0", "--notebook", "run_experiment", "labels=20,30", "--dry-run"], "workers=0: write the number"),
        (["workers=true", "labels=20,30"], "workers=True: write the number"),
        (["seed=0-1", "seed=3"], "seed is given twice"),
        (["labels=20,30", "--metric", "test/acuracy", "--dry-run"], "did you mean 'test/accuracy'"),
        (["labels=20,30", "--metric", "test/agreement"], "cannot be measured on supervised: choose accuracy"),
        (["labels=20,30", "--metric", "accuracy"], "did you mean 'val/accuracy'"),
        (["--notebook", "run_experiment", "method=supervised", "labels=20", "seed=0,x"], "seed='x': give a int"),
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


def test_a_metric_that_one_method_lacks_is_blank_there(kdlab):
    grid = ["method=supervised,kd", "teacher.width=0.125", "labels=20", "seed=0-1", *WORDS, "--workers", 1]
    code, out, err = kdlab(*grid, "--metric", "test/agreement")
    header, names, *rows, note = [line.split() for line in out.splitlines()]
    assert code == 0 and header == ["test/agreement"] and names == ["method", "mean", "±", "95", "%", "n"], (out, err)
    assert rows[0] == ["supervised", "0"] and rows[1][0] == "kd" and rows[1][-1] == "2"
    assert " ".join(note) == "2 of 4 runs have no test/agreement, see --metric"
    code, out, err = kdlab(*grid, "--metric", "test/agreement", "--json")
    assert [row["mean"] is None for row in json.loads(out)["means"]] == [True, False]
    code, out, err = kdlab(*grid, "--metric", "test/per_class")
    assert code == 2 and "no run has test/per_class: choose --metric from" in err and "test/per_class/0" in err


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


def test_results_of_a_notebook_are_read_as_they_are_printed(tmp_path):
    texts = [
        "{'score': np.float64(0.5), 'acc': 0.9, 'k': np.int64(3), 'on': np.True_, 'who': np.str_('kd')}",
        "{'t': tensor(0.2500, device='cuda:0'), 'g': tensor(0.5, grad_fn=<MeanBackward0>), 'v': tensor([1., 2.])}",
        "{'fig': <Figure size 640x480 with 1 Axes>, 'it': <it's odd>, 'n': {'x': 1, 'y': <odd>}, 'last': 1}",
        "{'note': 'nan, inf {', 'nothing': nan, 'more': -inf}",
        "{1, 2}",
        "{'cut': [1, 2,",
    ]
    cells = [nbformat.v4.new_code_cell(id=f"c{i}") for i in range(len(texts))]
    for cell, text in zip(cells, texts, strict=True):
        cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": text})]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    numbers = {"score": 0.5, "acc": 0.9, "k": 3, "on": True, "who": "kd", "t": 0.25, "g": 0.5, "last": 1}
    assert results(tmp_path / "a.ipynb") == {**numbers, "note": "nan, inf {"}


def test_a_notebook_of_one_number_needs_no_metric_and_one_of_several_names_them(kdlab, tmp_path):
    one = write(tmp_path / "one.ipynb", "a: int = 0", "{'score': a, 'kind': 'x'}")
    words = ["a=1,2", "--workers", 1, "--folder", tmp_path / "out"]
    code, out, err = kdlab("--notebook", one, *words)
    assert code == 0 and out.startswith("score\n") and f"all results: {tmp_path / 'out' / 'table.csv'}" in out, err
    two = write(tmp_path / "two.ipynb", "a: int = 0", "{'score': a, 'loss': 1.0}")
    code, out, err = kdlab("--notebook", two, *words)
    assert code == 0 and "table.csv" in out and "--metric compares one of score, loss" in out, err
    code, out, err = kdlab("--notebook", two, *words, "--metric", "scor")
    assert code == 2 and "table.csv" in out and "no run has scor: choose --metric from score, loss" in err
    code, out, err = kdlab("--notebook", two, "a=1,x")
    assert code == 2 and "parameter a='x': give a int" in err


@pytest.mark.parametrize("command", ["sweep labels=20,30", "run labels=20", "study tune tour", "study verify tour"])
def test_an_interrupt_before_training_has_its_sentence(command, interrupts, tmp_path):
    early = "import sys, builtins\nfrom kdlab.cli import app\nimported = builtins.__import__\n"
    early += (
        "def late(name, *rest):\n    if name == 'torch': raise KeyboardInterrupt\n    return imported(name, *rest)\n"
    )
    early += f"builtins.__import__ = late\nsys.argv = ['kdlab', *{command.split()!r}]\napp.call()"
    done = subprocess.run([sys.executable, "-c", early], check=False, capture_output=True, text=True)
    assert done.returncode == 130 and done.stderr.startswith("kdlab: interrupted; the same command"), done.stderr
    assert done.stderr.count("\n") == 1


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
