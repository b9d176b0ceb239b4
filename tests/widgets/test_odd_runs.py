"""Explorers of runs that are not as this package writes them, of odd names; the gallery's words; keys and sizes."""

import html
import json
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pytest
from making import TEACHER, TINY
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import kdlab
from kdlab import Config, Error, widgets


def tried(make):
    """What `make` gives; whatever it raises fails the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged folder may be named in one
            return make()
    except Exception as error:
        pytest.fail(f"{error!r:.300}")


def rewrite(folder, change):
    """Change the config in a run's config.json."""
    about = json.loads((folder / "config.json").read_text())
    change(about["config"])
    (folder / "config.json").write_text(json.dumps(about))


def words(explorer):
    return html.unescape(explorer.message.value)


# Runs of others


@pytest.mark.parametrize(
    "change, shown",
    [
        (lambda config: config.update(method="match", hp={"strength": 0.5}), ["method='match'", "'strength': 0.5"]),
        (lambda config: config.update(precision_of_dreams="high"), ["precision_of_dreams='high'", "labels=20"]),
        (lambda config: config.update(labels="many", method="caf\udce9<b>"), ["labels='many'", "caf"]),
        (
            lambda config: config.update(teacher={"method": "match", "lr": 3}),
            ["teacher.method='match'", "teacher.lr=3"],
        ),
    ],
    ids=["another method", "a newer field", "wrong types", "a teacher by another method"],
)
def test_browsing_shows_what_is_stored_where_no_config_can_be_made_of_it(change, shown, runs):
    folder = kdlab.run(TEACHER).folder
    rewrite(folder, change)
    browser = tried(widgets.browse)
    for text in shown:
        assert text in words(browser)
    assert "<b>" not in browser.message.value
    before = browser.png
    tried(lambda: browser.set(column="lr"))
    assert browser.png != before


def test_browsing_goes_on_when_logs_are_damaged_and_folders_go(runs):
    first, second = (kdlab.run(Config(**{**TINY, "seed": seed})).folder for seed in (0, 1))
    lines = (first / "log.jsonl").read_text().splitlines()
    odd = ['{"epoch": 2, "loss": "low"}', '{"epoch": 2, "loss": NaN}', '{"epoch": ', "[]", "\x00\x00"]
    (first / "log.jsonl").write_text("\n".join([lines[0], *odd, *lines[1:], ""]))
    browser = tried(widgets.browse)
    for run in (1, 0):
        tried(lambda run=run: browser.set(run=run))
    (second / "config.json").write_text("{")
    for run in (1, 0):
        tried(lambda run=run: browser.set(run=run))
    assert tried(widgets.browse).png


def test_the_gallery_shows_runs_of_others_and_says_what_it_is(runs, monkeypatch):
    rewrite(kdlab.run(TEACHER).folder, lambda config: config.update(method="match"))
    gallery = tried(lambda: widgets.gallery("all runs"))
    assert "method='match'" in words(gallery.shown)
    title = " ".join(str(child.value) for child in gallery.children if hasattr(child, "placeholder"))
    assert "<h2>" in title
    assert "classifiers" in title


def test_lines_of_the_gallery_need_no_variables(runs, monkeypatch):
    gallery = widgets.gallery("seeds against interval")
    code = gallery.shown.code
    again = tried(lambda: eval(code, {"kdlab": kdlab}))  # what the line is for
    assert again.png == gallery.shown.png
    assert gallery.shown.line.value == code
    tiny = kdlab.run(TEACHER)
    own = widgets.gallery("augmentation", teacher=tiny).shown
    assert tried(lambda: eval(own.code, {"kdlab": kdlab, "teacher": tiny})).png == own.png


def test_a_panel_shows_a_log_that_is_damaged(runs):
    config = Config(**TINY)
    folder = kdlab.run(config).folder
    lines = (folder / "log.jsonl").read_text().splitlines()
    odd = ['{"epoch": 1}', '{"epoch": 2, "loss": "low", "seconds": null, "val/accuracy": []}', '{"loss": 1}', "{", "7"]
    (folder / "log.jsonl").write_bytes("\n".join([*lines, *odd, ""]).encode() + b"\xff\xfe\n")
    for result in (None, (folder / "result.json").read_bytes()):
        (folder / "result.json").unlink(missing_ok=True)
        if result:
            (folder / "result.json").write_bytes(result)
        panel = tried(lambda: widgets.training(config))
        tried(panel.tick)
        assert panel.png


