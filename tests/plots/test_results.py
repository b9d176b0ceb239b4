"""Figures of studies: seeds, answers, worth, cells; evidence with what was trained just now drawn over it."""

import matplotlib
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib.colors import to_rgb

from kdlab import Error, plots
from kdlab.plots.results import VERDICTS


def test_few_seeds_beside_all():
    differences = [4.0, 5.0, 4.5, -3.0, 9.0, 1.0, 2.0]
    axis = plots.plot_seeds(differences).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["seeds 0, 1, 2", "seeds 3, 4, 5", "all 7"]
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [3, 3, 7]
    shown = [to_rgb(line.get_color()) for line in dots]
    assert shown[0] == to_rgb(VERDICTS["yes"]) and shown[1] == to_rgb(VERDICTS["open"]), "4.5 ± 1.2, and 2.3 ± 15"
    with pytest.raises(Error, match="1 differences say nothing of seeds"):
        plots.plot_seeds([1.0])


def test_answers_are_coloured_by_their_verdict():
    verdicts = [
        "yes",
        "no, worse",
        "at most 1.2",
        "open: 40 seeds would settle it",
        "open: one seed tells nothing",
        "the same in every seed",
        "yes, not above pixels",
    ]
    table = pd.DataFrame(
        {
            "question": list("abcdefg"),
            "difference": [3.0, -3.0, 0.1, 1.0, 2.0, 0.0, 3.0],
            "± 95 %": [1.0, 1.0, 1.1, 2.0, float("nan"), 0.0, 1.0],
            "verdict": verdicts,
        }
    )
    axis = plots.plot_answers(table).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == list("abcdefg")
    assert [t.get_text() for t in axis.texts] == [
        "yes",
        "no, worse",
        "at most 1.2",
        "open",
        "open",
        "the same in every seed",
        "yes, not above pixels",
    ]
    assert [to_rgb(t.get_color()) for t in axis.texts[:3]] == [to_rgb(c) for c in list(VERDICTS.values())[:3]]
    filled = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "o"]
    assert filled[-1] == "white" and "white" not in filled[:-1], "less than a yes"


def test_answers_to_long_questions_leave_room_to_see_them():
    table = pd.DataFrame(
        {"question": ["?"], "difference": [3.0], "± 95 %": [1.0], "verdict": ["yes, not above pixels"]}
    )
    for length in (1, 50, 100):
        figure = plots.plot_answers(table.assign(question="e" * length))
        figure.canvas.draw()
        assert figure.axes[0].get_window_extent().width / figure.dpi > 1.5, "inches"


def test_worth_beside_cost():
    table = pd.DataFrame(
        {
            "points, left out": [3.0, -1.0],
            "points, added": [5.0, 0.5],
            "± 95 %, left out": [1.0, 2.0],
            "± 95 %, added": [1.0, 1.0],
            "CPU time, %": [25.0, -2.0],
            "parameters": [1234, 0],
        },
        index=["KD", "maps"],
    )
    axis = plots.plot_worth(table).axes[0]
    assert [t.get_text() for t in axis.texts] == ["+25 % time\n+1,234 parameters", "-2 % time\n+0 parameters"]
    assert {t.get_text() for t in axis.get_legend().get_texts()} == {"worth in the whole", "worth alone"}
    alone = plots.plot_worth(table.filter(regex="left out|CPU|parameters"))
    assert len(alone.axes[0].get_legend().get_texts()) == 1


def test_cells_show_their_numbers():
    table = pd.DataFrame({0.5: {1.0: 70.0, 4.0: 80.0}, 1.0: {1.0: 71.0, 4.0: 82.25}})
    axis = plots.plot_cells(table.rename_axis(index="temperature", columns="weight")).axes[0]
    assert [t.get_text() for t in axis.texts] == ["70.0", "71.0", "80.0", "82.2"]
    assert (axis.get_ylabel(), axis.get_xlabel()) == ("temperature", "weight")
    assert [t.get_text() for t in axis.get_yticklabels()] == ["1", "4"]


def test_evidence_under_what_was_trained_here():
    groups = {
        "a": [{"test/accuracy": v} for v in range(60, 70)],
        "b": [{"test/accuracy": 80.0}, {"test/accuracy": 82.0}],
    }
    axis = plots.plot_comparison(
        groups, live={"a": [{"test/accuracy": 65.5}]}, families={"a": "plain", "b": "taught"}, beside="b"
    ).axes[0]
    stars = [line for line in axis.lines if line.get_marker() == "*" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in stars] == [[65.5]] and "star" in axis.get_title("left")
    assert {t.get_text() for t in axis.figure.legends[0].get_texts()} == {"plain", "taught"}
    (through,) = [line for line in axis.lines if line.get_linestyle() == ":"]
    assert set(through.get_xdata()) == {81.0}


