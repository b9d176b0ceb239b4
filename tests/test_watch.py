"""Watching a run trains the same bits again and changes nothing; assembling it writes nothing."""

from dataclasses import replace

import pytest
import torch
from making import config_of

import kdlab
from kdlab import METHODS, Config, assemble, run, watch
from kdlab.engine import assemble as room
from kdlab.engine import recent, store

TEACHER = Config(model="litenet_dsc", width=0.125, size=8, labels=20, epochs=1, steps=2)
STUDENT = TEACHER.replace(method="litenet_ssd", teacher=TEACHER, epochs=3, batch=10)


def weights(setup):
    assert not setup.method.training and not torch.is_grad_enabled()
    assert len(setup.data.truth) == len(setup.data.x) and setup.config.method == "litenet_ssd"
    return {name: tensor.clone() for name, tensor in setup.method.model.state_dict().items()}


def test_the_last_look_is_at_the_weights_of_the_run(runs):
    seen = watch(STUDENT, weights)
    assert len(seen) == 4 and [p.name for p in runs.iterdir() if "litenet_ssd" in p.name] == []
    stored = run(STUDENT).network().state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in seen[-1].items())
    assert any(not torch.equal(seen[0][name], tensor) for name, tensor in seen[-1].items())


def test_early_stopping_does_not_shorten_it(runs):
    assert len(watch(TEACHER.replace(epochs=4, patience=1, evaluate_every=2), lambda setup: None)) == 5


def states(setup):
    return {name: tensor.clone() for name, tensor in setup.method.state_dict().items()}


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a
    )


@pytest.mark.parametrize("before", [run, lambda config: watch(config, states)], ids=["run", "watch"])
@pytest.mark.parametrize("key", ["litenet_ssd", "moco", "lsskd", "crd"])  # adapters, a queue, tables
def test_what_this_process_has_trained_is_looked_at_and_not_trained_again(key, before, runs, monkeypatch):
    config = config_of(key, epochs=3)
    trained = watch(config, states)
    recent._kept.clear()
    before(config)
    monkeypatch.setattr("kdlab.engine.watch.fit", None)
    assert same(trained, watch(config, states)) and not same(trained[:1], trained[-1:])


def test_what_went_on_from_a_checkpoint_is_trained_for_a_look(runs, monkeypatch):
    def interrupt(epoch, setup):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr("kdlab.engine.experiment.track", lambda epoch, setup: interrupt(0, 0) if epoch == 2 else {})
    config = STUDENT.replace(track_test=True)
    with pytest.raises(KeyboardInterrupt):
        run(config)
    monkeypatch.undo()
    monkeypatch.setenv("KDLAB_RUNS", str(runs))
    run(config)
    monkeypatch.setattr("kdlab.engine.watch.fit", None)
    with pytest.raises(TypeError):
        watch(config, states)


def test_what_is_kept_has_a_limit(runs, monkeypatch):
    run(STUDENT)
    size = next(reversed(recent._kept.values()))[1]
    monkeypatch.setattr(recent, "LIMIT", size)
    other = run(STUDENT.replace(lr=1e-3))
    assert list(recent._kept) == [other.folder], "the older one goes"
    monkeypatch.setattr(recent, "LIMIT", size // 2)
    run(STUDENT.replace(lr=4e-3))
    assert list(recent._kept) == [other.folder], "larger than all that may be kept"


# What it is made from


@pytest.mark.parametrize("key", METHODS)
def test_every_method_is_put_together_without_a_run_folder(key, runs):
    config = config_of(key)
    setup = assemble(config)
    assert not list(runs.iterdir()) and setup.config == config and type(setup.method) is METHODS[key]
    assert set(setup.stages) == {role for role in ("teacher", "init") if getattr(config, role)}
    loss, terms = setup.method(next(setup.batches.epoch(0, 0)), 0.0)
    assert loss.isfinite() and set(terms) == set(setup.method.weights)


def test_a_chain_is_assembled_once_and_its_images_loaded_once(runs, monkeypatch):
    config = config_of("hsakd")  # a student of branches on a trained network: three stages
    assert [c.method for c in room.chain(config)] == ["hsakd", "hsakd_branches", "supervised"]
    assembled, loaded, original = [], [], room._assemble
    monkeypatch.setattr(room, "_assemble", lambda config, *a: assembled.append(config) or original(config, *a))
    load = room.load
    monkeypatch.setattr(room, "load", lambda *a: loaded.append(a) or load(*a))
    run(config)
    assert sorted(c.method for c in assembled) == ["hsakd", "hsakd_branches", "supervised"]
    assert set(loaded) == {("digits", None)} and len(loaded) == 1


def test_stages_of_one_chain_share_their_split():
    setup = assemble(STUDENT)
    assert setup.data is setup.stages["teacher"].data and setup.images is setup.stages["teacher"].images
    assert setup.method.teacher is setup.stages["teacher"].method.model


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
