"""Cells of the committed notebooks: run again in any order, and on the other data that their parameters promise.

They run in this process, one shell a notebook: a kernel would take four seconds to start.
"""

import ast

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from cells import names, new_shell
from genuine import write_idx
from PIL import Image

import kdlab
from kdlab.cli import notebooks

NOTEBOOKS = {path.stem: path for path in notebooks.find(None)}
ON_DATA = [  # those whose data set is a parameter
    "00_tour",
    "01_data_and_views",
    "02_ssl_pretraining",
    "03_distillation",
    "04_scheduled_distillation",
    "05_sskd",
    "06_layered_self_distillation",
    "run_experiment",
]


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_no_cell_changes_what_an_earlier_one_reads(path):
    """Or the earlier one would fail, or draw something else, when it is run again."""
    cells = code_cells(path)
    adds = {  # `live |= ...` only adds
        node.target.id
        for cell in cells
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    pairs = [(cell.id, *names(cell.source)) for cell in cells]
    changed = {
        (reader, name, later)
        for i, (reader, reads, _) in enumerate(pairs)
        for later, _, sets in pairs[i + 1 :]
        for name in reads & sets - adds
    }
    assert changed == set()


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_no_cell_hides_its_value(path):
    """nbval keeps no history, so that a semicolon at the end of a cell hides nothing there."""
    assert [cell.id for cell in code_cells(path) if cell.source.rstrip().endswith(";")] == []


# Run


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Runs cells in one shell and fails where one raises. Runs, figures and data lie in a folder of the test."""
    for name in ("RUNS", "FIGURES", "DATA", "CACHE"):
        monkeypatch.setenv(f"KDLAB_{name}", str(tmp_path / name))
    monkeypatch.setenv("KDLAB_WIDGETS", "0")
    monkeypatch.setenv("KDLAB_PROGRESS", "0")
    own = set(kdlab.METHODS)
    shell = new_shell()

    def run(*sources):
        for source in sources:
            result = shell.run_cell(source, store_history=True)
            plt.close("all")  # as a kernel does
            error = result.error_before_exec or result.error_in_exec
            if error is not None:
                pytest.fail(f"{type(error).__name__}: {error}\n{source}")
        return shell.user_ns

    yield run
    for name in set(kdlab.METHODS) - own:  # those that a notebook has defined
        del kdlab.METHODS[name]
    shell.clear_instance()


def injected(name, **values):
    """The cell that papermill writes below the parameters, of the values that this notebook has."""
    cell = ast.parse(code_cells(NOTEBOOKS[name])[0].source)
    allowed = {statement.target.id for statement in cell.body}
    tiny = {"epochs": 1, "steps": 2, "batch": 8, "size": 12} if name == "run_experiment" else {"budget": "smoke"}
    lines = [f"{key} = {value!r}" for key, value in {**tiny, **values}.items() if key in allowed]
    return "# Parameters\n" + "\n".join(lines)


def folder(root, classes, channels):
    """Ten images a class, of many sizes."""
    draw = np.random.default_rng(0)
    for part in ("train", "test"):
        for shade, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for i in range(10):
                height, width = draw.integers(12, 20, 2)
                pixels = draw.integers(0, 120, (height, width, channels)).astype(np.uint8) + np.uint8(60 * shade)
                Image.fromarray(pixels.squeeze()).save(root / part / name / f"{i:02}.png")
    return f"folder:{root}"


def mnist(root):
    """Files as they are distributed, of few images."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 60), ("t10k", 30)):
        raw = root / "DATA" / "MNIST" / "raw"
        write_idx(raw / f"{part}-images-idx3-ubyte", draw.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(raw / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    return "mnist"


BRIEF = ("01", "03")  # a folder of images, MNIST
BY_DATA = [name if name[:2] in BRIEF else pytest.param(name, marks=pytest.mark.thorough) for name in ON_DATA]


@pytest.mark.parametrize("name", BY_DATA)
def test_other_data_and_cells_that_run_again(shell, tmp_path, name):
    if name[:2] in ("03", "04"):
        dataset, labels = mnist(tmp_path), 20
    elif name[:2] in ("01", "06"):
        dataset, labels = folder(tmp_path / "images", ["a", "b", "c"], 1), 12
    else:
        dataset, labels = folder(tmp_path / "images", ["cat", "dog"], 3), 12
    first, second, *cells = code_cells(NOTEBOOKS[name])
    setting = injected(name, dataset=dataset, labels=labels)
    shell(first.source, setting, second.source, *(cell.source for cell in cells))
    shell(*(cell.source for cell in cells if cell.id.endswith("explorer") or cell.id in ("own-method", "check")))
    shell(second.source)
    others = injected(name, dataset=dataset, labels=labels - 2, share=0.25)
    namespace = shell(first.source, others, second.source)
    plans = namespace["study"].systems.values() if "study" in namespace else [namespace["config"]]
    assert {labels - 2, 0.25} & {plan.labels for plan in plans}, "other labels in the same kernel"


@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if name not in ON_DATA])
def test_the_first_cells_run_again(shell, name):
    first, second, *_ = code_cells(NOTEBOOKS[name])
    shell(first.source, second.source, "kinds, live = 3, {}", first.source, second.source)
