"""Names in figures: whatever a class, a system, a run or a folder is called, it is drawn letter by letter."""

import warnings
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

matplotlib.use("Agg")

from matplotlib.text import Text
from own_images import pets

import kdlab
from kdlab import Config, plots
from kdlab.plots import explorers

K = 4
IMAGES = torch.arange(K * 64, dtype=torch.uint8).view(K, 1, 8, 8)
COUNTS = torch.arange(K * K).view(K, K) + torch.eye(K, dtype=torch.long)
POINTS = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(30) % K
LOGITS = torch.tensor([0.0, 1.0, 2.0, -1.0])
ODD = ["$\\frac{$", "_x\\b^{$", "\udce9\x07\x1b[m \u202egnp כלב", "x" * 250 + "\n" * 9]
LONG = ["x" * 250 + "1", "x" * 250 + "2", "x" * 250 + "3", "short"]


class Run(SimpleNamespace):
    """What figures ask of a Result."""

    def __getitem__(self, name):
        return {"images_seen": 2000, "epochs": 2, "best_epoch": 2, "selected_on": "val/accuracy"}.get(name, 50.0)


def run(seed, names):
    log = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "val/accuracy": [40.0, 60.0]})
    log = log.assign(**{f"loss/{name}": [2.0, 1.0] for name in names})
    return Run(config=SimpleNamespace(seed=seed, epochs=2), folder=f"{seed}", log=lambda: log)


def table(names):
    return pd.DataFrame(COUNTS.numpy(), index=list(names), columns=list(names))


def runs(names):
    return {name: [run(0, names), run(1, names)] for name in names}


def rows(names, value):
    return dict.fromkeys(names, value)


def worth(names):
    columns = {"points, left out": 1.0, "± 95 %, left out": 1.0, "CPU time, %": 1.0, "parameters": 1}
    return pd.DataFrame(columns, index=list(names))


def answers(names):
    return pd.DataFrame({"question": list(names), "difference": 1.0, "± 95 %": 1.0, "verdict": "yes"})


def swept(names):
    return pd.DataFrame([{"method": m, "labels": m, "test/accuracy": 50.0 + s} for m in names for s in (0, 1)])


def curve(names):
    points = [
        {"label": name, "steps": steps, "mean": 50.0, "± 95 %": 1.0, "n": 2} for name in names for steps in (9, 99)
    ]
    return pd.DataFrame([*points, {**points[0], "steps": None}]).assign(metric="test/accuracy")


DRAWN = {
    plots.plot_agreement: lambda n: (IMAGES, rows(n, torch.zeros(K, 4, 4))),
    plots.plot_answers: lambda n: (answers(n),),
    plots.plot_balance: lambda n: (rows(n, [1] * K), n),
    plots.plot_comparison: lambda n: (runs(n), "test/accuracy", n[0], None, rows(n, n[1]), n[2]),
    plots.plot_confusion: lambda n: ({n[0]: table(n), n[1]: table(n)}, (), n[2], n[3]),
    plots.plot_cosines: lambda n: (rows(n[:2], torch.eye(K)), n, [1] * K),
    plots.plot_curve: lambda n: (curve(n), n[0]),
    plots.plot_curves: lambda n: (runs(n), "val/accuracy", n[0]),
    plots.plot_depth: lambda n: (rows(n, [[50.0] * K, [51.0] * K]), n),
    plots.plot_diagnostics: lambda n: (runs(n), {"val/accuracy": n[0], "loss": n[1]}),
    plots.plot_embedding: lambda n: ({n[0]: POINTS, n[1]: POINTS}, Y, n),
    plots.plot_images: lambda n: (IMAGES, n, 2, n[0]),
    plots.plot_lines: lambda n: (rows(n, ([0.01, 1000], [1, 100])), n[0], n[1], n[2], True),
    plots.plot_log: lambda n: (run(0, n),),
    plots.plot_pair_cosines: lambda n: (rows(n[:2], rows(n, torch.rand(9))),),
    plots.plot_paired: lambda n: (rows(n[:2], (runs(n)[n[0]], runs(n)[n[1]])), n[:2], "test/accuracy", n[3]),
    plots.plot_parts: lambda n: (rows(n, [(n[0], [n[1], "?"]), (n[2], [n[3]])]), n),
    plots.plot_per_class: lambda n: ({n[0]: table(n), n[1]: table(n)},),
    plots.plot_pipeline: lambda n: ({n[0]: ([[n[1], f"[{n[2]}]"]], n[3])},),
    plots.plot_queue: lambda n: (torch.zeros(3, 3), rows(n, [1.0, 0.5])),
    plots.plot_seeds: lambda n: (pd.Series([1.0, 2.0, 3.0, 4.0], index=list(n)), n[0]),
    plots.plot_selection: lambda n: ([0, 1, 0, 2], {0.5: [0, 1]}, n),
    plots.plot_similarity: lambda n: (rows(n[:2], torch.eye(K)), IMAGES, n[:1]),
    plots.plot_softened: lambda n: (IMAGES[0], LOGITS, n, [1, 4], 1),
    plots.plot_sweep: lambda n: (swept(n), "labels", ["method"]),
    plots.plot_strips: lambda n: (rows(n, IMAGES), n, n),
    plots.plot_targets: lambda n: (rows(n[:2], torch.eye(K)), IMAGES[:2], n, [0.1] * K, range(K)),
    plots.plot_versions: lambda n: (IMAGES, n[:2], n[2:], n, n[0]),
    plots.plot_worth: lambda n: (worth(n),),
    explorers.plot_interval: lambda n: ([1.0, 2.0], n[0]),
    explorers.plot_temperature: lambda n: (IMAGES[0], LOGITS, LOGITS, 2.0, n, 1, ([0.5, 50], [1, 2])),
    explorers.plot_browsed: lambda n: (rows(n, [(1, 2.0), (2, 1.0)]), n[0], n[1]),
    explorers.plot_budgets: lambda n: (rows(n, {1.0: [2.0, 3.0], 2.0: [3.0, 4.0]}), n[0], False, n[1]),
    explorers.plot_feature_maps: lambda n: (IMAGES[0], rows(n, torch.rand(3, 4, 4)), n[0]),
    explorers.plot_map: lambda n: (torch.rand(K, 2), Y[:K], n, 0, [1, 2], IMAGES, n[0]),
    explorers.plot_readings: lambda n: (IMAGES[0], rows(n[:2], LOGITS), n),
    explorers.plot_soft_target: lambda n: (IMAGES[0], LOGITS.softmax(0), 1, n, rows(n, [1.0, 2.0]), 1, n[0]),
    explorers.plot_training: lambda n: ([{"epoch": 1, "loss": 1.0, n[0]: 2.0}], 3, n[0]),
}
NAMELESS = {
    "plot_batch",
    "plot_branches",
    "plot_cells",
    "plot_circle",
    "plot_early_stopping",
    "plot_ramp",
    "plot_threshold",
}


