"""Figures of budgets, noise, views and self-supervised methods draw what they are given, with labelled axes."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch

matplotlib.use("Agg")

from kdlab import plots

CLASSES = ("cat", "dog", "owl")


def texts(axis):
    return [t.get_text() for t in axis.texts]


def test_balance_stacks_its_parts():
    axis = plots.plot_balance({"labelled": [1, 2, 3], "unlabelled": [4, 4, 4]}, CLASSES).axes[0]
    tops = [patch.get_y() + patch.get_height() for patch in axis.patches]
    assert tops == [1, 2, 3, 5, 6, 7] and axis.get_xlabel() == "class" and axis.get_ylabel() == "images"
    assert [t.get_text() for t in axis.get_xticklabels()] == list(CLASSES)


@pytest.mark.parametrize("channels", [1, 3])
def test_strips_name_rows_and_columns(channels):
    images = torch.zeros(3, channels, 8, 8, dtype=torch.uint8)
    (axis,) = plots.plot_strips({"a": images, "b": images[:2]}, ["x", "y", "z"], ["under"]).axes
    assert [text for text in texts(axis) if text] == ["a", "x", "y", "z", "b", "under"]
    assert [image.get_array().shape[:2] for image in axis.images] == [(9, 27), (9, 18)]
    assert len(axis.collections[0].get_paths()) == 5, "a frame around each"


def test_confusion_writes_its_counts_while_there_is_room():
    matrix = torch.tensor([[5, 1, 0], [0, 6, 0], [2, 0, 4]])
    axis = plots.plot_confusion({"noise": matrix}, CLASSES, "true class", "given label").axes[0]
    assert texts(axis) == ["5", "1", "", "", "6", "", "2", "", "4"]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("given label", "true class", "noise")
    many = torch.eye(100, dtype=torch.long)
    assert not texts(plots.plot_confusion({"noise": many}, [str(i) for i in range(100)], "t", "g").axes[0])


def test_cosines_share_a_scale_and_mark_groups():
    left, right, _ = plots.plot_cosines({"a": torch.eye(6), "b": -torch.eye(6)}, CLASSES, [1, 2, 3]).axes
    assert left.images[0].get_clim() == right.images[0].get_clim() == (-1, 1)
    assert list(left.get_yticks()) == [0, 1.5, 4] and len(left.lines) == 4
    plots.plot_cosines({"a": torch.eye(4)})


def test_parts_draw_a_square_an_image():
    axis = plots.plot_parts({"mixed": [("B", ["cat", "owl"]), ("2 B", ["?"] * 4)]}, CLASSES).axes[0]
    assert len(axis.patches) == 6 and texts(axis) == ["ca", "ow", "B", "?", "?", "?", "?", "2 B"]


def test_queue_leaves_random_places_blank():
    ages = torch.tensor([[0.0, float("nan")], [1.0, 0.0]])
    left, right, _ = plots.plot_queue(ages, {"m": [1.0, 0.5]}).axes
    assert left.images[0].get_array().mask.tolist() == [[False, True], [False, False]]
    assert list(right.lines[0].get_ydata()) == [1.0, 0.5] and right.get_xlabel() and right.get_ylabel()


def test_pair_cosines_and_their_means():
    kinds = {"same": torch.tensor([0.5, 1.0]), "other": torch.tensor([-0.25, 0.25])}
    axis = plots.plot_pair_cosines({"net": kinds}).axes[0]
    assert [line.get_xdata()[0] for line in axis.lines] == [0.75, 0.0] and axis.get_title(loc="left") == "net"


def test_diagnostics_draw_runs_and_means():
    def run(value):
        log = pd.DataFrame({"epoch": [1, 2], "val/std": [value, value / 2], "val/knn": [50.0, None]})

        class Fake(SimpleNamespace):
            def __getitem__(self, name):
                return {"images_seen": 4000, "epochs": 2}[name]

        return Fake(log=lambda: log)

    figure = plots.plot_diagnostics({"BYOL": [run(1.0), run(0.5)]}, {"val/std": "std", "val/knn": "kNN", "epoch": "e"})
    first, second, third = figure.axes
    mean = first.lines[-1]
    assert list(mean.get_xdata()) == [2, 4] and list(mean.get_ydata()) == [0.75, 0.375] and len(first.lines) == 3
    assert first.get_ylabel() == "std" and second.get_xlabel() and third.get_xlabel()
    assert np.isfinite(second.lines[-1].get_ydata()).all()


def test_strips_frame_what_is_right_and_draw_boxes():
    images = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    figure = plots.plot_strips({"a": images, "b": images}, right={"b": [None, True, False]}, boxes={"a": (2, 1, 6, 5)})
    frames = figure.axes[0].collections[0]
    paths, widths, styles = frames.get_paths(), frames.get_linewidths(), frames.get_linestyles()
    assert len(paths) == 3 * 2 + 3, "a frame around each, and a box in each of the first row"
    image, box = (path.get_extents().bounds for path in paths[:2])
    pixel = image[2] / 8
    assert box == pytest.approx((image[0] + pixel, image[1] + 2 * pixel, 4 * pixel, 4 * pixel))
    assert widths[-3] < widths[-2] == widths[-1]
    assert styles[-2][1] is None and styles[-1][1] is not None, "dashed where it is wrong"


def test_cosines_with_a_scale_each():
    left, right, *_ = plots.plot_cosines({"a": torch.eye(4), "b": 0.9 + 0.1 * torch.eye(4)}, shared=False).axes
    assert left.images[0].get_clim() == (0, 1) and right.images[0].get_clim() == (pytest.approx(0.9), 1)
