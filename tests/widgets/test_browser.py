"""Explorers in a real browser: every one is moved by keyboard in JupyterLab, and one in Voilà.

KDLAB_SHOTS names a folder for screenshots; how long it takes is measured by tests/bench/bench_explorers.py.
"""

import os

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[test]")

import browsing
import moving
import torch
from safetensors.torch import load_file

from kdlab import Config, run
from kdlab.core.places import environment

if not browsing.CHROMIUM:
    pytest.skip("there is no Chromium or Chrome to open notebooks with", allow_module_level=True)

SMALL = (
    'budget: str = "lab"',
    'import kdlab\n\nkdlab.parameters(globals(), ["budget"])',
    "kdlab.widgets.circle()",
    "kdlab.widgets.seeds([3.0, 5.0, -1.0, 2.0, 4.0, 6.0, 1.0])",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing.chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Where JupyterLab answers, the folder of its notebooks, and that of its runs."""
    folder, place = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("lab")
    # the threads of the tests, with which weights are compared: other threads, other rounding
    with environment(OMP_NUM_THREADS="1"), browsing.jupyterlab(place, folder) as address:
        yield address, folder, place / "runs"


@pytest.fixture(scope="module")
def desk():
    """The page that stays open: notebooks follow each other on it, as they do before a reader."""
    return []


@pytest.fixture
def opened(lab, browser, desk):
    """Opens a notebook that lies in JupyterLab's folder, or one on a page of its own; afterwards nothing may have gone
    wrong on its page.
    """
    address, folder, _ = lab
    pages = []

    def open_notebook(path, apart=False):
        name = path.relative_to(folder).name
        page = desk[0].instead(name) if desk and not apart else browsing.Lab(browser, address, name)
        pages.append(page)
        if not (desk or apart):
            desk.append(page)
        return page

    yield open_notebook
    for page in pages:
        if page not in desk:
            page.page.close()
    browsing.stop_kernels(address)
    for page in pages:
        assert not page.complaints


def chapters():
    """Notebooks with explorers; one has all of them."""
    for path in browsing.with_explorers():
        yield pytest.param(path, id=path.stem, marks=[] if path.stem == "08_explorers" else pytest.mark.thorough)


@pytest.mark.parametrize("path", list(chapters()))
def test_every_explorer_of_a_notebook_moves(path, lab, opened):
    path = browsing.copy(path, lab[1])
    notebook = opened(path)
    notebook.run_all()
    notebook.first_picture()
    notebook.wait()
    assert not notebook.failures()
    explorers, panels = notebook.explorers(), notebook.panels()
    last = [cell.source.splitlines()[-1] for cell in browsing.code(path)]
    assert len(explorers + panels) >= sum(bool(browsing.SHOWS.match(line)) for line in last)
    for explorer in explorers:
        explorer.try_controls()
        explorer.press_all()
    for panel in panels:
        panel.train()
    if "KDLAB_SHOTS" in os.environ:
        notebook.shoot(os.environ["KDLAB_SHOTS"], path.stem)
    assert not notebook.failures()


def test_a_control_moved_while_a_cell_runs_and_cells_that_run_twice_and_out_of_order(lab, opened):
    notebook = opened(browsing.write(lab[1] / "cells.ipynb", *SMALL, "import time\ntime.sleep(5)"))
    notebook.run_all()
    notebook.first_picture()
    notebook.page.locator(moving.EXPLORER).nth(1).wait_for(timeout=1000 * moving.START_SECONDS)
    seeds = notebook.explorers()[1]
    before = seeds.state
    for _ in range(3):
        seeds.press()
    assert notebook.running() == 1 and seeds.state == before
    notebook.wait()
    moving.until(seeds.page, "line => line.value.includes('n=6')", moving.MOVE_SECONDS, seeds.line.element_handle())
    seeds.try_controls()
    for cell in (3, 2, 1, 0, 2, 0, 1):  # the parameters cell is the first
        notebook.run(cell)
    circle, seeds = notebook.explorers()
    assert (circle.name, seeds.name) == ("circle", "seeds")
    for explorer in (circle, seeds):
        explorer.try_controls()
        explorer.press_all()
    assert not notebook.failures()


RUN = Config(model="resnet8", width=0.25, labels=20, epochs=30, steps=20, evaluate_every=1000)


def test_a_training_survives_a_reload_and_another_notebook_and_ends_as_if_undisturbed(
    lab, opened, monkeypatch, tmp_path
):
    """Two panels show one process, also after the page was loaded anew; the panel of another notebook waits for it, and
    goes on where it was when the first notebook is closed: the weights are those of `run`.
    """
    cell = f"kdlab.widgets.training(kdlab.Config.model_validate_json({RUN.model_dump_json()!r}))"
    first = opened(browsing.write(lab[1] / "first.ipynb", SMALL[1], cell, cell), apart=True)
    first.run_all()
    first.wait()
    one, two = first.panels()
    one.press("start")
    two.wait_for("training", "about")  # it says how long it will take
    two.press("pause")
    one.wait_for("paused")
    first.reload()
    one, two = first.panels()
    one.wait_for("paused")
    one.press("start")
    two.wait_for("training")
    two.press("pause")
    one.wait_for("paused")
    second = opened(browsing.write(lab[1] / "second.ipynb", SMALL[1], cell), apart=True)
    second.run_all()
    second.wait()
    (other,) = second.panels()
    other.wait_for("trained by another process")
    other.press("start")
    other.wait_for("waiting for another process")
    first.page.close()
    browsing.stop_kernels(lab[0], "first.ipynb")
    other.wait_for("training")
    other.wait_for("done")
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    undisturbed = run(RUN).folder
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
            explorer.try_controls()
        assert "import kdlab" not in page.page.locator("body").text_content()
        if "KDLAB_SHOTS" in os.environ:
            page.shoot(os.environ["KDLAB_SHOTS"], "voila")
        page.page.close()
    assert not page.complaints
