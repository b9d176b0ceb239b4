"""SimCLR, MoCo and BYOL: queues, moving averages, batch norm in parts, collapse diagnostics."""

import math

import golden
import pytest
import torch
import torch.nn.functional as F
from making import TINY, make
from torch import nn

from kdlab import Config, Error, metrics, run
from kdlab.core.schedules import cosine_between
from kdlab.methods.common.selfsupervised import follow, momentum_copy
from kdlab.methods.moco import SplitBatchNorm2d, split_batch_norm

# MoCo


def test_keys_start_equal_and_follow_by_the_momentum():
    method, _ = make("moco", momentum=0.9)
    pairs = list(zip(method.key_model.parameters(), method.model.parameters(), strict=True))
    assert all(torch.equal(k, q) and not k.requires_grad for k, q in pairs)
    for _, q in pairs:
        q.data += 0.5
    before = [k - q for k, q in pairs]
    method.new_keys = torch.zeros(16, 128)
    method.after_step(0.0)
    assert all(torch.allclose(k - q, 0.9 * old, atol=1e-6) for (k, q), old in zip(pairs, before, strict=True))


def test_batch_statistics_are_the_key_encoders_own():
    method, batch = make("moco")
    method.terms(batch, 0.0)
    key, query = method.key_model.stem[1], method.model.stem[1]
    assert method.key_model.training and not torch.equal(key.running_mean, query.running_mean)
    kept = key.running_mean.clone()
    method.after_step(0.0)
    assert torch.equal(key.running_mean, kept)


def test_the_queue_moves_on_by_whole_batches_after_the_step():
    method, batch = make("moco", queue=64)
    before = method.queue.clone()
    method.terms(batch, 0.0)
    assert torch.equal(method.queue, before), "the loss never sees its own keys"
    for step in range(4):
        method.terms(batch, 0.0)
        method.after_step(0.0)
        assert method.pointer == 16 * (step + 1) % 64
        assert torch.allclose(method.queue[:, 16 * step : 16 * (step + 1)], method.new_keys.T)
    assert torch.allclose(method.queue.norm(dim=0), torch.ones(64), atol=1e-5)
    assert not torch.equal(method.queue, before)


@pytest.mark.parametrize("entry", ["MoCo_InfoNCE_T0.07", "MoCo_InfoNCE_T0.2"])
def test_enqueueing_as_the_official_code(entry):
    x, expected = golden.inputs(entry), golden.expected(entry)
    method, _ = make("moco", queue=32, dim=16)
    method.queue.copy_(F.normalize(x["queue"].detach(), dim=0))
    method.new_keys = F.normalize(x["key"].detach().float(), dim=1)
    method.after_step(0.0)
    assert method.pointer == expected["queue_ptr_after"]
    assert method.queue.double().sum().item() == pytest.approx(expected["queue_sum_after"], rel=1e-5)


def test_symmetric_sums_both_directions_and_queues_both_keys():
    method, batch = make("moco", symmetric=True, queue=64, splits=1)  # one part: the order of the keys is no matter
    loss = method.terms(batch, 0.0)["info_nce"]
    one_way, _ = make("moco", queue=64, splits=1)
    there, back = (one_way.terms(batch._replace(x=x), 0.0)["info_nce"] for x in (batch.x, batch.x.flip(0)))
    both = there.item() + back.item()  # to what convolutions in batches of another size round
    assert loss.item() == pytest.approx(both, rel=1e-4) and there.item() != pytest.approx(back.item(), rel=1e-2)
    method.after_step(0.0)
    assert method.pointer == 32 and len(method.new_keys) == 32


def test_momentum_may_rise():
    assert cosine_between(0.0, 0.99, 0.999) == 0.99 and cosine_between(1.0, 0.99, 0.999) == 0.999
    assert cosine_between(0.5, 0.99, 1.0) == pytest.approx(0.995)


def test_queue_and_splits_must_fit_the_batch():
    with pytest.raises(Error, match="queue=100 is no multiple of 16"):
        make("moco", queue=100)
    with pytest.raises(Error, match="batch=16 cannot be split into splits=5"):
        make("moco", splits=5)
    with pytest.raises(Error, match="splits=16 parts of 2 and more"):
        make("moco", splits=16)
    with pytest.raises(Error, match="queue=16 is no multiple of 32"):
        make("moco", queue=16, symmetric=True)


