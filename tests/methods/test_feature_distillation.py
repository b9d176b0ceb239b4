"""SEED, CompRess and SimReg: queues, slow copies and heads; teachers of any method; what they log."""

import math
from dataclasses import replace

import pytest
import torch
from making import TINY, make
from torch import nn
from torch.nn.functional import normalize

import kdlab
from kdlab import METHODS, Config, Error, losses, metrics
from kdlab.data import load
from kdlab.methods.common.features import EpochMean
from kdlab.models import build

FEATURES = ("seed_kd", "compress", "simreg")


def step(method, batch):
    loss, _ = method(batch, 0.0)
    method.after_step(0.0)
    return loss.item()


# Queues


def test_a_queue_goes_round():
    queue = METHODS["compress"](build("resnet8", 10, 1, 0.25), build("resnet8", 10, 1, 0.25), queue=5).anchors
    for start in range(0, 9, 3):
        queue.put(torch.arange(start, start + 3.0)[:, None].expand(3, queue.rows.shape[1]))
    assert queue.rows[:, 0].tolist() == [5, 6, 7, 8, 4] and queue.pointer == 4


@pytest.mark.parametrize("key", ["seed_kd", "compress"])
def test_a_queue_is_read_before_it_is_written(key):
    method, batch = make(key, queue=48)
    rows = method.queue.rows if key == "seed_kd" else method.anchors.rows
    before = rows.clone()
    method.terms(batch, 0.0)
    assert torch.equal(rows, before)
    teacher = method.ask_teacher(batch.x[0]).pooled
    method.after_step(0.0)
    assert torch.allclose(rows[:16], normalize(teacher, dim=1)) and torch.equal(rows[16:], before[16:])


def test_queues_that_do_not_fit_the_batch_are_refused():
    with pytest.raises(Error, match="queue=100 is no multiple of batch=16"):
        make("seed_kd", queue=100)
    with pytest.raises(Error, match="queue=15 has no room for batch=16"):
        make("compress", queue=15)
    assert step(*make("compress", queue=17)) > 0, "it goes round within a batch"


def test_queues_start_as_the_authors():
    seed, _ = make("seed_kd", queue=512)
    assert torch.allclose(seed.queue.rows.norm(dim=1), torch.ones(512), atol=1e-5)
    anchors = make("compress", queue=512)[0].anchors.rows
    assert anchors.norm(dim=1).mean().item() == pytest.approx(1, abs=0.05) and anchors.norm(dim=1).std() > 0.01
    assert anchors.abs().max() <= (3 / anchors.shape[1]) ** 0.5


# SEED


def test_seed_takes_the_teachers_own_head_where_there_is_one(runs):
    pair = {"model": "resnet8", **TINY}
    with_head = kdlab.assemble(
        Config(method="seed_kd", **pair, teacher=Config(method="simclr", hp={"dim": 24}, **pair))
    )
    method, x = with_head.method, next(with_head.batches.epoch(0, 0)).x[0]
    pooled = method.ask_teacher(x).pooled
    assert torch.equal(method.teacher_rows(pooled), method.teacher_parts["projector"](pooled))
    assert method.queue.rows.shape == (1024, 24) == (1024, method.embed(x).shape[1])
    plain = kdlab.assemble(with_head.config.replace(hp={"teacher_head": False})).method
    assert torch.equal(plain.teacher_rows(pooled), pooled) and plain.queue.rows.shape[1] == pooled.shape[1]
    assert [type(layer) for layer in method.projector] == [nn.Linear, nn.ReLU, nn.Linear], "no batch norm"


def test_seed_has_the_loss_of_its_embeddings():
    method, batch = make("seed_kd", queue=32, T=0.3, T_teacher=0.05)
    loss = method.terms(batch, 0.0)["seed_kd"]
    pooled = method.ask_teacher(batch.x[0]).pooled
    assert loss.item() == pytest.approx(
        losses.seed_kd(method.embed(batch.x[0]), pooled, method.queue.rows.T, 0.3, 0.05).item(), rel=1e-5
    )


# CompRess


def test_compress_puts_rows_of_the_slow_copy_beside_the_teachers():
    method, batch = make("compress", queue=32, momentum=0.9)
    for p in method.model.parameters():
        p.data += 0.1 * torch.randn_like(p)
    before = [k - q for k, q in zip(method.key_model.parameters(), method.model.parameters(), strict=True)]
    statistics = method.key_model.stem[1].running_mean.clone()
    method.terms(batch, 0.0)
    assert not torch.equal(method.key_model.stem[1].running_mean, statistics), "its batch norm is in train mode"
    keys = normalize(method.key_model.features(batch.x[0]).pooled, dim=1).detach()
    method.after_step(0.0)
    assert torch.allclose(method.student_anchors.rows[:16], keys, atol=1e-6)
    assert torch.equal(method.anchors.pointer, method.student_anchors.pointer)
    after = [k - q for k, q in zip(method.key_model.parameters(), method.model.parameters(), strict=True)]
    assert all(torch.allclose(a, 0.9 * b, atol=1e-6) for a, b in zip(after, before, strict=True))


