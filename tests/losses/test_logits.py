"""Losses on logits and labels against official implementations (float64, 1e-5 relative), closed forms and limits."""

import math

import pytest
import torch
import torch.nn.functional as F
from golden import constants, expected, grad_l2, inputs, near, rand, reaches

from kdlab import losses
from kdlab.core.errors import Error


@pytest.mark.parametrize("name", ["KD_T4", "KD_T1"])
def test_kd_reference(name):
    x, ref = inputs(name), expected(name)
    loss = losses.kd(x["student_logits"], x["teacher_logits"], constants(name)["T"])
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["student_logits"]) == near(ref["student_grad_l2"])


def test_kd_closed_forms():
    s, t = rand(5, 7), rand(5, 7, seed=1)
    three = torch.tensor([[0.0, 4 * math.log(3)]])
    assert losses.kd(torch.zeros(1, 2), three).item() == pytest.approx(2.092994, abs=1e-6)
    assert losses.kd(t + rand(5, 1), t).item() == pytest.approx(0, abs=1e-12)
    assert not reaches(losses.kd(s, t), t)
    centred = (s - s.mean(1, keepdim=True)) - (t - t.mean(1, keepdim=True))
    gradient = torch.autograd.grad(losses.kd(s, t, T=1e4), s)[0]
    assert torch.allclose(gradient, centred / s.numel(), atol=1e-5)


def test_kd_without_rows_is_zero():
    s, t = rand(5, 7), rand(5, 7, seed=1)
    loss = losses.kd(s[:0], t[:0])
    assert loss.item() == 0 and grad_l2(loss, s) == 0


@pytest.mark.parametrize("T", [0.5, 4.0, 30.0])
def test_selective_kd_is_kd_of_some_rows(T):
    s, t, rows = rand(5, 7), rand(5, 7, seed=1), torch.tensor([True, False, True, True, False])
    loss, some = losses.selective_kd(s, t, rows, T), losses.kd(s[rows], t[rows], T)
    assert loss.item() == pytest.approx(some.item())
    gradients = [torch.autograd.grad(each, s)[0] for each in (loss, some)]
    assert torch.allclose(*gradients) and not gradients[0][~rows].any() and not reaches(loss, t)
    none = losses.selective_kd(s, t, torch.zeros(5, dtype=torch.bool), T)
    assert none.item() == 0 and grad_l2(none, s) == 0
    every = torch.ones(5, dtype=torch.bool)
    assert losses.selective_kd(s, t, every, T).item() == losses.kd(s, t, T).item(), "the same sum in the same order"


def test_cross_entropy_counts_labelled_rows_only():
    z, y = rand(4, 3), torch.tensor([2, -1, 0, -1])
    assert losses.cross_entropy(z, y).item() == pytest.approx(F.cross_entropy(z[[0, 2]], y[[0, 2]]).item())
    assert losses.cross_entropy(torch.zeros(4, 100), torch.arange(4)).item() == pytest.approx(math.log(100))
    assert losses.cross_entropy(z, torch.full((4,), -1)).item() == 0


def test_cross_entropy_of_mixed_images_reference():
    x, ref = inputs("CutMix"), expected("CutMix")
    loss = losses.cross_entropy(x["logits"], x["target"], x["pair_idx"], ref["adjusted_lambda"][0])
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["logits"]) == near(ref["grad_l2"])


def test_cross_entropy_of_mixed_images_limits():
    z, y, partner = rand(4, 3), torch.tensor([2, 1, 0, -1]), torch.tensor([1, 0, 3, 2])
    plain = losses.cross_entropy(z, y)
    assert losses.cross_entropy(z, y, partner, 1.0).item() == pytest.approx(plain.item())
    assert losses.cross_entropy(z, y, torch.arange(4), 0.3).item() == pytest.approx(plain.item())
    per_row = torch.full((4,), 0.3, dtype=torch.float64)
    mixed = losses.cross_entropy(z[:2], y[:2], partner[:2], 0.3)
    assert losses.cross_entropy(z[:2], y[:2], partner[:2], per_row[:2]).item() == pytest.approx(mixed.item())
    hard = F.one_hot(y[:2], 3).double()
    soft = losses.soft_cross_entropy(z[:2], 0.3 * hard + 0.7 * hard[partner[:2]])
    assert mixed.item() == pytest.approx(soft.item())


