"""Figures of distillation draw what they are given."""

from types import SimpleNamespace

import matplotlib
import pandas as pd
import pytest
import torch

matplotlib.use("Agg")

from kdlab import plots


def result(seed, best, scores, test):
    class Fake(SimpleNamespace):
        def __getitem__(self, name):
            return {"best_epoch": best, "test/accuracy": test, "selected_on": "val/accuracy"}[name]

    log = pd.DataFrame({"epoch": range(1, len(scores) + 1), "val/accuracy": scores})
    return Fake(config=SimpleNamespace(seed=seed), log=lambda: log)


def test_softened_classes_are_probabilities_that_flatten():
    logits = torch.tensor([0.0, 0.0, 4.0])
    image, *panels = plots.plot_softened(torch.zeros(1, 8, 8, dtype=torch.uint8), logits, "abc", [1, 4], truth=2).axes
    heights = [[bar.get_height() for bar in panel.patches] for panel in panels]
    assert image.get_title() == "class c" and [sum(h) for h in heights] == pytest.approx([1, 1])
    assert heights[0][2] > heights[1][2] == pytest.approx(2.718281828 / (2 + 2.718281828))
    assert [t.get_text() for t in panels[0].get_xticklabels()] == ["a", "b", "c"]
    many = plots.plot_softened(torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(100), ["name"] * 100, [1, 2], 0)
    assert len(many.axes[1].get_xticks()) <= 6


def test_lines():
    axis = plots.plot_lines({"a": ([1, 2], [3, 4]), "b": ([1, 2], [5, 6])}, "x", "y", log=True).axes[0]
    assert [list(line.get_ydata()) for line in axis.lines] == [[3, 4], [5, 6]] and axis.get_xscale() == "log"
    assert len({(line.get_linestyle(), line.get_color()) for line in axis.lines}) == 2 and axis.get_ylabel() == "y"


def test_agreement_shows_each_map_with_its_mean():
    rows = {"before": torch.zeros(2, 4, 4), "after": torch.full((2, 4, 4), 0.75)}
    figure = plots.plot_agreement(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), rows)
    assert [t.get_text() for axis in figure.axes for t in axis.texts] == ["0.00"] * 2 + ["0.75"] * 2
    assert [axis.get_ylabel() for axis in figure.axes[:6:2]] == ["image", "before", "after"]


def test_early_stopping_marks_the_kept_epoch():
    figure = plots.plot_early_stopping([result(0, 2, [50, 80, 70], 75), result(1, 3, [40, 60, 65], 70)], [0, 0.1, 0.9])
    stars = [(*line.get_xdata(), *line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() == "*"]
    assert stars == [(2, 80), (3, 65)] and figure.axes[1].get_ylabel() == "alpha"


def test_pairs_are_joined_by_seed():
    first = [result(0, 1, [1], 60.0), result(1, 1, [1], 70.0)]
    axis = plots.plot_paired({"x": (first, [result(1, 1, [1], 71.0), result(0, 1, [1], 64.0)])}, ("a", "b")).axes[0]
    assert [list(line.get_ydata()) for line in axis.lines[:2]] == [[60, 64], [70, 71]]
    assert [t.get_text() for t in axis.texts] == ["65.0", "67.5"]
