"""Watching a run shows the bits that it trained and changes nothing; assembling it writes nothing."""

from dataclasses import replace

import pytest
import torch
from making import config_of

import kdlab
from kdlab import METHODS, Config, assemble, run, watch
from kdlab.engine import recent, store
from kdlab.experiment import assemble as room

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


# What this process has trained


@pytest.fixture(autouse=True)
def nothing_kept():
    recent._kept.clear()


class TrainedAgainError(Exception):
    """A look has trained."""


def refuse(*given):
    raise TrainedAgainError


def kept_folders():
    return [key[0].name for key in recent._kept]


def states(setup):
    assert not setup.method.training and not torch.is_grad_enabled()
    assert all(p.grad is None for p in setup.method.parameters())
    return {name: tensor.clone() for name, tensor in setup.method.state_dict().items()}


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a[name], b[name]) for a, b in zip(one, other, strict=True) for name in a
    )


@pytest.mark.parametrize("key", ["litenet_ssd", "moco", "lsskd", "crd"])  # adapters, a queue, tables
def test_what_was_run_is_looked_at_and_not_trained_again(key, runs, monkeypatch):
    config = config_of(key, epochs=3)
    trained = watch(config, states)
    assert all(f"-{key}-" not in folder for folder in kept_folders()), "a look may change what it sees"
    run(config)
    monkeypatch.setattr("kdlab.engine.watch.fit", refuse)
    assert same(trained, watch(config, states)) and not same(trained[:1], trained[-1:])


def test_a_look_that_changes_a_method_changes_no_later_look(runs, monkeypatch):
    def spoil(setup):
        for parameter in setup.method.parameters():
            parameter.mul_(2)

    run(STUDENT)
    first = watch(STUDENT, states)
    watch(STUDENT, spoil)
    assert same(first, watch(STUDENT, states))


@pytest.mark.parametrize("changed", ["code", "early stopping", "fresh"])
def test_what_is_no_longer_as_it_was_is_trained_for_a_look(changed, runs, monkeypatch):
    config = TEACHER.replace(epochs=4, patience=1 if changed == "early stopping" else None)
    run(config)
    monkeypatch.setattr("kdlab.engine.watch.fit", refuse)
    if changed == "code":
        monkeypatch.setattr(store, "far_code", lambda: {"models": "another"})
    if changed == "fresh":
        old = watch(config, states)
        recent._kept.clear()
        run(config, fresh=True)
        assert same(old, watch(config, states))
        return
    with pytest.raises(TrainedAgainError):
        watch(config, states)


def test_what_went_on_from_a_checkpoint_is_trained_for_a_look(runs, monkeypatch):
    def interrupt(epoch, setup):
        if epoch == 2:
            raise KeyboardInterrupt
        return {}

    config = STUDENT.replace(track_test=True)
    with monkeypatch.context() as then:
        then.setattr("kdlab.engine.run.track", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    run(config)
    monkeypatch.setattr("kdlab.engine.watch.fit", refuse)
    with pytest.raises(TrainedAgainError):
        watch(config, states)


def test_what_is_kept_has_a_limit(runs, monkeypatch):
    first = run(STUDENT)
    size = next(reversed(recent._kept.values()))[1]
    assert kept_folders()[-1] == first.folder.name
    monkeypatch.setattr(recent, "LIMIT", 2 * size)
    second = run(STUDENT.replace(lr=1e-3))
    third = run(STUDENT.replace(lr=4e-3))
    assert kept_folders()[-1] == third.folder.name and first.folder.name not in kept_folders(), "the oldest goes"
    for limit in (size - 1, size // 2, 0):
        monkeypatch.setattr(recent, "LIMIT", limit)
        run(STUDENT.replace(lr=4e-3), fresh=True)
        assert third.folder.name not in kept_folders(), "larger than all that may be kept"
    assert sum(kept for _, kept in recent._kept.values()) <= 2 * size and second


def test_a_module_with_a_state_that_is_no_tensor_trains(runs, monkeypatch):
    monkeypatch.setattr(torch.nn.BatchNorm2d, "get_extra_state", lambda self: {"any": "thing"}, raising=False)
    monkeypatch.setattr(torch.nn.BatchNorm2d, "set_extra_state", lambda self, state: None, raising=False)
    keep = recent.Recent(store.RunFolder(TEACHER, room.chain_images(TEACHER)), setup := assemble(TEACHER))
    assert keep(0, setup) == {} and keep(1, setup) == {} and not recent._kept


def test_an_untrained_network_is_looked_at_once(runs):
    assert len(watch(TEACHER.replace(epochs=0), states)) == 1


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
    assert [c.method for c in config.chain()] == ["hsakd", "hsakd_branches", "supervised"]
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
