"""The recipes of CONTRIBUTING.md and of the README work in a notebook cell as they stand there."""

import re
from pathlib import Path

import pytest
import torch
from cells import new_shell
from making import TINY
from PIL import Image
from recipes import RECIPES, ROOT, blocks, python
from typer.testing import CliRunner

import kdlab
from kdlab import Config, grid, losses
from kdlab.cli.app import app
from kdlab.core.settings import parse, read

TABLES = ("METHODS", "MODELS", "DATASETS", "OPTIMIZERS", "METRICS", "DIAGNOSTICS", "STUDIES")


@pytest.fixture
def tables():
    """Tables that are put back."""
    before = {name: dict(getattr(kdlab, name)) for name in TABLES}
    yield
    for name, entries in before.items():
        getattr(kdlab, name).clear()
        getattr(kdlab, name).update(entries)


def do(title):
    """Execute a recipe; returns what it has defined."""
    space = {"__name__": "recipe"}
    exec(compile(RECIPES[title].code, f"<{title}>", "exec"), space)
    return space


def test_the_study_of_the_recipe_runs_and_answers(tables, runs, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(runs / "figures"))
    do("A study")
    study = kdlab.STUDIES["optimisers"]()
    study.run([0, 1])
    assert list(study.answers().n) == [2, 2, 2] and list(study.table().index) == ["AdamW", "SGD", "pixels"]


@pytest.mark.parametrize(
    "title, fields",
    [
        (
            "A method",
            {"method": "stage_sp", "hp": {"base": 1.5}, "teacher": Config(**TINY, seed=1, split=0), "split": 0},
        ),
        ("A network", {"model": "three_layers"}),
        ("A network", {"model": "three_layers", "method": "lsskd"}),
        ("A data set", {"dataset": "stripes"}),
        ("An optimiser", {"optimizer": "rmsprop", "optimizer_hp": {"alpha": 0.9}}),
        ("A metric", {"patience": 1, "monitor": "logit_margin"}),
        ("A diagnostic, epoch by epoch", {}),
    ],
)
def test_what_a_recipe_adds_can_be_run(title, fields, tables, runs):
    do(title)
    result = kdlab.run(Config(**{**TINY, **fields}))
    log = result.log()
    assert result["test/accuracy"] >= 0 and log.loss.notna().all()
    columns = {
        "A metric": ["val/logit_margin"],
        "A diagnostic, epoch by epoch": ["train/head_norm"],
        "A method": ["loss/stage_sp"],
    }
    for column in columns.get(title, []):
        assert log[column].notna().all()
        assert column.startswith("loss") or column in kdlab.table()


def test_the_loss_at_the_points_that_its_text_names():
    brier = do("A loss")["brier"]
    sure = torch.tensor([[99.0, 0.0, 0.0, 0.0]])
    values = [brier(sure, torch.tensor([0])), brier(sure, torch.tensor([1])), brier(0 * sure, torch.tensor([2]))]
    assert [v.item() for v in values] == pytest.approx([0, 2, 0.75]) and callable(losses.kd)


def test_the_readmes_code_runs_as_it_stands(tables, runs, monkeypatch):
    """Both blocks, in their order; only the length of training is cut."""
    code = python(blocks("README.md")["Use it"])
    monkeypatch.setattr(Config, "__init__", shortened(Config.__init__))
    space = {"__name__": "readme"}
    exec(compile(code, "<README>", "exec"), space)
    assert set(space["LogitMatching"].weights) == {"ce", "match"} and len(list(runs.glob("*/result.json"))) >= 7


def test_the_readmes_sweeps_give_a_table_and_a_picture(runs, monkeypatch):
    """As they stand there, from another folder with the repository's pages; only training and seeds are cut."""
    lines = re.findall(r"^python lab\.py sweep (.+?)(?: {2,}.*)?$", blocks("README.md")["Use it"], re.MULTILINE)
    words = [line.split() for line in lines]
    fields = parse([word for word in words[0] if "=" in word], several=True)
    assert len(lines) == 3 and grid(fields) == grid(read(ROOT / "docs" / "sweep.yaml"))
    (runs / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(runs)
    short = ["seed=0-1", "epochs=1", "steps=1", "teacher.epochs=1", "teacher.steps=1"]
    longer = {word.partition("=")[0] for word in short}
    kept = [[word for word in each if word.partition("=")[0] not in longer] for each in words]
    calls = [["sweep", *each, *short, "--workers=1"] for each in kept]
    outputs = [CliRunner().invoke(app, each, catch_exceptions=False).stdout for each in calls]
    assert "kd    100" in outputs[0] and "± 95 %" in outputs[0] and "12 runs, 12 stored" in outputs[1]
    assert Image.open("sweep.png").size[0] > 400 and Path("sweep.csv").read_text().count("\n") == 13


def test_the_pages_grids_are_grids(tmp_path):
    text = (ROOT / "docs" / "grids.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "a.yaml").write_text(block)
    fields = read(tmp_path / "a.yaml")
    assert len(grid({name: value for name, value in fields.items() if name != "workers"})) == 2 * 3 * 20 * 2 * 2
    space = {}
    exec(python(text).partition("outcomes")[0], space)
    assert len(space["configs"]) == 20 and callable(space["run_all"])


def shortened(original):
    def init(self, **fields):
        original(self, **{"epochs": 2, "steps": 2, **fields})

    return init


def test_the_explorer_draws_what_its_control_says():
    explorer = do("An explorer")["steepness"]()
    assert explorer.set(slope=2.0).png != explorer.set(slope=1.0).png


def test_the_command_prints(monkeypatch):
    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])
    do("A command")
    assert CliRunner().invoke(app, ["model-names", "--contains", "vgg1"]).output.split()[0] == "vgg11"


def test_the_cells_of_the_notebook_run():
    """One after the other; `kdlab.parameters` knows them by the shell of a notebook."""
    shell = new_shell()
    for _, source in RECIPES["A notebook"].cells():
        assert shell.run_cell(source, store_history=True).success, source
    shell.clear_instance()
