"""`kdlab notebooks run`: what cannot work is refused before the first cell, and an end of any kind leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from kdlab.cli import app as cli
from kdlab.cli import notebooks

PYTHON3 = {"display_name": "Python 3", "language": "python", "name": "python3"}


@pytest.fixture
def kdlab(monkeypatch, capsys):
    """Calls the command in this process: exit code, last line of its output, errors; what escapes it is the code."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kdlab", *map(str, words)])
        try:
            cli.call()
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException as escaped:
            code = escaped
        else:
            code = 0
        out, err = capsys.readouterr()
        sentences = [line for line in err.splitlines() if line.startswith("kdlab: ")]
        return code, out, "\n".join(sentences)

    return call


def write(path, *sources, tags=("parameters",)):
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    for cell, tag in zip(cells, tags, strict=False):
        cell.metadata["tags"] = [tag]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": PYTHON3}), path)
    return path


def texts(path):
    """What the cells of a notebook printed."""
    return [output.get("text", "") for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", ())]


@pytest.fixture
def marked(tmp_path):
    """A notebook whose first cell leaves a mark beside it."""
    return write(tmp_path / "a.ipynb", f"x: int = 1\nopen({str(tmp_path / 'mark')!r}, 'w').close()")


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "output, message",
    [
        ("folder", "is a folder: name the notebook to write, such as"),
        ("a.ipynb", "would replace"),
        ("link.ipynb", "would replace"),
        ("file/b.ipynb", "cannot be written"),
        ("file/deeper/b.ipynb", "cannot be written"),
        ("n" * 300 + ".ipynb", "cannot be written"),
        ("pipe", "no file that could be replaced"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_first_cell(kdlab, tmp_path, marked, output, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    if output == "pipe":  # this test makes it where there are such files
        os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.ipynb").symlink_to(marked)
    before, source = names(tmp_path), marked.read_bytes()
    code, _, err = kdlab("notebooks", "run", marked, tmp_path / output)
    assert code == 2
    assert message in err and err.count("\n") == 0
    assert names(tmp_path) == before and marked.read_bytes() == source


def test_the_unfinished_file_never_replaces_the_source(kdlab, tmp_path):
    path = write(tmp_path / "a.part.ipynb", "x: int = 1")
    before = path.read_bytes()
    code, _, err = kdlab("notebooks", "run", path, tmp_path / "a.ipynb")
    assert code == 2 and "would replace" in err and path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"text",
        b"{}",
        b"[]",
        b"",
        b'{"cells": 3}',
        b"\xff\xfe",
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    ],
)
def test_what_is_no_notebook_is_told_in_a_sentence(kdlab, tmp_path, content):
    (tmp_path / "a.ipynb").write_bytes(content)
    for words in (
        ["run", tmp_path / "a.ipynb", tmp_path / "b.ipynb"],
        ["execute", tmp_path / "a.ipynb"],
        ["check", tmp_path / "a.ipynb"],
    ):
        code, _, err = kdlab("notebooks", *words)
        assert code == 2
        assert "a.ipynb is no notebook" in err and err.count("\n") == 0
    assert names(tmp_path) == ["a.ipynb"] and (tmp_path / "a.ipynb").read_bytes() == content


def test_a_path_is_that_path_and_no_notebook_of_the_package(kdlab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (tmp_path / "run_experiment.ipynb", Path("notebooks", "run_experiment.ipynb"), Path("x", "00_tour")):
        code, _, err = kdlab("notebooks", "run", name, tmp_path / "b.ipynb", "-p", "nothing=1")
        assert code == 2 and f"there is no notebook {name}" in err
    code, _, err = kdlab("notebooks", "run", tmp_path, tmp_path / "b.ipynb")
    assert code == 2 and "is a folder" in err
    assert notebooks.find(["00_tour.ipynb"]) == notebooks.find(["00_tour"])


PARAMETERS = """\
lr: float = None  # lr = peak
names: dict[str, list[int]] = {
    "a": [1],  # a = 1
}
first = second = 3
width, depth = 1, 2
epochs: int"""


def test_parameters_are_those_that_python_sees(kdlab, tmp_path):
    path = write(tmp_path / "a.ipynb", PARAMETERS, "print(lr, names, first, second, width, depth, epochs)")
    given = ["lr=0.001", 'names={"b": [2]}', "first=4", "second=5", "width=6", "depth=7", "epochs=8"]
    words = [word for each in given for word in ("-p", each)]
    code, _, err = kdlab("notebooks", "run", path, tmp_path / "b.ipynb", *words)
    assert (code, err) == (0, "")
    assert texts(tmp_path / "b.ipynb") == ["0.001 {'b': [2]} 4 5 6 7 8\n"]
    code, _, err = kdlab("notebooks", "run", path, tmp_path / "c.ipynb", "-p", "peak=1")
    assert code == 2 and "unknown parameter of a.ipynb 'peak'" in err and not (tmp_path / "c.ipynb").exists()


def test_a_notebook_with_a_config_takes_every_field(kdlab, tmp_path):
    tail = "from kdlab import Config\nconfig = Config.from_params(globals())"
    tail += "\nprint(config.optimizer, config.weight_decay, config.teacher.width)"
    path = write(tmp_path / "a.ipynb", "method: str = 'supervised'", tail)
    given = ["method=kd", "optimizer=sgd", "weight_decay=0.5", "teacher.width=0.5"]
    code, _, err = kdlab(
        "notebooks", "run", path, tmp_path / "b.ipynb", *[word for each in given for word in ("-p", each)]
    )
    assert code == 0 and not err, err
    assert texts(tmp_path / "b.ipynb") == ["sgd 0.5 0.5\n"]
    code, _, err = kdlab("notebooks", "run", path, tmp_path / "c.ipynb", "-p", "optimiser=sgd")
    assert code == 2 and "did you mean 'optimizer'" in err


def test_braces_in_a_path_are_no_parameters(kdlab, tmp_path):
    path = write(tmp_path / "a{x}.ipynb", "x: int = 1", "print(x)")
    code, _, err = kdlab("notebooks", "run", path, tmp_path / "b{y}.ipynb", "-p", "x=2")
    assert (code, err) == (0, "")
    assert texts(tmp_path / "b{y}.ipynb") == ["2\n"] and names(tmp_path) == ["a{x}.ipynb", "b{y}.ipynb"]


def test_the_kernel_is_of_this_interpreter(kdlab, tmp_path, monkeypatch):
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({**PYTHON3, "argv": ["/bin/false", "{connection_file}"]}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    path = write(tmp_path / "a.ipynb", "import sys\nprint(sys.executable)", tags=())
    for words in (["run", path, tmp_path / "b.ipynb"], ["execute", path]):
        code, _, err = kdlab("notebooks", *words)
        assert (code, err) == (0, "")
        assert texts(words[-1]) == [f"{sys.executable}\n"]


def test_a_kernel_that_does_not_start_is_told_in_a_sentence(kdlab, tmp_path, tmp_path_factory, monkeypatch):
    broken = tmp_path_factory.mktemp("broken")
    (broken / "ipykernel_launcher.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", f"{broken}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    path = write(tmp_path / "a.ipynb", "x: int = 1")
    for words in (["run", path, tmp_path / "b.ipynb"], ["execute", path]):
        code, _, err = kdlab("notebooks", *words)
        assert code == 2
        assert "no kernel starts for a.ipynb" in err and err.count("\n") == 0
    assert names(tmp_path) == ["a.ipynb"]


def test_a_kernel_that_dies_is_told_in_a_sentence(kdlab, tmp_path):
    path = write(tmp_path / "a.ipynb", "import os\nos._exit(1)", tags=())
    for words in (["run", path, tmp_path / "b.ipynb"], ["execute", path]):
        code, _, err = kdlab("notebooks", *words)
        assert code == 2
        assert "the kernel died while a.ipynb ran" in err and err.count("\n") == 0
    assert names(tmp_path) == ["a.ipynb"]


def test_a_notebook_of_another_language_is_refused(kdlab, tmp_path):
    path = write(tmp_path / "a.ipynb", "x <- 1")
    nb = nbformat.read(path, 4)
    nb.metadata.kernelspec = {"display_name": "R", "language": "R", "name": "ir"}
    nbformat.write(nb, path)
    code, _, err = kdlab("notebooks", "run", path, tmp_path / "b.ipynb")
    assert code == 2 and "a notebook of R" in err and names(tmp_path) == ["a.ipynb"]


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
@pytest.mark.parametrize("command", ["run", "execute"])
def test_a_run_that_is_asked_to_end_leaves_nothing(tmp_path, command):
    for folder in ("work", "temporary", "runtime"):
        (tmp_path / folder).mkdir()
    mark = tmp_path / "mark"
    path = write(
        tmp_path / "work" / "a.ipynb",
        "x: int = 1",
        f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)",
    )
    before = path.read_bytes()
    output = [str(tmp_path / "work" / "b.ipynb")] if command == "run" else []
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path / "temporary"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "kdlab", "notebooks", command, str(path), *output],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        while not (mark.exists() and mark.read_text()) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (143, -signal.SIGTERM)
    assert names(tmp_path / "work") == ["a.ipynb"] and path.read_bytes() == before
    assert names(tmp_path / "temporary") == [] and names(tmp_path / "runtime") == []
    until = time.monotonic() + 10  # the kernel ends with it
    while lives(int(mark.read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert not lives(int(mark.read_text()))


def lives(process):
    """Whether a process runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
