"""Explorers: moved by code as by hand, a line that brings a state back, a picture where nothing moves."""

import base64
import html
import math
import sys

import matplotlib
import pandas as pd
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from making import TEACHER, TINY

import kdlab
from kdlab import Config, Error, widgets
from kdlab.engine.identity import hash_of, identity, reseeded
from kdlab.engine.tables import save_table
from kdlab.experiment.setup import chain_images
from kdlab.studies.evidence import settings
from kdlab.widgets.circle import Toy
from kdlab.widgets.gallery import CONFIGS, EXPLORERS
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


@pytest.mark.parametrize(
    "values, message",
    [
        ({"slope": 11.0}, "slope=11.0: give a number from 0 to 10"),
        ({"slope": "x"}, "slope='x': give a number"),
        ({"dashed": 2}, "dashed=2: choose from False, True"),
        ({"slop": 1}, "unknown control 'slop': did you mean 'slope'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_moves(own, values, message):
    before = own.state
    with pytest.raises(Error, match=message):
        own.set(**{"dashed": True, **values})
    assert own.state == before


def test_what_cannot_be_drawn_is_said_below_the_last_picture(own):
    before = own.png
    own.set(slope=9.5)
    assert own.png == before and "too steep to draw" in own.message.value
    own.set(slope=3.0)
    assert own.png != before and not own.message.value


def test_where_nothing_moves_the_picture_stands(own, monkeypatch):
    monkeypatch.setenv("KDLAB_WIDGETS", "1")
    bundle = own._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == own.png and bundle["text/plain"] == own.code
    assert "application/vnd.jupyter.widget-view+json" in bundle
    monkeypatch.setenv("KDLAB_WIDGETS", "0")
    assert set(own._repr_mimebundle_()) == {"text/plain", "image/png"}


def test_a_log_slider_starts_on_its_grid_and_is_whole_where_its_numbers_are():
    explorer = widgets.explore(
        lambda **values: plt.figure(figsize=(1, 1)),
        n=widgets.Slider(20, 5, 2000, log=True),
        T=widgets.Slider(0.5, 0.05, 2.0, log=True),
    )
    for name in ("n", "T"):
        slider = explorer.controls[name]
        steps = (math.log10(slider.value) - slider.min) / slider.step
        assert abs(steps - round(steps)) < 1e-6, name
    explorer.controls["n"].value = 447.2
    assert explorer.state["n"] == 447 and explorer.code == "explore(draw, n=447, T=0.5)"


def test_controls_are_of_the_kind_of_their_values():
    explorer = widgets.explore(
        lambda **values: plt.figure(figsize=(1, 1)),
        count=widgets.Slider(3, 1, 9),
        share=widgets.Slider(0.5, 0.0, 1.0),
        T=widgets.Slider(1.0, 0.1, 10.0, log=True),
        how=widgets.Choice("b", {"first": "a", "second": "b"}, label="how?"),
    )
    kinds = {name: type(control).__name__ for name, control in explorer.controls.items()}
    assert kinds == {"count": "IntSlider", "share": "FloatSlider", "T": "FloatLogSlider", "how": "Dropdown"}
    assert explorer.controls["how"].description == "how?" and explorer.controls["share"].description == "share"


def test_a_slider_shows_every_step():
    steps = {0.005: ".3f", 0.05: ".2f", 1.0: ".0f", None: ".1f"}  # a fortieth of 0 to 100 is 2.5
    for step, shown in steps.items():
        assert widgets.Slider(0.0, 0.0, 100.0, step).widget("").readout_format == shown
    assert widgets.Slider(0, 0, 9).widget("").readout_format == ".0f"
    assert widgets.Slider(20, 5, 2000, log=True).widget("").readout_format == ".0f"


SSD = Config(**{**TINY, "method": "litenet_ssd", "model": "litenet_dsc", "teacher": TEACHER})
LSSKD = Config(**{**TINY, "method": "lsskd", "model": "resnet8"})
SIMCLR = Config(**{**TINY, "method": "simclr", "model": "resnet18"})


def evidence(root, monkeypatch, studies):
    """Made-up rows of these studies, as the evidence."""
    monkeypatch.setenv("KDLAB_FIGURES", str(root))
    for name in studies:
        study, rows = kdlab.STUDIES[name](), []
        for i, (system, config) in enumerate(study.systems.items()):
            known = identity(config, chain_images(config))
            for seed in range(4):
                now = reseeded(known, seed)
                rows.append(
                    {
                        "system": system,
                        "seed": seed,
                        "settings": hash_of(settings(now)),
                        "identity": hash_of(now),
                        "test/accuracy": 50.0 + 3 * i + (seed * 7) % 5,
                    }
                )
        save_table(pd.DataFrame(rows).set_index("system"), name)


def _pair():
    return {"teacher": kdlab.run(TEACHER), "student": kdlab.run(Config(**{**TINY, "epochs": 15}))}


def _of(make, name, subject, **more):
    return make(subject, **more), {name: subject}


MADE = {  # explorer -> what makes it on small runs, with the names that its line reads
    "circle": lambda: (widgets.circle(), {}),
    "seeds": lambda: _of(widgets.seeds, "differences", GAINS),
    "temperature": lambda: (widgets.temperature(**_pair()), _pair()),
    "ramp": lambda: _of(widgets.ramp, "result", _pair()["student"]),
    "augmentation": lambda: _of(widgets.augmentation, "images", _pair()["student"].images),
    "similarity": lambda: _of(widgets.similarity, "result", kdlab.run(SIMCLR)),
    "embedding": lambda: _of(widgets.embedding, "result", kdlab.run(SIMCLR)),
    "pseudo_labels": lambda: _of(widgets.pseudo_labels, "result", kdlab.run(SSD), threshold=0.2),
    "feature_maps": lambda: _of(widgets.feature_maps, "result", kdlab.run(SSD)),
    "targets": lambda: _of(widgets.targets, "result", kdlab.run(LSSKD), exit="branch 1"),
    "budgets": lambda: (widgets.budgets(seeds=4), {}),
    "browse": lambda: (widgets.browse(), {}) if _pair() and kdlab.run(SIMCLR) else None,  # of several runs
    "draw_digit": lambda: (widgets.draw_digit(**_pair()), _pair()),
}


@pytest.fixture(scope="module")
def shared_runs(tmp_path_factory):
    """A folder for the runs that several explorers show."""
    return tmp_path_factory.mktemp("shared")


OTHERS = {  # values to move to where the kind of control does not tell
    ("browse", "where"): ["method=simclr", ""],
    ("browse", "column"): ["loss", "lr"],
    ("draw_digit", "ink"): [[0] * 64, [255] * 64],
}


@pytest.mark.parametrize("name", sorted({entry.make.__name__ for entry in EXPLORERS.values()} - {"training"}))
def test_every_control_of_an_explorer_changes_the_picture_and_its_line_brings_it_back(name, shared_runs, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(shared_runs))
    evidence(shared_runs / "figures", monkeypatch, ["label_budgets", "noise"])
    makers = {entry.make.__name__: entry.make for entry in EXPLORERS.values()}
    explorer, names = MADE[name]() if name in MADE else (makers[name](), {})
    start = explorer.state
    for control, kind in explorer.kinds.items():
        others = [v for v in (getattr(kind, "low", None), getattr(kind, "high", None)) if v is not None]
        pictures = set()
        for value in OTHERS.get((name, control)) or others or list(kind.named.values()):
            pictures.add(explorer.set(**{**start, control: value}).png)
            message = explorer.message.value
            assert not message or name in ("browse", "budgets"), (control, message)
        explorer.set(**start)
        needs_byol = name == "circle" and control in ("predictor", "stop_gradient", "momentum")
        assert len(pictures) > 1 or needs_byol, control
    assert eval(explorer.code, {"kdlab": kdlab, **names}).png == explorer.png


def test_the_line_of_a_state_brings_it_back():
    explorer = widgets.circle().set(method="BYOL", T=0.2, predictor=False, step=30)
    again = eval(explorer.code, {"kdlab": kdlab})  # what the line is for
    assert again.png == explorer.png
    named = widgets.seeds(GAINS, label="$gain_{a}$")
    assert eval(named.code, {"kdlab": kdlab, "differences": GAINS}).png == named.png != widgets.seeds(GAINS).png


@pytest.mark.parametrize(
    "change, low, high",
    [
        ({"method": "SimCLR"}, 0.85, 1.0),
        ({"method": "MoCo"}, 0.85, 1.0),
        ({}, 0.3, 1.0),
        ({"predictor": False, "momentum": 0.0}, 0.0, 0.05),
        ({"predictor": False}, 0.3, 1.0),
        ({"momentum": 0.0}, 0.3, 1.0),  # the two that bring them back
        ({"predictor": False, "momentum": 0.0, "stop_gradient": False}, 0.0, 0.05),
    ],
)
def test_the_circle_collapses_where_its_text_says_so(change, low, high):
    settings = {"method": "BYOL", "T": 0.5, "batch": 16, "predictor": True, "stop_gradient": True, "momentum": 0.99}
    toy = Toy(**{**settings, **change})
    toy.train(60)
    assert low <= toy.history[60] <= high
    before = toy.seen[60].clone()
    toy.train(60)
    assert torch.equal(toy.seen[60], before) and len(toy.seen) == 61, "trained once"


def test_the_circle_trains_its_target_where_nothing_stops_the_gradient():
    toys = [Toy("BYOL", 0.5, 16, True, stop, momentum=0.0) for stop in (True, False)]
    for toy in toys:
        toy.train(1)
    assert toys[0].losses[1] == toys[1].losses[1] and not torch.equal(toys[0].net[0].weight, toys[1].net[0].weight)


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


def test_pairs_and_runs_that_do_not_fit(runs):
    with pytest.raises(Error, match="1 differences: give those of two systems"):
        widgets.seeds([1.0])
    quiet = kdlab.run(Config(**{**TINY, "evaluate_every": 1000}))
    with pytest.raises(Error, match="recorded no accuracy by epoch"):
        widgets.ramp(quiet)


@pytest.mark.parametrize(
    "make, message",
    [
        (widgets.similarity, "a run of 'supervised' has no embeddings"),
        (widgets.feature_maps, "a run of 'supervised' aligns no stages by adapters"),
        (widgets.targets, "a run of 'supervised' keeps no table of the past"),
        (lambda run: widgets.pseudo_labels(run, source="teacher"), "of this run there are guesses of student"),
        (lambda run: widgets.draw_digit(run, run, ink=[1, 2]), "ink: give 64 numbers from 0 to 255"),
        (lambda run: widgets.circle(T=100), "T=100: give a number from 0.05 to 2"),
        (lambda run: widgets.gallery("circles"), "unknown explorer 'circles'"),
        (lambda run: widgets.gallery(pupil=run), "unknown run of the gallery 'pupil'"),
    ],
)
def test_what_an_explorer_cannot_look_at(runs, make, message):
    with pytest.raises(Error, match=message):
        make(kdlab.run(TEACHER))


def test_browsing_says_what_it_did_not_find(runs):
    with pytest.raises(Error, match="no finished run in .*: run one, then look at it here"):
        widgets.browse()
    student = kdlab.run(TEACHER)
    browser = widgets.browse()
    assert f"model={student.config.model!r}" in html.unescape(browser.message.value), "its Config is there to copy"
    wrong = [
        ({"where": "pupil"}, "give conditions as column=value"),
        ({"where": "pupil=1"}, "unknown column 'pupil'"),
        ({"where": "seed=9"}, "no run fits"),
        ({"where": "", "column": "lss"}, "no log of these runs has a column 'lss'"),
    ]
    for values, message in wrong:
        browser.set(**values)
        assert message in html.unescape(browser.message.value)


def test_the_gallery_makes_what_is_opened_and_once(runs, monkeypatch):
    evidence(runs / "figures", monkeypatch, ["label_budgets", "noise"])
    small = {name: config.replace(epochs=3, steps=2) for name, config in CONFIGS.items()}
    small["student"] = small["student"].replace(teacher=small["teacher"])
    monkeypatch.setattr(sys.modules["kdlab.widgets.gallery"], "CONFIGS", small)  # the name is a function, too
    gallery = widgets.gallery()
    for name in EXPLORERS:
        gallery.choice.value = name
        assert gallery.place.children == (gallery.shown,) and gallery.png == gallery.shown.png, name
    made = gallery.made["all runs"]
    gallery.choice.value = "all runs"
    assert gallery.shown is made and gallery.code == "kdlab.widgets.gallery('all runs')"
