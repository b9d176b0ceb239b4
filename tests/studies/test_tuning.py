"""Tuning: on validation images of other seeds, choices handed on, no best value at the edge of its grid."""

import math
from pathlib import Path

import pandas as pd
import pytest
from making import TEACHER, TINY

import kdlab
from kdlab import Config, Error, Result, Study
from kdlab.engine.sweep import Failed
from kdlab.studies import tuning


@pytest.fixture
def systems(runs, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(runs / "figures"))
    return {"teacher": TEACHER, "alone": Config(**TINY), "taught": Config(method="kd", teacher=TEACHER, **TINY)}


def scored(monkeypatch, score, metric="accuracy"):
    """Let runs have these scores, or fail with these sentences, without training; return the list of them."""
    runs = []

    def run_all(configs, **_):
        runs.extend(configs)
        scores = [score(config) for config in configs]
        return [
            Failed(c, s, "") if isinstance(s, str) else Result(c, Path(), {}, {f"val/{metric}": s})
            for c, s in zip(configs, scores, strict=True)
        ]

    monkeypatch.setattr("kdlab.studies.study.run_all", run_all)
    return runs


def test_tuning_chooses_on_validation_of_other_seeds_and_hands_choices_on(systems, monkeypatch):
    best = {"supervised": 0.004, "kd": 0.002}
    trained = scored(monkeypatch, lambda config: -abs(math.log(config.lr / best[config.method])))
    grid = {name: {"lr": (0.001, 0.002, 0.004, 0.008)} for name in ("teacher", "taught")}
    chosen = Study("small", "?", systems, grid=grid).tune()
    assert chosen["teacher"].lr == 0.004 and chosen["taught"].lr == 0.002 and chosen["alone"] == systems["alone"]
    assert chosen["taught"].teacher == chosen["teacher"], "stands on what was chosen before"
    assert [config.seed for config in trained] == [100, 101, 102] * 8
    written = kdlab.engine.tables.load_table("small_tuning")
    assert list(written.system) == ["teacher"] * 4 + ["taught"] * 4 and set(written.metric) == {"val/accuracy"}


def test_some_are_tuned_and_the_table_keeps_the_others(systems, monkeypatch):
    trained = scored(monkeypatch, lambda config: -abs(math.log(config.lr / 0.002)))
    study = Study("small", "?", systems, grid={name: {"lr": (0.001, 0.002, 0.004)} for name in ("teacher", "taught")})
    study.tune()
    whole = kdlab.engine.tables.load_table("small_tuning")
    trained.clear()
    chosen = study.tune(only=["taught"])
    assert {config.method for config in trained} == {"kd"} and chosen["teacher"] == systems["teacher"]
    assert kdlab.engine.tables.load_table("small_tuning").equals(whole)
    with pytest.raises(Error, match="study small tunes no system that matches alone: teacher, taught"):
        study.tune(only=["alone"])


def test_a_grid_grows_where_its_best_value_is_at_an_edge(systems, monkeypatch):
    scored(monkeypatch, lambda config: -abs(math.log(config.lr / 0.016)))
    chosen = Study("small", "?", systems, grid={"teacher": {"lr": (0.001, 0.002)}}).tune()
    assert chosen["teacher"].lr == pytest.approx(0.016)
    assert kdlab.engine.tables.load_table("small_tuning").lr.tolist() == pytest.approx([0.001 * 2**i for i in range(6)])
    assert kdlab.engine.tables.load_table("small_tuning").query("chosen").lr.tolist() == pytest.approx([0.016])
    down = Study("small", "?", systems, grid={"teacher": {"lr": (0.064, 0.128)}}).tune()
    assert down["teacher"].lr == pytest.approx(0.016)
    with pytest.raises(Error, match="still at the edge of its grid, which is to be extended: teacher: lr=0.0032"):
        Study("small", "?", systems, grid={"teacher": {"lr": (0.0001, 0.0002)}}).tune()
    assert len(kdlab.engine.tables.load_table("small_tuning")) == 6, "written all the same"


