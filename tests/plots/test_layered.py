"""Figures of turned images, relations, branches and softened targets draw what they are given."""

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

from kdlab import losses, plots
from kdlab.models import build


@pytest.mark.parametrize("channels", [1, 3])
def test_versions_name_rows_columns_and_images(channels):
    images = torch.zeros(6, channels, 8, 8, dtype=torch.uint8)
    axis = plots.plot_versions(images, ["a", "b"], ["0°", "90°", "180°"], list("uvwxyz")).axes[0]
    texts = [text.get_text() for text in axis.texts if text.get_text()]
    assert texts == ["a", "0°", "90°", "180°", "u", "v", "w", "b", "x", "y", "z"]
    assert [image.get_array().shape[:2] for image in axis.images] == [(9, 27)] * 2


def test_similarity_counts_the_rows_whose_largest_entry_is_their_own():
    A = torch.eye(3).repeat_interleave(3, 0)
    A[0] = torch.tensor([0.0, 1.0, 0.0])
    figure = plots.plot_similarity({"one": A, "two": A}, torch.zeros(3, 1, 8, 8, dtype=torch.uint8), list("abc"))
    panels = [axis for axis in figure.axes if axis.get_xlabel()]
    assert [axis.get_xlabel() for axis in panels] == ["89 % of the rows right"] * 2
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list("abc") * 3


def test_selection_draws_ranks_and_kept_rows():
    A = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.5]])
    target = torch.tensor([0, 0, 0])
    kept = {ratio: losses.select(A, target, ratio).nonzero()[:, 0].tolist() for ratio in (0.0, 1.0)}
    left, right = plots.plot_selection([0, 1, 0], kept, ["a", "b", "c"]).axes
    assert [round(bar.get_width()) for bar in left.patches] == [0, 1, 0]
    filled = [line for line in right.lines if line.get_markerfacecolor() != "none"]
    assert len(filled) == 2 + 3 and [t.get_text() for t in right.get_xticklabels()] == ["0\n2 rows", "1\n3 rows"]


def test_branches_draw_every_stage_of_every_branch():
    net = build("resnet8", 10, 1, 0.25)
    texts = [text.get_text() for text in plots.plot_branches(net, 40, 8).axes[0].texts]
    assert sum(text.startswith("stage") and "'" not in text for text in texts) == 3
    assert sum(text.startswith("stage") and "'" in text for text in texts) == 2 + 1 + 1
    assert "stage 3'\n16 x 2²" in texts and "branch 3\n40 joint labels" in texts


def test_targets_and_depth():
    target = torch.tensor([[1.0, 0.0], [0.8, 0.2]])
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    axes = plots.plot_targets({"x": target}, image, ["p", "q"], [0.1, 0.8], [0, 9]).axes
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["1", "10"]
    assert {text.get_text() for text in axes[0].texts} == {"1.00", ".80", ".20", "x"}
    lines = {"a, upright": [[50.0, 60, 70], [52, 62, 72]], "a, turned": [[40.0, 50], [42, 52]]}
    axis = plots.plot_depth(lines, ["branch 1", "branch 2", "classifier"]).axes[0]
    assert [line.lines[0].get_ydata().tolist() for line in axis.containers] == [[51, 61, 71], [41, 51]]
    one, two = (container.lines[0] for container in axis.containers)
    assert one.get_color() == two.get_color() and one.get_linestyle() != two.get_linestyle()
