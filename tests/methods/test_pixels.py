"""The control `pixels`: no network, the package's own kNN and logistic regression, the better one by validation."""

from dataclasses import replace

import pytest
import torch
from making import TINY

import kdlab
from kdlab import Config, Error
from kdlab.data import Normalise, load, split
from kdlab.engine.identity import hash_of, identity
from kdlab.experiment.setup import chain_images
from kdlab.metrics.probes import OF_PIXELS, knn, linear_probe


def by_hand(labels, seed):
    """{(classifier, part): accuracy} straight from the images of a split."""
    images = load("digits")
    data, normalise = split(images, labels, 0.1, seed), Normalise(images.mean, images.std)
    x, y = normalise(data.x[data.labelled]).flatten(1), data.y[data.labelled]
    parts = {"val": (data.val_x, data.val_y), "test": (images.test_x, images.test_y)}
    parts = {part: (normalise(images).flatten(1), truth) for part, (images, truth) in parts.items()}
    probe = linear_probe(x, y, *parts["val"], OF_PIXELS)
    scores = {}
    for part, (queries, truth) in parts.items():
        scores["knn", part] = 100 * (knn(x, y, queries) == truth).double().mean().item()
        scores["probe", part] = 100 * float(probe.score(queries.numpy(), truth.numpy()))
    return scores


@pytest.mark.parametrize("labels, seed", [(20, 0), (20, 1), (100, 3)])
def test_its_numbers_are_those_of_knn_and_logistic_regression_on_normalised_pixels(labels, seed, runs):
    result, scores = kdlab.run(Config(method="pixels", labels=labels, seed=seed)), by_hand(labels, seed)
    for (name, part), score in scores.items():
        assert result[f"{part}/{name}"] == pytest.approx(score, abs=1e-3)
    better = "probe" if scores["probe", "val"] > scores["knn", "val"] else "knn"
    assert result["test/accuracy"] == pytest.approx(scores[better, "test"], abs=1e-3)
    assert (result["epochs"], result["images_seen"]) == (0, 0)


def test_both_are_chosen_somewhere():
    scores = [by_hand(20, seed) for seed in range(6)]
    assert len({each["probe", "val"] > each["knn", "val"] for each in scores}) == 2


def test_without_validation_images_it_is_knn(runs):
    result = kdlab.run(Config(method="pixels", labels=20, validation=0))
    assert result["test/accuracy"] == result["test/knn"] and "val/accuracy" not in result.metrics


def test_colours_are_pixels_too(runs):
    images = load("digits", 12)
    three = replace(images, **{name: getattr(images, name).expand(-1, 3, -1, -1) for name in ("train_x", "test_x")})
    setup = kdlab.assemble(Config(method="pixels", labels=20, size=12), {("digits", 12): three})
    assert setup.features("test").pooled.shape == (len(images.test_y), 3 * 12 * 12)


def test_its_features_are_the_normalised_pixels(runs):
    result = kdlab.run(Config(method="pixels", labels=20))
    network, images = result.network(), result.images
    x = Normalise(images.mean, images.std)(images.test_x[:5])
    features = network.features(x)
    assert torch.equal(features.pooled, x.flatten(1)) and not features.logits.any()
    assert torch.equal(result.setup().features("test").pooled[:5], features.pooled)


def test_only_images_and_labels_make_another_run():
    config = Config(method="pixels", labels=20)
    same = Config(
        **{**TINY, "labels": 20, "model": "resnet8", "lr": 0.5, "patience": 1, "augment": "none"}, method="pixels"
    )
    assert same == config and config.epochs == 0 and same.replace(epochs=9) == config
    hashes = {
        hash_of(identity(config.replace(**fields), chain_images(config)))
        for fields in ({}, {"lr": 0.1}, {"labels": 21}, {"seed": 1}, {"noise": 0.2}, {"validation": 0.2})
    }
    assert len(hashes) == 5


def test_an_edited_classifier_makes_another_run(monkeypatch):
    config = Config(method="pixels", labels=20)
    before = identity(config, chain_images(config)), identity(Config(labels=20), chain_images(config))
    monkeypatch.setattr("kdlab.metrics.probes.linear_probe", lambda *parts: None)
    after = identity(config, chain_images(config)), identity(Config(labels=20), chain_images(config))
    assert before[0] != after[0] and before[1] == after[1]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"init": Config(labels=20)}, "method 'pixels' trains nothing and starts from no weights: leave init out"),
        ({"teacher": Config(labels=20)}, "method 'pixels' uses no teacher"),
        ({"weights": {"ce": 1}}, "Pixels trains nothing, and has no loss terms: leave weights out"),
        ({"hp": {"k": 5}}, "unknown hyper-parameter"),
        ({"lr": -1}, "lr"),
    ],
)
def test_what_it_cannot_do_is_refused(fields, message):
    with pytest.raises(Error, match=message):
        Config(method="pixels", labels=20, **fields)


def test_it_teaches_nobody():
    with pytest.raises(Error, match="'pixels' leaves the teacher's classifier untrained"):
        Config(method="kd", labels=20, teacher=Config(method="pixels", labels=20))