def test_split_batch_norm_is_batch_norm_of_each_part():
    torch.manual_seed(0)
    x = torch.randn(12, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    split, parts = SplitBatchNorm2d(3), [nn.BatchNorm2d(3) for _ in range(4)]
    split.splits = 4
    with torch.no_grad():
        split.weight.uniform_()
        for part in parts:
            part.load_state_dict(split.state_dict())
    out = split(x)
    for i, part in enumerate(parts):
        assert torch.allclose(out[i::4], part(x[i::4]), atol=1e-5)
    assert torch.allclose(split.running_mean, torch.stack([p.running_mean for p in parts]).mean(0))
    assert torch.allclose(split.running_var, torch.stack([p.running_var for p in parts]).mean(0))
    whole = nn.BatchNorm2d(3)
    whole.load_state_dict(split.state_dict())
    assert torch.equal(split.eval()(x), whole.eval()(x))


def test_shuffling_needs_split_statistics():
    torch.manual_seed(0)
    x, order = torch.randn(8, 3, 4, 4), torch.tensor([3, 1, 0, 7, 6, 5, 4, 2])
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert torch.allclose(net(x[order])[order.argsort()], net(x), atol=1e-6), "one set of statistics: nothing changes"
    split_batch_norm(net, 4)
    assert isinstance(net[1], SplitBatchNorm2d)
    assert not torch.allclose(net(x[order])[order.argsort()], net(x), atol=1e-3)


# BYOL


def test_target_moves_by_tau_after_the_step():
    method, batch = make("byol", tau=0.9, tau_end=1.0)
    for p in method.model.parameters():
        p.data += 1
    before = [p.clone() for p in method.target_model.parameters()]
    method.terms(batch, 0.0)
    assert all(torch.equal(p, old) for p, old in zip(method.target_model.parameters(), before, strict=True))
    method.after_step(1.0)
    assert all(torch.allclose(p, old) for p, old in zip(method.target_model.parameters(), before, strict=True))
    method.after_step(0.0)
    after = method.target_model.parameters()
    assert all(torch.allclose(p, old + 0.1, atol=1e-5) for p, old in zip(after, before, strict=True))


def test_no_gradient_reaches_the_target_and_the_predictor_is_online_only():
    method, batch = make("byol")
    method(batch, 0.0)[0].backward()
    assert all(p.grad is None for m in (method.target_model, method.target_projector) for p in m.parameters())
    assert all(p.grad is not None for p in method.predictor.parameters())
    assert not any("target_predictor" in name for name in method.state_dict())


def test_a_perfect_prediction_costs_nothing():
    method, batch = make("byol")
    method.predictor = nn.Identity()
    same = batch._replace(x=torch.stack([batch.x[0], batch.x[0]]))
    assert method.terms(same, 0.0)["byol"].item() == pytest.approx(0, abs=1e-5)


# What they share


def test_follow_may_copy_buffers():
    source, m = nn.BatchNorm1d(3), 0.5
    target = momentum_copy(source)
    source.running_mean += 1
    follow(target, source, m)
    assert torch.equal(target.running_mean, torch.zeros(3))
    follow(target, source, m, buffers=True)
    assert torch.equal(target.running_mean, source.running_mean)


def test_collapse_diagnostics():
    same = torch.ones(50, 8)
    assert metrics.collapse(same, 3 * same) == pytest.approx({"std": 0, "alignment": 0, "uniformity": 0}, abs=1e-6)
    torch.manual_seed(0)
    z = torch.randn(500, 256)
    spread = metrics.collapse(z, z)
    assert spread["std"] == pytest.approx(1, abs=0.01) and spread["alignment"] == 0
    assert spread["uniformity"] == pytest.approx(-4, abs=0.1)
    opposite = metrics.collapse(z, -z)
    assert opposite["alignment"] == pytest.approx(4, abs=1e-4)
    one = metrics.collapse(same[:1], same[:1])  # makes no pair
    assert one == pytest.approx({"std": 0, "alignment": 0}, abs=1e-6)


@pytest.mark.parametrize("augment", ["moco", "colour", "simclr", "byol"])
def test_small_batches_train_also_where_no_view_is_blurred(augment, runs):
    config = Config(method="simclr", augment=augment, **{**TINY, "epochs": 1, "steps": 12, "batch": 2})
    failed = ""
    try:
        trained = run(config)["epochs"]
    except Exception as error:
        trained, failed = 0, str(error)
    assert trained == 1, failed


def test_fresh_contrastive_loss_is_near_that_of_equal_embeddings():
    method, batch = make("simclr", T=100.0)
    assert method.terms(batch, 0.0)["nt_xent"].item() == pytest.approx(math.log(2 * 16 - 1), abs=0.05)
