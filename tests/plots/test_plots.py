"""Figures: they draw what they are given, with labelled axes, the same bytes each time; in notebooks they all show."""

from base64 import b64decode
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import nbformat
import pandas as pd
import pytest
import torch
from nbclient import NotebookClient

matplotlib.use("Agg")

from kdlab import plots
from kdlab.engine import report


def result(seed, accuracy):
    """What figures and tables ask of a Result."""
    log = pd.DataFrame(
        {
            "epoch": [1, 2],
            "lr": 0.1,
            "loss": [3.0, 2.0],
            "loss/ce": [2.0, 1.0],
            "loss/kd": [1.0, 1.0],
            "val/accuracy": [accuracy / 2, accuracy],
            "seconds": 1.0,
            "images_per_second": 9,
        }
    )

    class Fake(SimpleNamespace):
        def __getitem__(self, name):
            return {"test/accuracy": accuracy, "images_seen": 2000, "epochs": 2}[name]

    return Fake(config=SimpleNamespace(seed=seed, epochs=2), folder=f"{accuracy}-{seed}", log=lambda: log)


GROUPS = {
    "alone": [result(0, 60.0), result(1, 70.0), result(2, 65.0)],
    "taught": [result(2, 85.0), result(0, 82.0), result(1, 88.0)],
}


def test_comparison_and_curves():
    axis = plots.plot_comparison(GROUPS).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == list(GROUPS) and axis.get_xlabel() == "test accuracy, %"
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert sorted(dots[0].get_xdata()) == [60, 65, 70]
    axis = plots.plot_curves(GROUPS).axes[0]
    means = [line for line in axis.lines if line.get_lw() == 2.5]
    assert [list(line.get_ydata()) for line in means] == [[32.5, 65.0], [42.5, 85.0]] and list(
        means[0].get_xdata()
    ) == [1, 2]
    assert axis.get_xlabel() and axis.get_ylabel()


def test_log_images_and_embedding():
    left, right = plots.plot_log(GROUPS["alone"][0]).axes
    assert {t.get_text() for t in left.get_legend().get_texts()} == {"ce", "kd", "weighted sum"} and right.get_ylabel()
    for channels in (1, 3):
        figure = plots.plot_images(torch.zeros(5, channels, 8, 8, dtype=torch.uint8), list("abcde"), columns=4)
        (axis,) = figure.axes
        assert [text.get_text() for text in axis.texts if text.get_text()] == ["a", "b", "c", "d", "e"]
        assert [image.get_array().shape[:2] for image in axis.images] == [(9, 36), (9, 9)], "four in a row, and one"
    y = torch.arange(60) % 3
    figure = plots.plot_embedding({"x": torch.eye(3)[y] + 0.1 * torch.randn(60, 3)}, y, ["p", "q", "r"])
    assert {t.get_text() for t in figure.axes[0].texts} == {"p", "q", "r"}


def test_a_log_is_drawn_by_what_its_columns_are():
    log = pd.DataFrame(
        {
            "epoch": [1, 2],
            "lr": 0.1,
            "loss": [3.0, 2.0],
            "loss/nt_xent": [3.0, 2.0],
            "val/knn": [50.0, 60.0],
            "val/top5": [80.0, 90.0],
            "val/std": [0.9, 0.8],
            "val/nll": [2.0, 1.0],
            "val/mine": [1.0, 2.0],
            "train/weight_norm": [9.0, 9.5],
            "seconds": 1.0,
            "method_mb": 2.0,
        }
    )
    axes = plots.plot_log(SimpleNamespace(log=lambda: log)).axes
    assert [t.get_text() for t in axes[0].get_legend().get_texts()] == ["nt_xent"], (
        "nothing but a loss is drawn as a loss"
    )
    drawn = {axis.get_ylabel(): len(axis.lines) for axis in axes[1:] if axis.lines}
    assert drawn == {"%": 2, "std": 1, "nll, nats": 1, "mine": 1}


def test_saving_twice_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path))
    for name in ("one", "two"):
        plots.save(plots.plot_comparison(GROUPS), name)
        plots.save_table(report.compare(GROUPS), name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "data/one.csv").read_text() == (tmp_path / "data/two.csv").read_text()
    assert plots.load_table("one")["mean"].tolist() == pytest.approx(report.compare(GROUPS)["mean"].tolist())
    assert len(plots.load_table("rivals").system.unique()) == 19, "what came with the package"
    with pytest.raises(report.Error, match="no table 'three'"):
        plots.load_table("three")


def test_differences_are_paired_by_seed():
    mean, half = report.difference(GROUPS["taught"], GROUPS["alone"])
    by_hand = report.interval([82.0 - 60, 88.0 - 70, 85.0 - 65])
    assert (mean, half) == pytest.approx(by_hand)
    table = report.compare(GROUPS, baseline="alone")
    assert table.loc["taught", "minus alone"] == pytest.approx(20) and pd.isna(table.loc["alone", "minus alone"])
    with pytest.raises(report.Error, match="cannot be paired"):
        report.difference(GROUPS["taught"][:2], GROUPS["alone"])


def test_tidy():
    frame = pd.DataFrame({"n": [3, 12345], "x": [1.25, float("nan")], "ok": [True, False], "s": ["a", "b"]})
    assert report.tidy(frame).to_numpy().tolist() == [["3", "1.2", "True", "a"], ["12,345", "", "False", "b"]]


def test_every_figure_of_a_notebook_shows_what_was_saved_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path))
    draw = "figure = plots.plot_images(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), ['a', 'b']);"
    save, change = "\nplots.save(figure, 'saved')", "\nfigure.suptitle('later');"
    own = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    sources = ("import torch\nfrom kdlab import plots", draw, draw, draw + save, draw + save + change, own)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(Path(__file__).parent)}}
    ).execute()
    shown = [[b64decode(o.data["image/png"]) for o in cell.outputs] for cell in notebook.cells]
    assert [len(pictures) for pictures in shown] == [0, 1, 1, 1, 1, 1]
    assert shown[3] == [(tmp_path / "saved.png").read_bytes()] != shown[4] != shown[2]


def test_committed_figures_are_not_replaced_by_a_readers_own(tmp_path, monkeypatch):
    monkeypatch.delenv("KDLAB_FIGURES", raising=False)
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    plots.save(plots.plot_comparison(GROUPS), "tour_comparison")
    assert (tmp_path / "figures" / "tour_comparison.png").is_file()
