"""SS-KD: the ramp of alpha, early stopping that restores the best weights, and what the released script does."""

import itertools

import pytest
import torch
from killing import Kill
from making import TINY, config_of, make

import kdlab
from kdlab import Config, Error
from kdlab.core.schedules import ramp_up
from kdlab.engine import store, train

RELEASED = {"start": 0.1, "end": 0.9, "warmup": 5 / 30, "ramp": 16 / 30}


def test_the_released_values_of_alpha():
    method, _ = make("scheduled_kd", epochs=30)
    alphas = [method.alpha(epoch / 30) for epoch in range(30)]
    expected = [0.0] * 5 + [0.1 + 0.05 * (e - 5) for e in range(5, 21)] + [0.9] * 9
    assert alphas == pytest.approx(expected)
    assert method.alpha(6.99 / 30) == pytest.approx(0.15), "constant within an epoch"
    assert method.factors(10 / 30) == pytest.approx({"ce": 0.65, "kd": 0.35})


def test_a_ramp_that_never_ends_is_refused():
    with pytest.raises(Error, match="together they are at most 1"):
        make("scheduled_kd", warmup=0.5, ramp=0.6)


def test_patience_needs_validation_images(runs):
    for share in (0.0, 0.003):
        with pytest.raises(Error, match=f"validation={share} of them leaves none"):
            kdlab.run(Config(**TINY, patience=3, validation=share))
    assert not list(runs.iterdir())


@pytest.mark.parametrize("curve", ["linear", "cosine", "step"])
def test_ramps(curve):
    values = [ramp_up(e / 300, **RELEASED, curve=curve) for e in range(301)]
    inside = values[50:]
    assert not any(values[:50]) and inside[0] == pytest.approx(0.1) and inside[160] == pytest.approx(0.9)
    assert inside == sorted(inside) and inside[-1] == 0.9
    middle = ramp_up(13 / 30, **RELEASED, curve=curve)
    assert middle == pytest.approx(0.1 if curve == "step" else 0.5)


def test_alpha_0_is_cross_entropy():
    method, batch = make("scheduled_kd", start=0.0, end=0.0)
    loss, terms = method(batch, 0.9)
    assert loss.item() == pytest.approx(terms["ce"].item(), rel=1e-6)


def test_as_released_the_student_trains_in_eval_mode_from_the_second_epoch():
    method, batch = make("scheduled_kd", as_released=True, epochs=4)
    mean = method.model.stem[1].running_mean
    method.train().terms(batch, 0.0)
    first = mean.clone()
    method.train().terms(batch, 0.25)
    assert first.any() and torch.equal(mean, first) and not method.model.training
    clean, batch = make("scheduled_kd", epochs=4)
    clean.train().terms(batch, 0.25)
    assert clean.model.training and clean.model.stem[1].running_mean.any()


def test_early_stopping_waits_for_the_end_of_the_ramp():
    method, _ = make("scheduled_kd", epochs=30)
    assert not method.may_stop(20 / 30) and method.may_stop(21 / 30)
    assert make("scheduled_kd", epochs=30, as_released=True)[0].may_stop(1 / 30)


# Early stopping


def scored(monkeypatch, scores):
    """Let validation give these scores, and return the list of the weights it has seen."""
    states, following = [], itertools.chain(scores, itertools.repeat(0.0))

    def score(setup, part, names):
        if part == "val":
            states.append({name: tensor.clone() for name, tensor in setup.method.model.state_dict().items()})
        return {f"{part}/accuracy": next(following) if part == "val" else 50.0}

    monkeypatch.setattr(train, "evaluate", score)
    return states


PATIENT = Config(**{**TINY, "epochs": 20}, patience=3)


def test_stops_after_patience_and_restores_the_best(runs, monkeypatch):
    states = scored(monkeypatch, [10, 30, 20, 30, 25, 99])
    result = kdlab.run(PATIENT)
    assert (result["epochs"], result["best_epoch"], len(result.log())) == (5, 2, 5), "equal is not better"
    weights = result.network().state_dict()
    assert all(torch.equal(weights[name], states[1][name]) for name in weights)
    assert result["images_seen"] == 5 * 2 * 8 and result["selected_on"] == "val/accuracy"
    assert max(result.log()["val/accuracy"]) == 30


def test_without_a_stop_the_best_is_restored_too(runs, monkeypatch):
    states = scored(monkeypatch, [10, 30, 20])
    result = kdlab.run(PATIENT.replace(epochs=3))
    weights = result.network().state_dict()
    assert result["best_epoch"] == 2 and all(torch.equal(weights[name], states[1][name]) for name in weights)


def test_what_is_kept_beside_the_network_is_of_the_best_epoch_too(runs, monkeypatch):
    config = config_of("lsskd", patience=5, epochs=3)
    short = kdlab.run(config.replace(epochs=1, patience=None, schedule="constant", warmup=0)).parts()["branches"]
    scored(monkeypatch, [30, 20, 10])
    long = kdlab.run(config.replace(schedule="constant", warmup=0, hp={"schedule": "constant"}))
    assert long["best_epoch"] == 1 and long["epochs"] == 3
    branches = long.parts()["branches"]
    same = [torch.equal(a, b) for a, b in zip(branches.state_dict().values(), short.state_dict().values(), strict=True)]
    assert all(same), "one epoch at a constant rate is the first of three"


@pytest.mark.parametrize("moment", ["log", "save"])
@pytest.mark.parametrize("epoch", [1, 2, 4, 5])
def test_continuation_remembers_the_best(epoch, moment, runs, monkeypatch):
    scores = [10, 30, 20, 30, 25]
    with monkeypatch.context() as patch:
        states = scored(patch, scores)
        patch.setenv("KDLAB_RUNS", str(runs / "cut"))
        original = getattr(store.RunFolder, moment)

        def die(self, value):
            original(self, value)
            if value["epoch"] == epoch:
                raise Kill

        patch.setattr(store.RunFolder, moment, die)
        with pytest.raises(Kill):
            kdlab.run(PATIENT)
    done = epoch if moment == "save" else epoch - 1
    again = scored(monkeypatch, scores[done:])
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "cut"))
    result = kdlab.run(PATIENT)
    best = (states[:done] + again)[1]
    weights = result.network().state_dict()
    assert (result["epochs"], result["best_epoch"]) == (5, 2)
    assert all(torch.equal(weights[name], best[name]) for name in weights)


def test_selection_on_the_test_set_is_told(runs, monkeypatch):
    result = kdlab.run(PATIENT.replace(select="test", validation=0, epochs=2))
    assert result["selected_on"] == "test/accuracy"
    assert "test/accuracy" in result.log() and "val/accuracy" not in result.log()
