"""The recipes of CONTRIBUTING.md and the README work as they stand there, and what they add can be run."""

import re
from pathlib import Path

import pytest
import torch
from making import TINY

import kdlab
from kdlab import Config, losses

ROOT = Path(__file__).parents[1]


def blocks(name):
    """Heading -> Python code of a page."""
    parts = re.split(r"^## (.+)$", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {title: "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)) for title, text in pairs}


RECIPES = {title: code for title, code in blocks("CONTRIBUTING.md").items() if code}
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
    exec(compile(RECIPES[title], f"<{title}>", "exec"), space)
    return space


def test_each_task_has_a_recipe():
    assert list(RECIPES) == [
        "A method",
        "A loss",
        "A network",
        "A data set",
        "An optimiser",
        "A metric",
        "A diagnostic, epoch by epoch",
        "A study",
        "An explorer",
    ]


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
            {"method": "similarity", "hp": {"base": 1.5}, "teacher": Config(**TINY, seed=1, split=0), "split": 0},
        ),
        ("A network", {"model": "tiny"}),
        ("A network", {"model": "tiny", "method": "lsskd"}),
        ("A data set", {"dataset": "stripes"}),
        ("An optimiser", {"optimizer": "rmsprop", "optimizer_hp": {"alpha": 0.9}}),
        ("A metric", {"patience": 1, "monitor": "margin"}),
        ("A diagnostic, epoch by epoch", {}),
    ],
)
def test_what_a_recipe_adds_can_be_run(title, fields, tables, runs):
    do(title)
    result = kdlab.run(Config(**{**TINY, **fields}))
    log = result.log()
    assert result["test/accuracy"] >= 0 and log.loss.notna().all()
    columns = {
        "A metric": ["val/margin"],
        "A diagnostic, epoch by epoch": ["train/head_norm"],
        "A method": ["loss/similarity"],
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
    code = blocks("README.md")["Use it"]
    monkeypatch.setattr(Config, "__init__", shortened(Config.__init__))
    space = {"__name__": "readme"}
    exec(compile(code, "<README>", "exec"), space)
    assert set(space["LogitMatching"].weights) == {"ce", "match"} and len(list(runs.glob("*/result.json"))) >= 7


def shortened(original):
    def init(self, **fields):
        original(self, **{"epochs": 2, "steps": 2, **fields})

    return init


def test_the_explorer_draws_what_its_control_says():
    space = do("An explorer")
    explorer = space["explore"](space["draw"], slope=space["Slider"](1.0, 0.0, 3.0))
    assert explorer.set(slope=2.0).png != explorer.set(slope=1.0).png
