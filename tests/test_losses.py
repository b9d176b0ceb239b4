"""Losses against official implementations (float64, 1e-5 relative), closed forms and invariants."""

import math

import pytest
import torch
import torch.nn.functional as F
from golden import ENTRIES, expected, inputs

from kdlab import losses

NEAR = dict(rel=1e-5, abs=1e-9)


def rand(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norm_of_gradient(loss, tensor):
    return torch.autograd.grad(loss, tensor, retain_graph=True)[0].norm().item()


@pytest.mark.parametrize("name", ["KD_T4", "KD_T1"])
def test_kd_reference(name):
    x, ref = inputs(name), expected(name)
    loss = losses.kd(x["student_logits"], x["teacher_logits"], ENTRIES[name]["constants"]["T"])
    assert loss.item() == pytest.approx(ref["loss"], **NEAR)
    assert norm_of_gradient(loss, x["student_logits"]) == pytest.approx(ref["student_grad_l2"], **NEAR)


def test_kd_closed_forms():
    s, t = rand(5, 7), rand(5, 7, seed=1)
    assert losses.kd(torch.zeros(1, 2), torch.tensor([[0.0, 4 * math.log(3)]])).item() == pytest.approx(
        2.092994, abs=1e-6
    )
    assert losses.kd(t + rand(5, 1), t).item() == pytest.approx(0, abs=1e-12)
    assert torch.autograd.grad(losses.kd(s.requires_grad_(), t.requires_grad_()), t, allow_unused=True)[0] is None
    centred = (s - s.mean(1, keepdim=True)) - (t - t.mean(1, keepdim=True))
    gradient = torch.autograd.grad(losses.kd(s, t, T=1e4), s)[0]
    assert torch.allclose(gradient, centred / s.numel(), atol=1e-5)


def test_cross_entropy_counts_labelled_rows_only():
    z, y = rand(4, 3), torch.tensor([2, -1, 0, -1])
    assert losses.cross_entropy(z, y).item() == pytest.approx(F.cross_entropy(z[[0, 2]], y[[0, 2]]).item())
    assert losses.cross_entropy(torch.zeros(4, 100), torch.arange(4)).item() == pytest.approx(math.log(100))
    assert losses.cross_entropy(z, torch.full((4,), -1)).item() == 0


@pytest.mark.parametrize("name", ["NTXent_T0.5", "NTXent_T0.07"])
def test_nt_xent_reference(name):
    x, ref = inputs(name), expected(name)
    loss = losses.nt_xent(x["out0"], x["out1"], ENTRIES[name]["constants"]["temperature"])
    assert loss.item() == pytest.approx(ref["loss"], **NEAR)
    for view in ("out0", "out1"):
        assert norm_of_gradient(loss, x[view]) == pytest.approx(ref[f"grad_l2_{view}"], **NEAR)


def test_nt_xent_invariants():
    a, b = rand(6, 8), rand(6, 8, seed=1)
    eye, same = torch.eye(2, dtype=torch.float64), torch.ones(4, 3)
    assert losses.nt_xent(eye, eye, 0.5).item() == pytest.approx(0.239545, abs=1e-6)
    assert losses.nt_xent(same, same, 0.5).item() == pytest.approx(1.945910, abs=1e-6)
    assert losses.nt_xent(a[:1], b[:1]).item() == 0
    assert losses.nt_xent(3 * a, 5 * b).item() == pytest.approx(losses.nt_xent(a, b).item())
    assert losses.nt_xent(b, a).item() == pytest.approx(losses.nt_xent(a, b).item())


def test_pseudo_label_reference():
    x, ref = inputs("FixMatch"), expected("FixMatch")
    loss = losses.pseudo_label(x["logits_strong"], x["logits_weak"], 0.95)
    assert loss.item() == pytest.approx(ref["Lu"], **NEAR)
    assert norm_of_gradient(loss, x["logits_strong"]) == pytest.approx(ref["strong_grad_l2_Lu"], **NEAR)
    total = losses.cross_entropy(x["logits_labelled"], x["target"]) + loss
    assert total.item() == pytest.approx(ref["total"], **NEAR)


def test_pseudo_label_threshold():
    confident = torch.tensor([[math.log(0.95 / 0.05), 0.0], [math.log(0.9474 / 0.0526), 0.0]])
    assert losses.pseudo_label(torch.zeros(2, 2), confident, 0.9499).item() == pytest.approx(0.346574, abs=1e-6)
    assert losses.pseudo_label(torch.zeros(2, 2), confident, 0.0).item() == pytest.approx(math.log(2))
    assert losses.pseudo_label(torch.zeros(2, 2), confident, 1.1).item() == 0


def test_consistency_has_gradient_through_the_strong_view_only():
    a, b = rand(4, 5).requires_grad_(), rand(4, 5, seed=1).requires_grad_()
    loss = losses.consistency(a, b)
    assert loss.item() > 0 and losses.consistency(a, a).item() == pytest.approx(0, abs=1e-12)
    of_strong, of_weak = torch.autograd.grad(loss, (a, b), allow_unused=True)
    assert of_strong.norm() > 0 and of_weak is None


def test_feature_cosine():
    t = rand(2, 4, 6, 6)
    assert losses.feature_cosine(3 * t, t).item() == pytest.approx(0, abs=1e-12)
    assert losses.feature_cosine(-t, t).item() == pytest.approx(4)
    left, right = torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    left[:, 0], right[:, 1] = 1, 1
    assert losses.feature_cosine(left, right).item() == pytest.approx(2)
    pooled = F.adaptive_avg_pool2d(t, 3)
    assert losses.feature_cosine(rand(2, 4, 3, 3), t).item() == pytest.approx(
        losses.feature_cosine(rand(2, 4, 3, 3), pooled).item()
    )