def dashes(axis):
    """{row: x} of the pieces of a control's line."""
    pieces = [line for line in axis.lines if line.get_linestyle() == "--"]
    return {(line.get_ydata()[0] + line.get_ydata()[1]) / 2: line.get_xdata()[0] for line in pieces}


def test_the_control_is_a_dashed_line_through_the_rows_that_it_is_of():
    def scored(*values):
        return [{"test/accuracy": value, "test/ece": value / 10} for value in values]

    groups = {"KD": scored(60, 70), "KD, 20 labels": scored(50, 52), "no noise, 20 labels": scored(50, 54)}
    pixels = {"pixels": [{"test/accuracy": v} for v in (61, 63)], "pixels, 20 labels": [{"test/accuracy": 40}]}
    axis = plots.plot_comparison(groups | pixels).axes[0]
    assert dashes(axis) == {0: 62, 1: 40, 2: 40, 3: 62, 4: 40}
    assert [text.get_text() for text in axis.texts if text.get_text() == "pixels"] == ["pixels"]
    assert [label.get_text() for label in axis.get_yticklabels()] == [*groups, *pixels]
    grey = {line.get_ydata()[0] for line in axis.lines if line.get_marker() == "o" and line.get_color() == "0.35"}
    assert grey == {3, 4}
    axis = plots.plot_comparison(groups | pixels, "test/ece").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == list(groups), "pixels have no such number"
    assert not dashes(axis) and not [text for text in axis.texts if text.get_text() == "pixels"]
    only = plots.plot_comparison({"KD, 20 labels": groups["KD, 20 labels"], "pixels, no 3": pixels["pixels"]}).axes[0]
    assert dashes(only) == {1: 62}, "of another condition"


def test_a_pipeline_of_two_lanes():
    lanes = [["view 1", "[backbone]", "[predictor]"], ["view 2", "~[backbone]"]]
    axis = plots.plot_pipeline({"BYOL": (lanes, "loss")}).axes[0]
    assert [t.get_text() for t in axis.texts] == ["view 1", "backbone", "predictor", "view 2", "backbone", "loss"]
    boxes = [patch for patch in axis.patches if isinstance(patch, matplotlib.patches.FancyBboxPatch)]
    assert [box.get_linestyle() for box in boxes] == ["-", "-", "--", "-"]
    assert boxes[0].get_edgecolor() == boxes[2].get_edgecolor() != boxes[1].get_edgecolor()


def swept(**others):
    rows = [(m, at, s) for m in ("supervised", "kd") for at in (20, 100, 500) for s in range(3)]
    frame = pd.DataFrame(rows, columns=["method", "labels", "seed"]).assign(**others)
    return frame.assign(**{"test/accuracy": 50.0 + frame.seed + (frame.method == "kd") * frame.labels / 100})


def test_a_sweep_shows_means_intervals_and_seeds():
    axis = plots.plot_sweep(swept(), x="labels", hue="method").axes[0]
    assert [t.get_text() for t in axis.figure.legends[0].get_texts()] == ["supervised", "kd"]
    (_, means), (_, better) = ((c, c.lines[0].get_ydata()) for c in axis.containers)
    assert list(means) == [51, 51, 51] and list(better) == pytest.approx([51.2, 52, 56])
    assert axis.get_xscale() == "log" and [t.get_text() for t in axis.get_xticklabels()] == ["20", "100", "500"]
    dots = [line for line in axis.lines if line.get_marker() == "."]
    assert [len(line.get_ydata()) for line in dots] == [3] * 6
    reach = axis.containers[0].lines[2][0].get_segments()[0][:, 1]
    assert list(reach) == pytest.approx([51 - 2.484, 51 + 2.484], abs=1e-3), "Student's t with two degrees of freedom"


def test_texts_stand_side_by_side_and_nothing_is_mixed_unseen():
    frame = swept()
    axis = plots.plot_sweep(frame[frame.labels == 20], x="method").axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["supervised", "kd"] and not axis.figure.legends
    beside = frame.assign(teacher=frame.method.map({"kd": "resnet20"}))  # as a table that was read has it
    axis = plots.plot_sweep(beside, x="labels", hue=["method", "teacher"]).axes[0]
    assert [t.get_text() for t in axis.figure.legends[0].get_texts()] == ["supervised", "kd, resnet20"]
    with pytest.raises(Error, match="labels=20 has several runs of one seed"):
        plots.plot_sweep(frame, x="labels")
    with pytest.raises(Error, match="did you mean 'labels'"):
        plots.plot_sweep(frame, x="label", hue="method")
    with pytest.raises(Error, match="nothing can be drawn"):
        plots.plot_sweep(frame.assign(labels=None), x="labels", hue="method")
