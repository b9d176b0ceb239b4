"""Explorers: moved by code as by hand, a line that brings a state back, a picture where nothing moves."""

import base64

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from making import TEACHER, TINY

import kdlab
from kdlab import Config, Error, widgets
from kdlab.widgets.circle import Toy
from kdlab.widgets.ramp import stopping

GAINS = [3.0, 5.0, -1.0, 2.0, 4.0, 6.0, 1.0, 0.0, 8.0, 2.0]


def line(slope, dashed):
    figure, axis = plt.subplots(figsize=(2, 2))
    if slope > 9:
        raise Error("too steep to draw")
    axis.plot([0, slope], ls="--" if dashed else "-")
    return figure


@pytest.fixture
def own():
    return widgets.explore(
        line, "mine({})", "Guess first.", slope=widgets.Slider(1.0, 0.0, 10.0), dashed=widgets.Choice(False)
    )


def test_moving_a_control_draws_and_the_line_says_where_it_stands(own):
    before = own.png
    own.controls["slope"].value = 2.0
    assert own.png != before and own.line.value == "mine(slope=2.0, dashed=False)" and not plt.get_fignums()
    own.set(slope=1.0)
    assert own.png == before, "the same state is the same picture, byte by byte"


@pytest.mark.parametrize("values, message", [
    ({"slope": 11.0}, "slope=11.0: give a number from 0 to 10"), ({"slope": "x"}, "slope='x': give a number"),
    ({"dashed": 2}, "dashed=2: choose from False, True"), ({"slop": 1}, "unknown control 'slop': did you mean 'slope'"),
])  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_moves(own, values, message):
    before = own.values
    with pytest.raises(Error, match=message):
        own.set(**{"dashed": True, **values})
    assert own.values == before


def test_what_cannot_be_drawn_is_said_below_the_last_picture(own):
    before = own.png
    own.set(slope=9.5)
    assert own.png == before and "too steep to draw" in own.told.value
    own.set(slope=3.0)
    assert own.png != before and not own.told.value


def test_where_nothing_moves_the_picture_stands(own):
    bundle = own._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == own.png and bundle["text/plain"] == own.code
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_controls_are_of_the_kind_of_their_values():
    explorer = widgets.explore(
        lambda **values: plt.figure(figsize=(1, 1)), count=widgets.Slider(3, 1, 9), share=widgets.Slider(0.5, 0.0, 1.0),
        T=widgets.Slider(1.0, 0.1, 10.0, log=True),
        how=widgets.Choice("b", {"first": "a", "second": "b"}, label="how?"),
    )  # fmt: skip
    kinds = {name: type(control).__name__ for name, control in explorer.controls.items()}
    assert kinds == {"count": "IntSlider", "share": "FloatSlider", "T": "FloatLogSlider", "how": "Dropdown"}
    assert explorer.controls["how"].description == "how?" and explorer.controls["share"].description == "share"


@pytest.fixture
def results(runs):
    return kdlab.run(TEACHER), kdlab.run(Config(**{**TINY, "epochs": 15}))


def every(results):
    teacher, student = results
    return [
        widgets.circle(), widgets.seeds(GAINS), widgets.temperature(teacher, student), widgets.ramp(student),
        widgets.augmentation(kdlab.data.load("digits")),
    ]  # fmt: skip


def test_every_control_of_every_explorer_changes_the_picture(results):
    for explorer in every(results):
        start = explorer.values
        for name, kind in explorer.kinds.items():
            others = [v for v in (getattr(kind, "low", None), getattr(kind, "high", None)) if v is not None]
            pictures = set()
            for value in others or list(kind.named.values()):
                pictures.add(explorer.set(**{**start, name: value}).png)
            explorer.set(**start)
            needs_byol = "circle" in explorer.call and name in ("predictor", "stop_gradient", "momentum")
            assert len(pictures) > 1 or needs_byol, (explorer.call, name)


def test_the_line_of_a_state_brings_it_back():
    explorer = widgets.circle().set(method="BYOL", T=0.2, predictor=False, step=30)
    again = eval(explorer.code, {"kdlab": kdlab})  # what the line is for
    assert again.png == explorer.png


@pytest.mark.parametrize("change, low, high", [
    ({"method": "SimCLR"}, 0.85, 1.0), ({"method": "MoCo"}, 0.85, 1.0), ({}, 0.3, 1.0),
    ({"predictor": False, "momentum": 0.0}, 0.0, 0.05),
    ({"predictor": False}, 0.3, 1.0), ({"momentum": 0.0}, 0.3, 1.0),  # the two that bring them back
    ({"predictor": False, "momentum": 0.0, "stop_gradient": False}, 0.0, 0.05),
])  # fmt: skip
def test_the_circle_collapses_where_its_text_says_so(change, low, high):
    settings = {"method": "BYOL", "T": 0.5, "batch": 16, "predictor": True, "stop_gradient": True, "momentum": 0.99}
    toy = Toy(**{**settings, **change})
    toy.train(60)
    assert low <= toy.history[60] <= high
    before = toy.seen[60].clone()
    toy.train(60)
    assert torch.equal(toy.seen[60], before) and len(toy.seen) == 61, "trained once"


def test_stopping_by_hand():
    scores = [50.0, 60.0, 58.0, 60.0, 59.0, 70.0]
    assert stopping(scores, patience=2, settled=0) == (4, 2), "equal is no better"
    assert stopping(scores, patience=3, settled=0) == (5, 2)
    assert stopping(scores, patience=2, settled=5.5) == (6, 6), "not while alpha rises"
    assert stopping(scores, patience=9, settled=0) == (6, 6)


def test_stopping_is_that_of_the_loop(runs):
    run = kdlab.run(Config(**{**TINY, "epochs": 15, "patience": 2}))
    whole = kdlab.run(Config(**{**TINY, "epochs": 15}))
    assert stopping(whole.log()["val/accuracy"].tolist(), 2, 0) == (run["epochs"], run["best_epoch"])


def test_pairs_and_runs_that_do_not_fit(results, runs):
    with pytest.raises(Error, match="1 differences: give those of two systems"):
        widgets.seeds([1.0])
    quiet = kdlab.run(Config(**{**TINY, "evaluate_every": 1000}))
    with pytest.raises(Error, match="recorded no accuracy by epoch"):
        widgets.ramp(quiet)
