"""Explorers in a real browser: every one is moved by keyboard in JupyterLab, and one in Voilà.

KDLAB_BENCH_OUT names a file for a table of how long that takes, KDLAB_SHOTS a folder for screenshots.
"""

import csv
import os
import statistics
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[test]")

import browsing
import moving
import torch
from safetensors.torch import load_file

from kdlab import Config, notebooks, run

if not browsing.CHROMIUM:
    pytest.skip("there is no Chromium or Chrome to open notebooks with", allow_module_level=True)

SMALL = (
    'budget: str = "lab"', 'import kdlab\n\nkdlab.parameters(globals(), ["budget"])', "kdlab.widgets.circle()",
    "kdlab.widgets.seeds([3.0, 5.0, -1.0, 2.0, 4.0])",
)  # fmt: skip
WITH_EXPLORERS = [
    path for path in notebooks.find(None) if any(browsing.CALL.search(cell.source) for cell in browsing.code(path))
]
TABLE = [
    "notebook", "seconds to first picture", "explorer", "control", "moves", "pictures", "median ms", "slowest ms",
]  # fmt: skip
MOVES = 20


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing.chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Where JupyterLab answers, the folder of its notebooks, and that of its runs."""
    folder, place = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("lab")
    with browsing.jupyterlab(place, folder) as address:
        yield address, folder, place / "runs"


@pytest.fixture
def opened(lab, browser):
    """Opens a notebook that lies in JupyterLab's folder; afterwards nothing may have gone wrong on its page."""
    address, folder, _ = lab
    pages = []

    def open_notebook(path):
        pages.append(browsing.Lab(browser, address, path.relative_to(folder).name))
        return pages[-1]

    yield open_notebook
    for page in pages:
        page.page.close()
    browsing.stop_kernels(address)
    for page in pages:
        assert not page.complaints


def moved(explorer):
    """Move the first control that gives another picture, and tell which; the state follows the first one moved."""
    explorer.wait()
    for control in range(len(explorer.controls)):
        before = explorer.state
        milliseconds = explorer.move(control)
        assert explorer.state != before, f"the state stays {before}"
        if milliseconds is not None:
            return control
    return pytest.fail(f"no control of {explorer.state} changes the picture")


def measure(explorer, control):
    """Milliseconds from key to picture, of those of twenty moves that give another one."""
    times = [explorer.move(control) for _ in range(MOVES)]
    return [t for t in times if t is not None]


def record(row):
    with Path(os.environ["KDLAB_BENCH_OUT"]).open("a", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        if not file.tell():
            table.writerow(TABLE)
        table.writerow(row)


@pytest.mark.parametrize("path", [None, *WITH_EXPLORERS], ids=lambda path: path.stem if path else "small")
def test_every_explorer_of_a_notebook_moves(path, lab, opened, tmp_path):
    path = browsing.copy(path or browsing.write(tmp_path / "small.ipynb", *SMALL), lab[1])
    notebook = opened(path)
    notebook.run_all()
    seconds = notebook.first_picture()
    notebook.wait()
    assert not notebook.failures()
    explorers, panels = notebook.explorers(), notebook.panels()
    last = [cell.source.splitlines()[-1] for cell in browsing.code(path)]
    assert len(explorers + panels) >= sum(bool(browsing.SHOWS.match(line)) for line in last)
    for explorer in explorers:
        control = moved(explorer)
        if "KDLAB_BENCH_OUT" in os.environ:
            times = measure(explorer, control)
            row = [len(times), round(statistics.median(times)), round(max(times))]
            record([path.stem, round(seconds, 1), explorer.name, control, MOVES, *row])
    for panel in panels:
        panel.train()
    if "KDLAB_SHOTS" in os.environ:
        notebook.shoot(os.environ["KDLAB_SHOTS"], path.stem)
    assert not notebook.failures()


def test_a_control_moved_while_a_cell_runs_arrives_afterwards(lab, opened):
    sources = (SMALL[1], "kdlab.widgets.seeds([3.0, 5.0, -1.0, 2.0, 4.0, 6.0, 1.0])", "import time\ntime.sleep(5)")
    notebook = opened(browsing.write(lab[1] / "busy.ipynb", SMALL[0], *sources))
    notebook.run_all()
    notebook.first_picture()
    (explorer,) = notebook.explorers()
    before = explorer.state
    for _ in range(3):
        explorer.press()
    assert notebook.running() == 1 and explorer.state == before
    notebook.wait()
    explorer.page.wait_for_function(
        "line => line.value.includes('n=6')", arg=explorer.line.element_handle(), timeout=1000 * moving.MOVE_SECONDS
    )
    moved(explorer)
    assert not notebook.failures()


def test_cells_that_run_twice_give_an_explorer_that_works(lab, opened):
    notebook = opened(browsing.write(lab[1] / "twice.ipynb", *SMALL[:3]))
    notebook.run_all()
    notebook.wait()
    for cell in (0, 1, 2, 2):
        notebook.run(cell)
    (explorer,) = notebook.explorers()
    moved(explorer)
    assert not notebook.failures()


LONG = 'Config(model="resnet8", width=0.25, labels=20, epochs=60, steps=20, evaluate_every=1000)'


def test_a_training_survives_a_reload_and_ends_as_if_undisturbed(lab, opened, monkeypatch, tmp_path):
    """Started, paused, the page loaded anew, continued: the weights are those of `run`."""
    notebook = opened(browsing.write(lab[1] / "live.ipynb", SMALL[1], f"kdlab.widgets.training(kdlab.{LONG})"))
    notebook.run_all()
    notebook.wait()
    panel = notebook.panels()[0]
    panel.press("start")
    panel.wait_for("training", "about")  # it says how long it will take
    panel.press("pause")
    panel.wait_for("paused")
    notebook.reload()
    panel = notebook.panels()[0]
    panel.wait_for("paused")
    panel.press("start")
    panel.wait_for("done")
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    undisturbed = run(eval(LONG, {"Config": Config})).folder
    weights = [load_file(folder / "weights.safetensors") for folder in (undisturbed, lab[2] / undisturbed.name)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


@pytest.fixture
def gallery(tmp_path):
    """The notebook that is shown as a page without code: what `kdlab gallery` serves."""
    return browsing.write(tmp_path / "gallery.ipynb", "import kdlab\n\nkdlab.widgets.gallery()")


def test_voila_shows_explorers_that_move_and_no_code(gallery, browser, tmp_path_factory):
    pytest.importorskip("voila", reason="voila is not installed: pip install -e .[app]")
    with browsing.voila(tmp_path_factory.mktemp("voila"), gallery) as address:
        page = browsing.Page(browser, address)
        page.first_picture()
        for explorer in page.explorers():
            moved(explorer)
        assert "import kdlab" not in page.page.locator("body").text_content()
        if "KDLAB_SHOTS" in os.environ:
            page.shoot(os.environ["KDLAB_SHOTS"], "voila")
        page.page.close()
    assert not page.complaints
