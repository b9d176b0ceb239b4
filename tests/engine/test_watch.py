"""Watching a run shows the bits that it trained and changes nothing; assembling it writes nothing."""

from dataclasses import replace

import pytest
import torch
from making import TRAINED, config_of

import kdlab
from kdlab import METHODS, Config, Error, assemble, run, watch
from kdlab.engine import store
from kdlab.experiment import setup as room

TEACHER = Config(model="litenet_dsc", width=0.125, size=8, labels=20, epochs=1, steps=2)
STUDENT = TEACHER.replace(method="litenet_ssd", teacher=TEACHER, epochs=3, batch=10)


def weights(setup):
    assert not setup.method.training and not torch.is_grad_enabled()
    assert len(setup.data.truth) == len(setup.data.x) and setup.config.method == "litenet_ssd"
    return {name: tensor.clone() for name, tensor in setup.method.model.state_dict().items()}


def test_the_last_look_is_at_the_weights_of_the_run(runs):
    states = watch(STUDENT, weights)
    assert len(states) == 4 and [p.name for p in runs.iterdir() if "litenet_ssd" in p.name] == []
    stored = run(STUDENT).network().state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in states[-1].items())
    assert any(not torch.equal(states[0][name], tensor) for name, tensor in states[-1].items())


def test_early_stopping_does_not_shorten_it(runs):
    assert len(watch(TEACHER.replace(epochs=4, patience=1, evaluate_every=2), lambda setup: None)) == 5


def states(setup):
    assert not setup.method.training and not torch.is_grad_enabled()
    assert all(p.grad is None for p in setup.method.parameters())
    return {name: tensor.clone() for name, tensor in setup.method.state_dict().items()}


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a
    )


@pytest.mark.parametrize("key", ["litenet_ssd", "moco", "lsskd", "crd"])  # adapters, a queue, tables
def test_a_run_looks_the_same_before_and_after_it_is_stored(key, runs):
    config = config_of(key, epochs=2)
    first = watch(config, states)
    run(config)
    assert same(first, watch(config, states)) and not same(first[:1], first[-1:])


def test_a_look_that_changes_a_method_changes_no_later_look(runs):
    def spoil(setup):
        for parameter in setup.method.parameters():
            parameter.mul_(2)

    first = watch(STUDENT, states)
    watch(STUDENT, spoil)
    assert same(first, watch(STUDENT, states))


def test_an_untrained_network_is_looked_at_once(runs):
    assert len(watch(TEACHER.replace(epochs=0), states)) == 1


# What it is made from


@pytest.mark.parametrize("key", TRAINED)
def test_every_method_is_put_together_without_a_run_folder(key, runs):
    config = config_of(key)
    setup = assemble(config)
    assert not list(runs.iterdir()) and setup.config == config and type(setup.method) is METHODS[key]
    assert set(setup.nested) == {role for role in ("teacher", "init") if getattr(config, role)}
    loss, terms = setup.method(next(setup.batches.epoch(0, 0)), 0.0)
    assert loss.isfinite() and set(terms) == set(setup.method.weights)


def test_a_chain_is_assembled_once_and_its_images_loaded_once(runs, monkeypatch):
    config = config_of("hsakd")  # a student of branches on a trained network: three stages
    assert [c.method for c in config.chain()] == ["hsakd", "hsakd_branches", "supervised"]
    assembled, loaded, original = [], [], room._assemble
    monkeypatch.setattr(room, "_assemble", lambda config, *a: assembled.append(config) or original(config, *a))
    load = room.load
    monkeypatch.setattr(room, "load", lambda *a: loaded.append(a) or load(*a))
    run(config)
    assert sorted(c.method for c in assembled) == ["hsakd", "hsakd_branches", "supervised"]
    assert set(loaded) == {("digits", None)} and len(loaded) == 1


@pytest.mark.parametrize("fresh", [False, True])
def test_a_chain_of_three_makes_three_identities_and_three_digests_of_other_code(fresh, runs, monkeypatch):
    calls = []
    for name in ("identity", "far_code"):
        original = getattr(store, name)
        monkeypatch.setattr(store, name, lambda *a, n=name, o=original: calls.append(n) or o(*a))
    run(config_of("hsakd"), fresh=fresh)
    assert sorted(calls) == 3 * ["far_code"] + 3 * ["identity"]


def test_stages_of_one_chain_share_their_split():
    setup = assemble(STUDENT)
    assert setup.data is setup.nested["teacher"].data and setup.images is setup.nested["teacher"].images
    assert setup.method.teacher is setup.nested["teacher"].method.model


def test_images_of_ones_own():
    images = kdlab.data.load("digits")
    half = replace(images, train_x=images.train_x[:600], train_y=images.train_y[:600], mean=())
    setup = assemble(TEACHER, {("digits", 8): half})
    assert len(setup.data.x) == 540 and setup.images.mean != images.mean


def test_parts_of_the_data():
    setup = assemble(TEACHER)
    assert [len(setup.part(part)[1]) for part in ("train", "val", "test")] == [20, 120, 597]
    assert (setup.part("train")[1] >= 0).all() and setup.features("val").logits.shape == (120, 10)
    with pytest.raises(kdlab.Error, match="unknown part 'valid': did you mean 'val'"):
        setup.part("valid")


def test_a_monitor_that_cannot_work_is_refused_before_a_stage_trains(runs):
    teacher = TEACHER.replace(monitor="std", patience=1)
    with pytest.raises(Error, match="monitor='std' cannot be measured on method 'supervised'"):
        watch(STUDENT.replace(teacher=teacher.replace(init=TEACHER)), weights)
    assert not runs.exists() or not list(runs.iterdir())
