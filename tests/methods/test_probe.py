"""The probe: logistic regression on frozen features, in place of epochs."""

import pytest
import torch
from killing import killed, outcome
from making import TINY, config_of

import kdlab
from kdlab import Config, Error
from kdlab.engine.identity import hash_of, identity
from kdlab.experiment.setup import assemble, chain_images
from kdlab.metrics.probes import linear_layer, linear_probe

SMALL = {**TINY, "model": "resnet8", "labels": 40}
PROBE = Config(method="probe", **SMALL)


def test_the_head_gives_the_logits_of_logistic_regression(runs):
    result = kdlab.run(PROBE.replace(hp={"C": 0.5}))
    setup = result.setup()
    x, y = setup.features("train").pooled, setup.part("train")[1]
    probe = linear_probe(x, y, x, y, strengths=(0.5,))
    for part in ("train", "test"):
        features = setup.features(part)
        theirs = torch.from_numpy(probe.decision_function(features.pooled.numpy())).double()
        torch.testing.assert_close(features.logits.double(), theirs, atol=1e-3, rtol=1e-3)
    (line,) = result.log().to_dict("records")
    expected = torch.nn.functional.cross_entropy(setup.features("train").logits, y).item()
    assert line["epoch"] == 1 and line["loss/ce"] == line["loss"] == pytest.approx(expected, abs=1e-5)
    assert line["val/accuracy"] == result["val/accuracy"]
    assert (result["epochs"], result["images_seen"], result["labels"]) == (1, 40, 40)


def test_less_penalty_fits_the_labels_better(runs):
    losses = [kdlab.run(PROBE.replace(hp={"C": C})).log().loss[0] for C in (1e-4, 1e-2, 1.0)]
    assert losses == sorted(losses, reverse=True)


def test_the_network_stays_that_of_init_and_its_head_is_the_only_thing_that_is_fitted(runs):
    init = Config(**{**SMALL, "method": "simclr", "batch": 16})
    before, after = (kdlab.run(each).network().state_dict() for each in (init, PROBE.replace(init=init)))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"head.weight", "head.bias"}
    assert assemble(PROBE).method.train().model.stem.training is False


def test_epochs_and_rates_change_nothing_and_no_epochs_leave_the_head_untrained(runs):
    states = [
        kdlab.run(PROBE.replace(**fields)).network().state_dict()
        for fields in ({}, {"epochs": 1, "lr": 0.5, "batch": 16, "optimizer": "sgd"}, {"epochs": 0})
    ]
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])
    assert kdlab.run(PROBE.replace(epochs=0))["images_seen"] == 0


def test_a_probe_that_is_killed_begins_anew_and_ends_bit_identical(runs, monkeypatch):
    weights, log, metrics = outcome(PROBE, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "again"))
    killed(PROBE, monkeypatch, 1, "log")
    again, log_again, metrics_again = outcome(PROBE, runs / "again", monkeypatch)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert log.equals(log_again) and metrics == metrics_again


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0, 2, 4, 2], [3, 3, 1, 1]])
def test_classes_without_labelled_images_are_never_the_answer(labels):
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor(labels)
    probe = linear_probe(x, y, x, y, strengths=(1.0,))
    weight, bias = linear_layer(probe, 5)
    logits = x @ weight.T + bias
    known = y.unique()
    theirs = torch.from_numpy(probe.predict_log_proba(x.numpy()))
    torch.testing.assert_close(logits[:, known].double().log_softmax(1), theirs.double(), atol=1e-4, rtol=1e-4)
    others = torch.ones(5, dtype=torch.bool).index_fill(0, known, False)
    assert (weight[others] == 0).all() and (logits[:, others] < logits[:, known].min() - 50).all()


def test_one_class_is_refused_in_a_sentence(runs):
    with pytest.raises(Error, match="a probe tells classes apart: give it labelled images of two or more"):
        kdlab.run(Config(method="probe", **{**SMALL, "labels": 10}, omit=tuple(range(1, 10))))


def test_code_that_fits_the_head_is_part_of_the_run(monkeypatch):
    before = identity(PROBE, chain_images(PROBE))
    assert "head" in before["code"] and "head" not in identity(config_of("kd"), chain_images(PROBE))["code"]
    monkeypatch.setattr("kdlab.engine.identity.HEAD", (linear_layer,))
    assert hash_of(identity(PROBE, chain_images(PROBE))) != hash_of(before)


def test_as_a_teacher_of_the_same_size_it_sees_the_views_of_its_student(runs):
    student = Config(method="kd", teacher=PROBE, **{**SMALL, "model": "litenet_dsc", "epochs": 1})
    setup = assemble(student)
    assert setup.method.teacher is setup.nested["teacher"].method.model
    assert kdlab.run(student)["epochs"] == 1
    assert len(assemble(student.replace(method="fitnet", weights={})).method.teacher.widths) == 3
