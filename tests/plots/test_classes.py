"""Figures by class draw what they are given."""

import matplotlib
import pandas as pd
import pytest
import torch

matplotlib.use("Agg")

from kdlab import plots
from kdlab.engine.report import wilson

TABLE = pd.DataFrame([[8, 2, 0], [0, 10, 0], [3, 0, 1]], *[pd.Index(["cat", "dog", "owl"])] * 2)


def texts(axis):
    return [t.get_text() for t in axis.texts]


def labels(ticks):
    return [t.get_text() for t in ticks]


def test_confusion_in_percent_colours_what_is_wrong():
    axis = plots.plot_confusion({"student": TABLE}, percent=True).axes[0]
    assert texts(axis) == ["80", "20", "", "", "100", "", "75", "", "25"]
    shown = axis.images[0].get_array()
    assert shown.mask.tolist() == torch.eye(3, dtype=torch.bool).tolist() and axis.images[0].get_clim() == (0, 75)
    assert labels(axis.get_xticklabels()) == labels(axis.get_yticklabels()) == ["cat", "dog", "owl"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")
    perfect = plots.plot_confusion({"a": torch.eye(3).long()}, ["x", "y", "z"], percent=True).axes[0]
    assert texts(perfect) == ["100", "", "", "", "100", "", "", "", "100"] and perfect.images[0].get_clim() == (0, 1)
    empty = plots.plot_confusion({"a": torch.tensor([[0, 0], [1, 3]])}, ["x", "y"], percent=True).axes[0]
    assert texts(empty) == ["", "", "25", "75"], "a class without images"


def test_confusion_of_many_classes_has_names_and_no_numbers():
    names = [f"class {i}" for i in range(100)]
    for percent in (False, True):
        axis = plots.plot_confusion({"a": torch.eye(100).long()}, names, percent=percent).axes[0]
        assert not texts(axis) and labels(axis.get_yticklabels()) == names
    assert not plots.plot_confusion({"a": torch.eye(200).long()}, ["x"] * 200).axes[0].texts


def test_per_class_sorts_and_draws_intervals_and_the_mean():
    axis = plots.plot_per_class({"student": TABLE}).axes[0]
    assert labels(axis.get_yticklabels()) == ["dog", "cat", "owl"] and texts(axis) == ["100", "80", "25"]
    assert [bar.get_width() for bar in axis.patches] == [100, 80, 25]
    ends = [tuple(segment[:, 0]) for segment in axis.collections[0].get_segments()]
    assert ends == [pytest.approx(wilson(*counts)) for counts in ((10, 10), (8, 10), (1, 4))]
    assert axis.lines[0].get_xdata()[0] == pytest.approx(205 / 3) and axis.get_title(loc="right") == "mean 68.3"


def test_per_class_keeps_the_order_of_the_first_panel_and_leaves_out_the_empty():
    other = pd.DataFrame([[1, 9, 0], [0, 0, 0], [0, 0, 4]], TABLE.index, TABLE.columns)
    left, right = plots.plot_per_class({"a": TABLE, "b": other}).axes
    assert labels(left.get_yticklabels()) == ["cat", "owl"]
    assert [bar.get_width() for bar in right.patches] == [10, 100] and right.get_title(loc="left") == "b"
    names = pd.Index([f"class {i}" for i in range(60)])
    many = plots.plot_per_class({"a": pd.DataFrame(torch.eye(60).long().numpy(), names, names)}).axes[0]
    assert not texts(many) and len(many.patches) == 60