def test_soft_cross_entropy_of_one_hot_targets_is_cross_entropy():
    z, y = rand(4, 3), torch.tensor([2, 1, 0, 1])
    hard = F.one_hot(y, 3).double()
    assert losses.soft_cross_entropy(z, hard).item() == pytest.approx(losses.cross_entropy(z, y).item())
    hard[1] = 0
    y[1] = -1
    assert losses.soft_cross_entropy(z, hard).item() == pytest.approx(losses.cross_entropy(z, y).item())
    assert losses.soft_cross_entropy(z, 0 * hard).item() == 0
    assert losses.soft_cross_entropy(torch.zeros(2, 10), rand(2, 10).softmax(1)).item() == pytest.approx(math.log(10))
    target = rand(4, 3, seed=1)
    loss = losses.soft_cross_entropy(z, target.softmax(1))
    assert reaches(loss, z) and not reaches(loss, target)


def test_pseudo_label_reference():
    x, ref = inputs("FixMatch"), expected("FixMatch")
    loss = losses.pseudo_label(x["logits_strong"], x["logits_weak"], 0.95)
    assert loss.item() == near(ref["Lu"])
    assert grad_l2(loss, x["logits_strong"]) == near(ref["strong_grad_l2_Lu"])
    total = losses.cross_entropy(x["logits_labelled"], x["target"]) + loss
    assert total.item() == near(ref["total"])
    of_row = torch.autograd.grad(loss, x["logits_strong"])[0].abs().sum(1)
    assert (of_row > 0).int().tolist() == ref["mask"]
    assert (of_row > 0).double().mean().item() == ref["pseudo_label_fraction"]
    every = torch.autograd.grad(losses.pseudo_label(x["logits_strong"], x["logits_weak"], 0.0), x["logits_strong"])[0]
    assert every.argmin(1).tolist() == ref["pseudo_labels"]


def test_pseudo_label_threshold():
    confident = torch.tensor([[math.log(0.95 / 0.05), 0.0], [math.log(0.9474 / 0.0526), 0.0]])
    assert losses.pseudo_label(torch.zeros(2, 2), confident, 0.9499).item() == pytest.approx(0.346574, abs=1e-6)
    assert losses.pseudo_label(torch.zeros(2, 2), confident, 0.0).item() == pytest.approx(math.log(2))
    assert losses.pseudo_label(torch.zeros(2, 2), confident, 1.1).item() == 0


@pytest.mark.parametrize("form", ["kl", "mse"])
def test_consistency_has_gradient_through_the_strong_view_only(form):
    a, b = rand(4, 5), rand(4, 5, seed=1)
    loss = losses.consistency(a, b, form)
    assert loss.item() > 0 and losses.consistency(a, a, form).item() == pytest.approx(0, abs=1e-12)
    assert grad_l2(loss, a) > 0 and not reaches(loss, b)


def test_consistency_forms():
    a, b = torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.6, 0.4]]).log()
    assert losses.consistency(a, b, "mse").item() == pytest.approx(0.04) == losses.consistency(b, a, "mse").item()
    assert losses.consistency(a, b).item() == pytest.approx(0.6 * math.log(0.6 / 0.8) + 0.4 * math.log(0.4 / 0.2))
    with pytest.raises(Error, match="did you mean 'mse'"):
        losses.consistency(a, b, "mse2")


