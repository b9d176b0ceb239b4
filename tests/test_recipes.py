"""The recipes of CONTRIBUTING.md and of the README work in a notebook cell as they stand there."""

import pytest
import torch
from cells import new_shell
from making import TINY
from recipes import RECIPES, blocks, python
from typer.testing import CliRunner

import kdlab
from kdlab import Config, losses
from kdlab.cli.app import app

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
    assert list(study.answers().n) == [2] and list(study.table().index) == ["AdamW", "SGD"]


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
