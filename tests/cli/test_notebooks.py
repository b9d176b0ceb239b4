"""Committed notebooks are in canonical form; executing, normalising and running them keeps its promises."""

import ast
import json
import re
import sys

import nbformat
import pytest

from kdlab import Error
from kdlab.cli import app as cli
from kdlab.cli import notebooks

NOTEBOOKS = notebooks.find(None)
WIDTH = 120


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each
def test_canonical_form(path):
    notebook = nbformat.read(path, 4)
    text = path.read_text()
    notebooks.normalise(notebook)
    assert nbformat.writes(notebook) + "\n" == text, f"write it with: kdlab notebooks clean {path.stem}"
    assert path.stat().st_size < 1_200_000
    assert not re.search(r"(/home/|/root/|/tmp/|/Users/|[A-Z]:\\\\)", text), "a path of one machine"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids) and all(re.fullmatch("[a-z0-9-]+", i) for i in ids)


@each
def test_executed_in_order_without_errors(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), (
        "nbval compares only executed cells"
    )
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]


@each
def test_parameters_and_check_cells(path):
    cells = code_cells(path)
    tagged = {
        tag: [cell for cell in cells if tag in cell.metadata.get("tags", ())]
        for tag in ("parameters", "nbval-check-output")
    }
    assert len(tagged["parameters"]) == 1 and len(tagged["nbval-check-output"]) >= 1
    for line in tagged["parameters"][0].source.splitlines():
        assert re.match(r"\w+: (int|float|str|list|dict|bool) = ", line), f"{line!r}: parameters are typed"


@each
def test_cells_are_short_and_hold_no_classes_or_loops(path):
    for cell in code_cells(path):
        assert all(len(line) <= WIDTH for line in cell.source.splitlines()), cell.id
        if "parameters" in cell.metadata.get("tags", ()):
            continue
        assert len(cell.source.splitlines()) <= 15, cell.id
        nodes = list(ast.walk(ast.parse(cell.source)))
        refused = ast.While if cell.id == "own-method" else ast.ClassDef | ast.While  # where the reader writes a method
        assert not any(isinstance(node, refused) for node in nodes), cell.id
        assert ".backward(" not in cell.source, cell.id


@pytest.mark.parametrize("stem", ["01_data_and_views", *(path.stem for path in NOTEBOOKS if "02" <= path.stem < "07")])
def test_a_method_of_ones_own_is_written_and_run(stem):
    path = notebooks.NOTEBOOKS / f"{stem}.ipynb"
    (cell,) = [cell for cell in code_cells(path) if cell.id == "own-method"]
    assert "METHODS[" in cell.source and "class " in cell.source


# The room, on notebooks of its own


def notebook(path, *sources, tags=()):
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    for i, tag in enumerate(tags):
        cells[i].metadata["tags"] = [tag] if tag else []
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=notebooks.METADATA), path)
    return path


def test_executing_twice_changes_no_byte(tmp_path):
    sources = [
        "import time\nprint(time.time_ns())",
        "import warnings\nwarnings.warn('careful')",
        "from tqdm.auto import tqdm\nfor _ in tqdm([1]): pass\n1 + 1",
    ]
    path = notebook(tmp_path / "a.ipynb", *sources, tags=["volatile"])
    notebooks.execute(path)
    first = path.read_bytes()
    notebooks.execute(path)
    assert path.read_bytes() == first
    assert code_cells(path)[2].outputs[-1].data["text/plain"] == "2"
    edited = nbformat.read(path, 4)
    edited.cells[0].source += "  # measured again"
    nbformat.write(edited, path)
    notebooks.execute(path)
    assert path.read_bytes() != first, "an edited volatile cell is measured again"


def test_executing_commits_figures_and_no_evidence(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "HERE", tmp_path)
    saves = (
        "import os, pathlib\nplace = pathlib.Path(os.environ['KDLAB_FIGURES'], 'data')\nplace.mkdir(parents=True)\n"
        "(place / 'table.csv').write_text('system,mean\\n'); (place.parent / 'a.png').write_bytes(b'png')\n"
        "(place / 'study.csv').write_text('system,seed,settings,identity\\n'); None"
    )
    notebooks.execute(notebook(tmp_path / "a.ipynb", saves))
    made = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*") if "figures" in file.parts)
    assert made == ["figures/a.png", "figures/data/table.csv"]
    with pytest.raises(Error):
        notebooks.execute(notebook(tmp_path / "b.ipynb", saves.replace("table", "other"), "1 / 0"))
    assert not (tmp_path / "figures" / "data" / "other.csv").exists(), "nothing of a notebook that failed"