def test_joint_labels():
    assert losses.joint_labels(torch.tensor([2, -1, 0])).tolist() == [8, 9, 10, 11, -1, -1, -1, -1, 0, 1, 2, 3]
    hot = F.one_hot(losses.joint_labels(torch.tensor([2])), 12)
    assert hot[3].argmax() == 11
    assert losses.class_logits(hot).tolist() == 4 * [[0, 0, 1]]
    certain = torch.tensor([[9.0, -9, -9, -9, 2, 2, 2, 2]])  # one of the four labels of class 0, none of its others
    assert losses.class_logits(certain).argmax() == 1 and losses.class_log_probabilities(certain).argmax() == 0
    assert losses.class_log_probabilities(torch.zeros(1, 12))[0].tolist() == pytest.approx(3 * [-math.log(3)])
    z = torch.zeros(8, 400)
    assert losses.cross_entropy(z, losses.joint_labels(torch.tensor([99, 5]))).item() == pytest.approx(5.991465)


def test_dkd_reference():
    x, ref, c = inputs("DKD"), expected("DKD"), constants("DKD")
    s, t, y = x["student_logits"], x["teacher_logits"], x["target"]
    loss = losses.dkd(s, t, y, c["T"], c["alpha"], c["beta"])
    assert loss.item() == near(ref["loss"])
    assert losses.dkd(s, t, y, c["T"], 1, 0).item() == near(ref["tckd"])
    assert losses.dkd(s, t, y, c["T"], 0, 1).item() == near(ref["nckd"])
    assert grad_l2(loss, s) == near(ref["student_grad_l2"])
    assert not reaches(loss, t)


def test_dkd_limits():
    s, t, y = rand(4, 5), rand(4, 5, seed=1), torch.tensor([1, -1, 0, 4])
    others = 1 - (t[:1] / 4).softmax(1)[0, 1].item()
    assert losses.dkd(s[:1], t[:1], y[:1], beta=others).item() == pytest.approx(losses.kd(s[:1], t[:1]).item())
    assert losses.dkd(t + rand(4, 1), t, y).item() == pytest.approx(0, abs=1e-12)
    rows = [0, 2, 3]
    assert losses.dkd(s, t, y).item() == pytest.approx(losses.dkd(s[rows], t[rows], y[rows]).item())
    assert losses.dkd(s, t, torch.full((4,), -1)).item() == 0


@pytest.mark.parametrize("network", ["resnet18", "mobilenetv2"])
def test_tfkd_reg_reference(network):
    x, ref, c = inputs("TfKD_reg"), expected("TfKD_reg"), constants("TfKD_reg")
    z, y, (a, T, multiplier) = x["logits"], x["target"], c[network].values()
    soft = multiplier / z.shape[1] * losses.tfkd_reg(z, y, T, c["correct_prob"])
    total = (1 - a) * losses.cross_entropy(z, y) + a * soft
    assert soft.item() == near(ref[f"{network}_soft_term"])
    assert total.item() == near(ref[f"{network}_total"])
    assert grad_l2(total, z) == near(ref[f"{network}_grad_l2_total"])
    assert losses.cross_entropy(z, y).item() == near(ref["ce"])
    target = (losses.smooth(y, 100, 0.01, "others") / T).softmax(1)
    assert target.amax(1).tolist() == near(8 * [ref[f"virtual_teacher_true_class_prob_T{T}"]])


def test_tfkd_reg_limits():
    y = torch.tensor([7, -1, 50])
    assert losses.tfkd_reg(torch.zeros(3, 100, dtype=torch.float64), y).item() == pytest.approx(1.29e-5, rel=1e-2)
    target = (losses.smooth(y, 100, 0.01, "others") / 20).softmax(1)
    assert target[0, 7].item() == pytest.approx(0.010502, abs=1e-6)
    assert target[0, 0].item() == pytest.approx(0.009995, abs=1e-6)
    assert losses.tfkd_reg(target.log(), y).item() == pytest.approx(0, abs=1e-6)
