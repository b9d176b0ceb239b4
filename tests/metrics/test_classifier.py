"""Right and wrong by class: counts, names that collide, what a result tells on request and evidence does not."""

import json
from dataclasses import replace

import pytest
import torch
from making import TINY, config_of

import kdlab
from kdlab import DATASETS, Config, Error, metrics
from kdlab.data import load
from kdlab.studies.evidence import row


def test_confusion_by_hand():
    logits, y = torch.eye(3)[[0, 1, 1, 2, 0]], torch.tensor([0, 1, 2, 2, 1])
    assert metrics.confusion(logits, y).tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_confusion_holds_accuracy_and_the_size_of_each_class():
    draw = torch.Generator().manual_seed(0)
    logits, y = torch.randn(400, 7, generator=draw), torch.randint(7, (400,), generator=draw)
    counts = metrics.confusion(logits, y)
    assert counts.sum(1).tolist() == y.bincount().tolist() and counts.dtype == torch.int64
    assert 100 * counts.diag().sum().item() / 400 == pytest.approx(metrics.accuracy(logits, y))


@pytest.mark.parametrize(
    "classes, names",
    [
        (("cat", "dog"), ["cat", "dog"]),
        (("crane", "dog", "crane"), ["crane (0)", "dog", "crane (2)"]),
        (("a", "a", "a (0)"), ["a (0) (0)", "a (1)", "a (0) (2)"]),
    ],
)
def test_names_become_keys(classes, names):
    assert metrics.distinct(classes) == names


def test_a_stored_result_tells_of_classes_on_request_only(runs):
    config = config_of("kd")
    kdlab.run(config)
    result = kdlab.run(config)
    assert not [column for column in result.metrics if "per_class" in column]
    before, table = row("taught", result), result.confusion()
    by_class = result["test/per_class"]
    assert list(by_class) == list(load("digits").classes) == list(table.index) == list(table.columns)
    counts = torch.tensor(table.to_numpy())
    assert counts.sum(1).tolist() == load("digits").test_y.bincount().tolist()
    assert list(by_class.values()) == pytest.approx((100 * counts.diag() / counts.sum(1)).tolist(), abs=1e-3)
    assert 100 * counts.diag().sum().item() / counts.sum().item() == pytest.approx(result["test/accuracy"], abs=1e-3)
    assert result["test/per_class/3"] == by_class["3"] and result.confusion("val").to_numpy().sum() == 120
    assert row("taught", result) == before, "tens of columns are no evidence"
    stored = json.loads((result.folder / "result.json").read_text())
    assert not [column for column in stored if "per_class" in column], "nor do they make a stored result long"
    result["test/knn"]
    assert row("taught", result) == {**before, "test/knn": result["test/knn"]}


def test_a_class_without_images_has_no_accuracy_and_slashes_are_part_of_a_name(runs, monkeypatch):
    images = load("digits")
    kept = images.test_y != 4
    names = ("tie/bow", "tie", *images.classes[2:9], "tie")
    few = replace(images, classes=names, test_x=images.test_x[kept], test_y=images.test_y[kept])
    load.cache_clear()
    monkeypatch.setitem(DATASETS, "odd", lambda: few)
    result = kdlab.run(Config(**TINY, dataset="odd"))
    said = ["tie/bow", "tie (1)", "2", "3", "5", "6", "7", "8", "tie (9)"]
    assert 0 <= result["test/per_class/tie/bow"] <= 100 and list(result["test/per_class"]) == said
    assert result.confusion().sum(axis=1)["4"] == 0
    with pytest.raises(Error, match=r"test/per_class/4 cannot be measured on .*: per_class gave no such number"):
        result["test/per_class/4"]
    load.cache_clear()


def test_confusion_needs_a_classifier_and_images(runs):
    with pytest.raises(Error, match="test confusion cannot be measured on .*of method 'simclr' there are knn"):
        kdlab.run(config_of("simclr")).confusion()
    bare = kdlab.run(Config(**TINY, validation=0.0))
    with pytest.raises(Error, match="val confusion cannot be measured on .*the run has no val images"):
        bare.confusion("val")
    with pytest.raises(Error, match="unknown part 'tset': did you mean 'test'"):
        bare.confusion("tset")
    with pytest.raises(Error, match=r"patience cannot watch per_class, which is not one finite number"):
        kdlab.run(Config(**TINY, patience=2, monitor="per_class"))
