"""Frozen features on another data set: who is drawn, what is seen, heads, tables, mistakes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from making import TINY, config_of

import kdlab
from kdlab import DATASETS, Config, Error, Question, Study, metrics, transfer
from kdlab.data import ImageSet, load
from kdlab.engine.report import interval
from kdlab.engine.transfer import transfer_scores


def patterns(channels=1, classes=("upright", "lying", "flat"), unlabelled=0, each=20):
    """Stripes of two directions and none, in noise: 12 x 12 pixels."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(3 * each + 30) % 3
    lines = (torch.arange(12) % 4 // 2 * 160).expand(12, 12)
    plain = torch.stack([lines, lines.T, torch.full((12, 12), 80)])[y]
    x = (plain + torch.randint(0, 90, plain.shape, generator=draw)).to(torch.uint8)
    x = x[:, None].expand(-1, channels, -1, -1).contiguous()
    train_y = y[: 3 * each].clone()
    train_y[:unlabelled] = -1
    return ImageSet("patterns", classes, x[: 3 * each], train_y, x[3 * each :], y[3 * each :], style="digits")


@pytest.fixture
def other(monkeypatch):
    """Register a data set for a test: other(images) -> its name."""

    def register(images):
        load.cache_clear()
        monkeypatch.setitem(DATASETS, "patterns", lambda: images)
        return "patterns"

    yield register
    load.cache_clear()


@pytest.fixture
def result(runs):
    return kdlab.run(Config(**{**TINY, "epochs": 8}))


# Heads


def test_nearest_centroid_by_hand():
    train, y = torch.tensor([[1.0, 0], [3, 1], [0, 2], [0, 8]]), torch.tensor([4, 4, 1, 1])
    queries = torch.tensor([[5.0, 1], [0.1, 9], [0.5, 0.6]])
    assert metrics.nearest_centroid(train, y, queries).tolist() == [4, 1, 1]
    assert metrics.nearest_centroid(100 * train, y, queries).tolist() == [4, 1, 1], "length does not count"


# Draws


def test_features_are_those_of_the_frozen_network_at_its_own_size_and_normalisation(result, other):
    images = patterns()
    name, own = other(images), load("digits")
    setup = result.setup()
    see = lambda x: metrics.extract(setup.method.model, x, setup.normalise).pooled
    small = images.resized(8)
    guess = metrics.nearest_centroid(see(small.train_x), small.train_y, see(small.test_x))
    expected = 100 * (guess == small.test_y).double().mean().item()
    assert transfer_scores(result, name, shots=None, head="centroid") == [pytest.approx(expected)]
    assert setup.normalise.mean.flatten().tolist() == pytest.approx(list(own.mean), abs=1e-6), "that of the digits"
    probe = metrics.linear_probe(see(small.train_x), small.train_y, see(small.train_x[:0]), small.train_y[:0])
    expected = 100 * probe.score(see(small.test_x).numpy(), small.test_y.numpy())
    assert transfer_scores(result, name, shots=None) == [pytest.approx(expected)]
    assert transfer_scores(result, name, size=12, shots=None) != transfer_scores(result, name, shots=None)


def test_draws_are_shots_of_each_class_nested_and_by_seed(result, other, monkeypatch):
    images, calls = patterns(unlabelled=7), []
    name = other(images)
    own = lambda train, y, queries: calls.append((train, y)) or torch.zeros(len(queries), dtype=torch.long)
    monkeypatch.setitem(kdlab.engine.transfer.HEADS, "own", own)
    for shots in (2, 5, None):
        transfer_scores(result, name, shots=shots, seeds=[0, 1], head="own")
    (a, y), (b, _), (more, more_y), _, (everything, every_y) = calls
    assert y.bincount().tolist() == [2, 2, 2] and more_y.bincount().tolist() == [5, 5, 5] and not torch.equal(a, b)
    assert len(everything) == 53 and (every_y >= 0).all(), "images without a label teach nothing"
    assert (torch.cdist(a, more).min(1).values < 1e-4).all(), "two shots are among five"


# Tables


def test_a_row_a_network_with_its_interval_over_draws(result, other):
    name, untrained = other(patterns()), kdlab.run(Config(**{**TINY, "epochs": 0}))
    scores = transfer_scores(result, name, shots=3, seeds=range(4))
    frame = transfer({"trained": result, "untrained": untrained}, name, shots=3, seeds=range(4), baseline="untrained")
    assert tuple(frame.loc["trained"][["mean", "± 95 %"]]) == pytest.approx(interval(scores)) and len(set(scores)) > 1
    others = transfer_scores(untrained, name, shots=3, seeds=range(4))
    paired = interval([a - b for a, b in zip(scores, others, strict=True)])
    assert tuple(frame.loc["trained"][["minus untrained", "± 95 % "]]) == pytest.approx(paired)
    alone = transfer(result, name, shots=3, seeds=range(4))
    assert list(alone.index) == [result.folder.name] and alone.n.item() == 4
    assert transfer(result, name, shots=None).n.item() == 1


def test_methods_without_a_classifier_are_judged_too(runs, other):
    assert 0 <= transfer(kdlab.run(config_of("simclr")), other(patterns()), seeds=[0, 1])["mean"].item() <= 100


# Columns of a study


def test_a_study_has_columns_of_other_data_sets_computed_once(runs, other, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(runs / "figures"))
    untrained = {**TINY, "epochs": 0}
    name, systems = other(patterns()), {"a": Config(**untrained), "b": Config(**untrained, model="resnet8")}
    question = Question("Is b worth more elsewhere?", "b", "a", f"transfer/{name}")
    study = Study("there", "?", systems, [question], seeds=[0], transfers=(name,))
    results = study.run()
    expected = {s: round(transfer_scores(r, name, shots=None)[0], 4) for s, (r,) in results.items()}
    assert study.metric == f"transfer/{name}" and study.scores().loc[0].to_dict() == expected and question.sign == 1
    assert study.answers().difference.item() == pytest.approx(expected["b"] - expected["a"])
    monkeypatch.setattr("kdlab.studies.evidence.transfer_scores", None)
    study.run()
    assert study.scores().loc[0].to_dict() == expected and not Study("there", "?", systems).transfers


def test_a_data_set_that_is_not_there_is_refused_before_anything_trains(runs):
    study = Study("there", "?", {"a": Config(**TINY)}, transfers=("folder:nowhere",))
    with pytest.raises(Error, match="nowhere"):
        study.run([0])
    assert not list(runs.glob("*/"))
    with pytest.raises(Error, match="unknown data set 'stl': did you mean 'stl10'"):
        Question("?", "a", "b", "transfer/stl")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"shots": 0}, "shots=0: give a number of images a class"),
        ({"shots": 0.1}, "shots=0.1: give a number of images a class"),
        ({"shots": 21}, "shots=21: class upright of patterns has 20 labelled training images"),
        ({"seeds": 3}, r"seeds=3: give several, such as range\(10\)"),
        ({"seeds": []}, r"seeds=\[\]: give several"),
        ({"seeds": [1, 1]}, r"seeds=\[1, 1\] holds a draw twice"),
        ({"head": "logistics"}, "unknown head 'logistics': did you mean 'logistic'"),
        ({"dataset": "paterns"}, "unknown data set 'paterns': did you mean 'patterns'"),
        ({"size": 4}, "size=4: must be at least 8"),
        ({"baseline": "b"}, "unknown network 'b'"),
        ({"results": "kd"}, "'kd' is no Result: give run"),
        ({"results": {"a": ["kd"]}}, "no Result: give run"),
    ],
)
def test_mistakes_are_one_sentence(fields, message, result, other):
    with pytest.raises(Error, match=message):
        transfer(**{"results": result, "dataset": other(patterns()), **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"size": torch.tensor(8)},
        {"size": np.array(8)},
        {"size": 8.0},
        {"seeds": torch.arange(1)},
    ],
)
def test_numbers_of_numpy_and_torch(fields, result):
    try:
        table = transfer(result, "digits", **{"seeds": [0], **fields})
    except Exception as error:
        pytest.fail(f"{error!r:.300}")
    assert table.equals(transfer(result, "digits", seeds=[0]))


@pytest.mark.parametrize("fields", [{"seeds": torch.tensor(3)}, {"seeds": [[1]]}, {"size": 0}, {"head": ["logistic"]}])
def test_other_values_are_refused(fields, result):
    try:
        outcome = transfer(result, "digits", **fields)
    except Exception as error:
        outcome = error
    assert isinstance(outcome, Error)


def test_channels_must_be_the_networks(result, other):
    with pytest.raises(Error, match="the network sees 1 channels and patterns has 3: they must be the same"):
        transfer(result, other(patterns(channels=3)))


def test_an_oblong_network_needs_a_size(runs, other):
    square = patterns()
    name = other(replace(square, train_x=square.train_x[..., :10], test_x=square.test_x[..., :10]))
    oblong = kdlab.run(Config(**TINY, dataset=name))
    with pytest.raises(Error, match="trained on images of 12 x 10 pixels: give size="):
        transfer(oblong, "digits")
    assert len(transfer(oblong, "digits", size=8, seeds=[0, 1])) == 1