def test_every_figure_is_drawn_here():
    everywhere = {name for place in (plots, explorers) for name in vars(place) if name[:5] == "plot_"}
    assert {function.__name__ for function in DRAWN} | NAMELESS == everywhere


@pytest.mark.parametrize("function", DRAWN, ids=lambda function: function.__name__)
def test_a_figure_draws_any_name(function):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of axes without room, of letters without a shape, of legends without names
        warnings.filterwarnings("ignore", message=".*(perplexity|learning rate).*")
        try:
            figure = function(*DRAWN[function](ODD))
            figure.draw_without_rendering()
        except Exception as error:
            pytest.fail(f"{error!r:.300}")
    shown = [text.get_text() for text in figure.findobj(Text)]
    assert any(name in text for text in shown for name in ODD[:2]), "as it is written"
    assert not [text for text in shown if "\udce9" in text or "\x07" in text or "\u202e" in text]
    assert max(figure.get_size_inches()) < 16


@pytest.mark.parametrize("function", [plots.plot_curves, plots.plot_lines, plots.plot_queue, plots.plot_comparison])
def test_a_legend_names_what_begins_with_an_underscore(function):
    figure = function(*DRAWN[function](ODD))
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend())]
    named = {text.get_text() for legend in legends for text in legend.get_texts()}
    assert ODD[1] in named


def test_names_that_differ_at_their_end_stay_apart():
    axis = plots.plot_comparison(runs(LONG)).axes[0]
    labels = [text.get_text() for text in axis.get_yticklabels()]
    assert len(set(labels)) == len(LONG)
    assert max(map(len, labels)) <= 64
    assert plots.plot_comparison(runs(["a" * 59, "b"])).axes[0].get_yticklabels()[0].get_text() == "a" * 59


def test_tables_with_odd_names_keep_their_counts():
    odd = pd.DataFrame([[5, 1], [0, 6]], index=["\x07", "\udce9"], columns=["\x07", "\udce9"])
    axis = plots.plot_confusion({"student": odd}).axes[0]
    assert [text.get_text() for text in axis.texts] == ["5", "1", "", "6"]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["\\x07", "\\xe9"]


def test_powers_of_ten_and_formulas_of_diagrams_look_as_before():
    axis = plots.plot_lines({"a": ([1e-4, 1, 1e3], [1, 10, 100])}, "x", "y", log=True).axes[0]
    axis.figure.canvas.draw()
    assert "10⁻⁴" in [text.get_text() for text in axis.get_xticklabels()]
    low = plots.plot_softened(IMAGES[0], LOGITS, "abcd", [1, 4], 1).axes[1].child_axes[0]
    low.figure.canvas.draw()
    assert [text.get_text() for text in low.get_yticklabels()] == ["10⁻⁴", "10⁻²", "10⁰"]
    axis = plots.plot_pipeline({"SimCLR": ([["view", "[net]", "$z_1$"]], "loss")}).axes[0]
    assert {text.get_text(): text.get_parse_math() for text in axis.texts} == {
        "view": False,
        "net": False,
        "$z_1$": True,
        "loss": False,
    }


def test_a_contact_sheet_of_any_folder(tmp_path, monkeypatch, capsys):
    import sys

    from kdlab.cli import app as cli

    names = ODD[:2]
    for part in ("train", "test"):
        for name in names:
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for i in range(2):
                pixels = np.full((8, 8, 3), 40 * i + 9 * len(name) + 5 * (part == "test"), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / part / name / f"{i}.png")
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "cache"))
    sheet = tmp_path / "sheet.png"
    monkeypatch.setattr(
        sys, "argv", ["kdlab", "data", "inspect", f"folder:{tmp_path / 'images'}", "--sheet", str(sheet)]
    )
    code = 0
    try:
        cli.call()
    except SystemExit as stop:
        code = stop.code or 0
    except Exception as error:
        code = f"{error!r:.300}"
    assert code == 0, capsys.readouterr().err
    assert Image.open(sheet).size[0] > 100


def test_classes_of_a_run_are_legible_too(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    classes = ["caf\udce9", "x" * 120]
    result = kdlab.run(Config(dataset=f"folder:{pets(tmp_path / 'pets', classes=classes)}", epochs=1, steps=1))
    for panels in (result, {"a": result}):
        try:
            figure = plots.plot_confusion(panels)
            figure.draw_without_rendering()
        except Exception as error:
            pytest.fail(f"{error!r:.300}")
        labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
        assert labels[0] == "caf\\xe9" and len(labels[1]) <= 28