def test_a_metric_of_which_less_is_better_is_tuned_downwards(systems, monkeypatch):
    scored(monkeypatch, lambda config: abs(config.lr - 0.002), "nll")
    config = systems["alone"].replace(patience=2, monitor="nll")
    chosen = Study("small", "?", {"alone": config}, grid={"alone": {"lr": (0.001, 0.002, 0.004)}}).tune()
    assert chosen["alone"].lr == 0.002


def test_equals_to_two_decimals_at_an_edge_make_the_grid_grow(systems, monkeypatch):
    scores = {0.001: 80.0, 0.002: 84.1667, 0.004: 84.1666, 0.008: 70.0}
    scored(monkeypatch, lambda config: scores[round(config.lr, 6)])
    assert Study("small", "?", systems, grid={"alone": {"lr": (0.001, 0.002, 0.004)}}).tune()["alone"].lr == 0.002
    assert len(kdlab.engine.tables.load_table("small_tuning")) == 4


def test_a_plateau_that_goes_on_beyond_the_edge_is_no_mistake(systems, monkeypatch):
    scored(monkeypatch, lambda config: 50 + 1000 * min(config.lr, 0.002))
    assert Study("small", "?", systems, grid={"alone": {"lr": (0.001, 0.002, 0.004)}}).tune()["alone"].lr == 0.002
    assert len(kdlab.engine.tables.load_table("small_tuning")) == 3 + tuning.STEPS_BEYOND, "looked for all the same"


@pytest.mark.parametrize(
    "grid",
    [
        {"nesterov": (False, True)},
        {"batch": (8, 16)},
        {"optimizer": ("adamw", "adam")},
        {"weight_decay": (0.0, 0.1)},
        {"hp": ({"T": 1.0}, {"T": 2.0})},
        {"patience": (None, 5)},
    ],
)
def test_grids_that_cannot_grow_are_searched_as_they_are(grid, systems, monkeypatch):
    scored(monkeypatch, lambda config: 1.0)
    (field,) = grid
    chosen = Study("small", "?", systems, grid={"taught": {"momentum": (0.8, 0.9), **grid}}).tune()
    assert getattr(chosen["taught"], field) == grid[field][0]


def test_a_rate_that_diverges_loses_and_ends_nothing(systems, monkeypatch):
    nan = "the loss term ce became nan at step 3: the last good checkpoint is kept, try a smaller lr"
    scored(monkeypatch, lambda config: nan if config.lr > 0.004 else 50 + 1000 * config.lr)
    assert Study("small", "?", systems, grid={"alone": {"lr": (0.002, 0.004, 0.008)}}).tune()["alone"].lr == 0.004


def test_without_validation_images_nothing_is_tuned(systems):
    blind = {"alone": systems["alone"].replace(validation=0.0)}
    with pytest.raises(Error, match="alone holds out no validation images to choose by"):
        Study("small", "?", blind, grid={"alone": {"lr": (0.1, 0.2)}}).tune()


def test_chosen_rates_are_those_of_the_committed_table_alone(systems, tmp_path, monkeypatch):
    monkeypatch.setattr("kdlab.core.places.SHIPPED", tmp_path)
    monkeypatch.setattr("kdlab.engine.tables.SHIPPED", tmp_path)
    default = Config().lr
    assert tuning.chosen_rates("small")["alone"] == default, "nothing was tuned yet"
    frame = pd.DataFrame({"system": ["alone", "alone"], "lr": [0.01, 0.02], "chosen": [False, True]})
    kdlab.engine.tables.save_table(frame.set_index("system"), "small_tuning")
    assert tuning.chosen_rates("small")["alone"] == default, "a table of one's own changes no experiment"
    with kdlab.core.places.shipped_only():
        kdlab.engine.tables.save_table(frame.set_index("system"), "small_tuning")
    rates = tuning.chosen_rates("small")
    assert rates["alone"] == 0.02 and rates["taught"] == default