def test_compress_without_momentum_keeps_the_students_own_rows():
    method, batch = make("compress", queue=32, form="2q_no_momentum")
    rows = losses.unit(method.embed(batch.x[0])).detach()
    step(method, batch)
    assert method.key_model is None and torch.allclose(method.student_anchors.rows[:16], rows, atol=1e-6)


def test_compress_of_one_queue_trains_a_linear_layer():
    method, batch = make("compress", queue=32, form="1q")
    assert method.student_anchors is None and method.key_model is None
    assert method.adapter.weight.shape == (method.teacher.feature_width, method.model.feature_width)
    loss = method.terms(batch, 0.0)["compress"]
    rows, anchors = method.adapter(method.model.features(batch.x[0]).pooled), method.anchors.rows
    pooled = method.ask_teacher(batch.x[0]).pooled
    assert loss.item() == pytest.approx(losses.compress(rows, pooled, anchors).item(), rel=1e-5)
    loss.backward()
    assert method.adapter.weight.grad.norm() > 0


# SimReg


def test_heads_of_simreg():
    def kinds(**hp):
        return "".join(type(layer).__name__[0] for layer in make("simreg", **hp)[0].head)

    assert kinds() == "LBRLLBRL" and kinds(layers=2) == "LL", "as released"
    assert kinds(as_released=False) == "LBRLBRLBRL" and kinds(layers=2, as_released=False) == "LBRL"
    method, _ = make("simreg")
    wide = [layer.out_features for layer in method.head if isinstance(layer, nn.Linear)]
    d = method.model.feature_width
    assert wide == [2 * d, d, 2 * d, method.teacher.feature_width]


# What they share


@pytest.mark.parametrize("teacher", [{"method": "simclr"}, {"method": "moco"}, {"method": "byol"}, {"labels": 50}])
@pytest.mark.parametrize("key", FEATURES)
def test_the_teacher_may_be_of_any_method(key, teacher, runs):
    few = {"model": "resnet8", **TINY, "epochs": 0}
    config = Config(method=key, **few, teacher=Config(**{**few, **teacher}))
    assert kdlab.assemble(config).method.teacher is not None


def test_the_log_says_what_the_loss_cannot_fall_below_and_what_no_learning_reaches(runs):
    few = {"model": "resnet8", **TINY, "epochs": 1}
    teacher = Config(method="simclr", **few)
    log = kdlab.run(Config(method="seed_kd", hp={"T_teacher": 0.1}, **few, teacher=teacher)).log()
    assert (log["train/teacher_entropy"] > 0).all() and (log["train/teacher_entropy"] <= log["loss/seed_kd"]).all()
    log = kdlab.run(Config(method="compress", **few, teacher=teacher)).log()
    assert log["train/teacher_entropy"].between(0, math.log(1024)).all()
    whole = {**few, "augment": "none", "steps": 120}  # passes over 1,080 images as they are, in batches of 8
    regression = Config(method="simreg", **whole, teacher=teacher)
    result = kdlab.run(regression)
    log, setup = result.log(), result.setup()
    rows = metrics.extract(setup.method.teacher, setup.data.x, setup.normalise).pooled
    expected = 2 - 2 * normalize(rows, dim=1).mean(0).norm().item()
    assert log["train/constant_answer"].to_list() == pytest.approx([expected], abs=0.02)
    assert "train/constant_answer" not in kdlab.run(teacher).log()


def test_a_mean_over_an_epoch():
    mean = EpochMean(2)
    assert mean.mean.isnan().all()
    for value in (1.0, 2.0, 6.0):
        mean.add(torch.tensor([value, -value]))
    mean.close()
    mean.add(torch.zeros(2))
    assert mean.mean.tolist() == [3, -3]
    mean.close()
    assert mean.mean.tolist() == [0, 0]


def test_a_network_that_a_student_of_features_becomes(runs):
    """Pre-training, its student, the student's classifier, and a student of that."""
    few = {"model": "resnet8", **TINY, "epochs": 1}
    student = Config(method="simreg", **few, teacher=Config(method="simclr", **few))
    with pytest.raises(Error, match="'simreg' leaves the teacher's classifier untrained"):
        Config(method="kd", **few, teacher=student)
    tuned = Config(method="supervised", init=student, **few)
    chain = kdlab.run(tuned).setup()
    before = kdlab.run(student).network().stem.state_dict()
    start = kdlab.assemble(tuned).method.model
    assert chain.config.start == student and start.stem.state_dict().keys() == before.keys()
    assert kdlab.run(Config(method="kd", **few, teacher=tuned))["epochs"] == 1


def test_a_teacher_of_features_may_know_other_classes(monkeypatch):
    digits = load("digits")
    odd = replace(digits, name="odd", classes=("even", "odd"), train_y=digits.train_y % 2, test_y=digits.test_y % 2)
    monkeypatch.setitem(kdlab.DATASETS, "odd", lambda: odd)
    few = {"model": "resnet8", **TINY}
    teacher = Config(dataset="odd", **few)
    assert kdlab.assemble(Config(method="simreg", teacher=teacher, **few)).method.teacher.num_classes == 2
    with pytest.raises(Error, match="the teacher knows 2 classes and digits has 10"):
        kdlab.assemble(Config(method="kd", teacher=teacher, **few))