def test_cleaning_writes_the_canonical_form_and_runs_nothing(tmp_path, monkeypatch, capsys):
    def clean(path):
        """The exit code of the command, and what it says that it has changed."""
        monkeypatch.setattr(sys, "argv", ["kdlab", "notebooks", "clean", str(path)])
        with pytest.raises(SystemExit) as stop:
            cli.call()
        return stop.value.code or 0, capsys.readouterr().out

    path = notebook(tmp_path / "a.ipynb", "1 / 0")
    assert clean(path)[0] == 0
    before, edited = path.read_bytes(), nbformat.read(path, 4)
    edited.metadata["language_info"] = {"name": "python", "version": "3.99"}
    edited.cells[0].metadata = {"execution": {"iopub.status.busy": "now"}, "collapsed": False, "tags": ["a"]}
    edited.cells[0].outputs = [nbformat.v4.new_output("stream", text="kept")]
    nbformat.write(edited, path)
    assert clean(path) == (0, f"{path}\n") and clean(path) == (0, ""), "the second time nothing is left to do"
    assert nbformat.read(path, 4).cells[0].outputs[0].text == "kept"
    assert path.read_bytes() != before and nbformat.read(path, 4).metadata == notebooks.METADATA
    (tmp_path / "b.ipynb").write_text(nbformat.writes(edited).replace('"nbformat_minor": 5', '"nbformat_minor": 4'))
    assert clean(tmp_path / "b.ipynb")[1] and nbformat.read(tmp_path / "b.ipynb", 4).nbformat_minor == 5


def test_a_failing_notebook_is_left_as_it_was(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(Error, match="a.ipynb: ZeroDivisionError: division by zero"):
        notebooks.execute(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]


def test_papermill_runs_with_parameters_and_refuses_unknown_ones(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "seed: int = 0", "print(seed * 2)", tags=["parameters"])
    out = notebooks.run_notebook(path, tmp_path / "out" / "b.ipynb", {"seed": 21})
    assert code_cells(out)[-1].outputs[0].text == "42\n" and [p.name for p in out.parent.iterdir()] == ["b.ipynb"]
    with pytest.raises(Error, match="unknown parameter of a.ipynb 'sed': did you mean 'seed'"):
        notebooks.run_notebook(path, tmp_path / "never.ipynb", {"sed": 1})
    assert not list(tmp_path.glob("never*"))


def test_an_unfinished_papermill_run_has_no_final_name(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "x: int = 1", "raise ValueError('no')", tags=["parameters"])
    with pytest.raises(Error, match="ValueError: no .*cell 2 of a.ipynb"):
        notebooks.run_notebook(path, tmp_path / "b.ipynb", {})
    assert not (tmp_path / "b.ipynb").exists() and (tmp_path / "b.part.ipynb").exists()


def test_what_a_cell_registers_for_the_end_of_its_kernel_runs(tmp_path):
    source = (
        f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'end')!r}).write_text, 'registered');"
    )
    notebooks.execute(notebook(tmp_path / "a.ipynb", source))
    assert (tmp_path / "end").read_text() == "registered"


def test_a_kernel_that_dies_is_told(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "x: int = 1", "import os\nos._exit(1)", tags=["parameters"])
    with pytest.raises(Error, match="the kernel died"):
        notebooks.run_notebook(path, tmp_path / "b.ipynb", {})
    assert not (tmp_path / "b.ipynb").exists()


def test_find(tmp_path):
    assert [p.name for p in notebooks.find(["00_tour"])] == ["00_tour.ipynb"]
    with pytest.raises(Error, match="unknown notebook '00_tor': did you mean '00_tour'"):
        notebooks.find(["00_tor"])


def test_normalise_drops_what_differs_between_runs():
    nb = nbformat.v4.new_notebook(
        metadata={"papermill": {"x": 1}, "kernelspec": {"name": "mine", "display_name": "mine"}}
    )
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": ["a"], "execution": {"started": "now"}})
    cell.outputs = [
        nbformat.v4.new_output("display_data", {"text/plain": "bar", notebooks.WIDGET_VIEW: {"model_id": "9"}}),
        *(nbformat.v4.new_output("stream", name=name, text=text) for name, text in ("oa", "ob", "ec", "od")),
    ]
    nb.cells = [cell]
    notebooks.normalise(nb)
    assert json.loads(nbformat.writes(nb))["metadata"] == notebooks.METADATA
    assert cell.metadata == {"tags": ["a"]} and list(cell.outputs[0].data) == ["text/plain"]
    assert [(output.name, output.text) for output in cell.outputs[1:]] == [("o", "ab"), ("e", "c"), ("o", "d")]
