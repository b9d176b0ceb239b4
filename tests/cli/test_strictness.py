"""`kdlab notebooks check` and `pytest --nbval`: the notebook that was named, by the same rules in every folder."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from kdlab.cli import app as cli
from kdlab.cli import notebooks

ROOT = Path(__file__).resolve().parents[2]
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([0, 1]);"


def check(monkeypatch, *words):
    """The exit code of the command, called in this process."""
    monkeypatch.setattr(sys, "argv", ["kdlab", "notebooks", "check", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.call()
    return stop.value.code or 0


def write(path, *sources):
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    cells[0].metadata["tags"] = ["nbval-check-output"]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=notebooks.METADATA), path)
    return path


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A notebook with its outputs: a checked number, an unchecked one, a figure that a semicolon shows once."""
    path = write(tmp_path_factory.mktemp("executed") / "a.ipynb", "print('checked', 1)", "print('other', 2)", FIGURE)
    notebooks.execute(path)
    return path.read_text()


def test_a_path_is_meant_where_it_is_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "notebooks" / "run_experiment.ipynb", "1 / 0")
    assert check(monkeypatch, "notebooks/run_experiment.ipynb") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notebooks", "run_experiment.ipynb"], "nothing is left"


def test_outputs_are_compared_whole_where_they_were_made(tmp_path, monkeypatch, executed):
    monkeypatch.chdir(tmp_path)
    Path("a.ipynb").write_text(executed)
    assert check(monkeypatch, "--strict", "a.ipynb") == 0, "as executed, the figure once"
    Path("a.ipynb").write_text(executed.replace("other 2", "other 3"))
    assert check(monkeypatch, "--strict", "a.ipynb") == 1, "a digit has changed"


def test_elsewhere_tagged_cells_are_compared_and_a_line_says_so(tmp_path, monkeypatch, executed, capfd):
    monkeypatch.chdir(tmp_path)
    moved = nbformat.reads(executed, 4)
    moved.metadata["kdlab"] = {"machine": "riscv64 of somebody, torch 1.0, 7 threads"}
    Path("a.ipynb").write_text(nbformat.writes(moved).replace("other 2", "other 3"))
    assert check(monkeypatch, "--strict", "a.ipynb") == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if "another kind of machine" in line]
    assert len(lines) == 1 and lines[0].startswith("a.ipynb: ")


def test_an_explicit_nbval_wins_over_the_lax_one_of_the_repository(tmp_path, executed):
    (tmp_path / "a.ipynb").write_text(executed.replace("other 2", "other 3"))
    plugin = ["-p", "kdlab.cli.strictness"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", *plugin]
    done = subprocess.run([*command, "--nbval", tmp_path / "a.ipynb"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1, done.stdout.decode()[-500:]