def test_a_panel_says_that_a_result_was_changed(runs):
    config = Config(**TINY)
    folder = kdlab.run(config).folder
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "test/accuracy": 99.0}))
    panel = tried(lambda: widgets.training(config))
    assert "done" not in panel.message.value
    assert "result.json" in panel.message.value


def test_what_a_panel_says_is_no_markup(runs, monkeypatch):
    monkeypatch.setitem(kdlab.METHODS, "a<b>", kdlab.METHODS["supervised"])
    panel = tried(lambda: widgets.training(Config(method="a<b>", **TINY)))
    assert "a&lt;b&gt;" in panel.message.value


def test_a_process_that_only_imports_is_not_waited_for(runs, monkeypatch):
    """It hears nothing before its imports are done, and has nothing to lose."""
    heard = []

    class Child:
        returncode = None

        def __init__(self, *_, stdin, **__):
            self.stdin = sys.stdout

        def poll(self):
            return self.returncode

        def kill(self):
            heard.append("kill")
            self.returncode = -9

        def wait(self, seconds=None):
            heard.append("wait")
            if self.returncode is None:
                raise subprocess.TimeoutExpired("kdlab", seconds)
            return self.returncode

    panel = widgets.training(Config(**TINY))
    with monkeypatch.context() as patch:
        patch.setattr("kdlab.engine.process.subprocess.Popen", Child)
        panel.start()
    panel.stop()
    assert heard[0] == "kill"
    assert "not started" in panel.message.value


# Odd names


def test_explorers_of_a_folder_whose_classes_have_odd_names(runs, monkeypatch):
    monkeypatch.setenv("KDLAB_CACHE", str(runs / "cache"))
    names = ["$\\frac{$", "_hidden<b>", "\u202egnp כלב " + "x" * 150]
    for part in ("train", "test"):
        for label, name in enumerate(names):
            directory = runs / "images" / part / name
            directory.mkdir(parents=True)
            for i in range(4):
                pixels = np.full((8, 8), 60 * label + 10 * i + 3 * (part == "test"), np.uint8)
                Image.fromarray(pixels).save(directory / f"{i}.png")
    few = {**TINY, "labels": 6, "batch": 6, "validation": 0, "augment": "none"}
    result = tried(lambda: kdlab.run(Config(dataset=f"folder:{runs / 'images'}", **few)))
    assert tried(lambda: widgets.temperature(result, result)).set(T=2.0).png
    assert tried(lambda: widgets.augmentation(result.images)).png
    assert tried(widgets.browse).png
    assert tried(lambda: kdlab.plots.plot_confusion({"student": result.confusion()}).savefig(runs / "x.png")) is None


def test_texts_below_a_picture_and_of_controls_can_be_sent_to_a_browser():
    def draw(which):
        if which == "bad":
            raise Error("caf\udce9 is <none>")
        return plt.figure(figsize=(1, 1)), "line\x07 one\nline two \udce9"

    options = {"caf\udce9": "good", "<b>": "bad", "y" * 300: "long"}
    explorer = tried(lambda: widgets.explore(draw, which=widgets.Choice("good", options, label="wh\udce9ch")))
    control = explorer.controls["which"]
    sent = "".join([explorer.message.value, *control._options_labels, control.description])
    assert not [letter for letter in sent if 0xD800 <= ord(letter) < 0xE000 or letter == "\x07"]
    assert "\nline two \\xe9" in explorer.message.value
    assert max(map(len, control._options_labels)) <= 60
    explorer.set(which="bad")
    assert "\\xe9 is &lt;none&gt;" in explorer.message.value


# Keys and sizes


def test_every_explorer_keeps_its_keys_and_its_letters_readable(runs):
    for shown in (widgets.circle(), widgets.gallery(), widgets.training(Config(**TINY))):
        assert [child for child in shown.children if "kdlab-keys" in child._dom_classes]
        assert "kdlab-explorer" in shown._dom_classes
    width = widgets.circle().image.layout.min_width
    assert width is not None
    assert 300 < int(width.removesuffix("px")) < 672, "11 points are 12 pixels, which may be 9"
