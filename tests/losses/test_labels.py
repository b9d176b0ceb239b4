"""Losses of DKD and of teacher-free methods against official implementations (float64, 1e-5 relative), limits."""

import math

import pytest
import torch
from golden import constants, expected, grad_l2, inputs, near, rand, reaches

from kdlab import losses
from kdlab.core.errors import Error


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


def smoothed(logits, y, eps, over):
    return losses.soft_cross_entropy(logits, losses.smooth(y, logits.shape[1], eps, over))


@pytest.mark.parametrize("over, key", [("all", "uniform_over_all"), ("others", "tfkd_convention")])
def test_label_smoothing_reference(over, key):
    x, ref = inputs("label_smoothing_CE_eps0.1"), expected("label_smoothing_CE_eps0.1")
    loss = smoothed(x["logits"], x["target"], constants("label_smoothing_CE_eps0.1")["eps"], over)
    assert loss.item() == near(ref[f"loss_{key}"])
    assert grad_l2(loss, x["logits"]) == near(ref[f"grad_l2_{key}"])
    assert smoothed(x["logits"], x["target"], 0.0, over).item() == near(ref["plain_ce"])


def test_label_smoothing_conventions():
    y = torch.tensor([3, -1, 99])
    others, everywhere = losses.smooth(y, 100, 0.1, "others"), losses.smooth(y, 100, 0.1 * 100 / 99, "all")
    assert torch.allclose(others, everywhere) and others[0, 3] == pytest.approx(0.9)
    assert others[0, 0].item() == pytest.approx(0.1 / 99) and others.sum(1).tolist() == pytest.approx([1, 0, 1])
    for over in ("all", "others"):
        assert smoothed(torch.zeros(3, 100), y, 0.3, over).item() == pytest.approx(math.log(100))
        q = losses.smooth(y[:1], 100, 0.1, over)
        best = smoothed(q.log(), y[:1], 0.1, over)
        assert best.item() == pytest.approx(torch.special.entr(q).sum().item(), rel=1e-4)
    with pytest.raises(Error, match="choose from all, others"):
        losses.smooth(y, 100, 0.1, "rest")


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


@pytest.mark.parametrize("network", ["resnet18", "mobilenetv2"])
def test_tfkd_self_reference(network):
    x, ref = inputs("TfKD_self"), expected("TfKD_self")
    z, (a, T, multiplier) = x["student_logits"], constants("TfKD_self")[network].values()
    soft = multiplier / z.shape[1] * losses.kd(z, x["teacher_logits"], T)
    total = (1 - a) * losses.cross_entropy(z, x["target"]) + a * soft
    assert total.item() == near(ref[f"{network}_total"])
    assert grad_l2(total, z) == near(ref[f"{network}_grad_l2"])
    assert a * multiplier / z.shape[1] * T * T == pytest.approx({"resnet18": 17.1, "mobilenetv2": 3.8}[network])


def test_cskd_reference():
    x, ref, c = inputs("CSKD"), expected("CSKD"), constants("CSKD")
    z, y = x["logits"], x["target"]
    term, ce = losses.kd(z, x["pair_logits"], c["T"]), losses.cross_entropy(z, y)
    total = ce + c["lamda"] * term
    assert [term.item(), ce.item(), total.item()] == near([ref["class_wise_term"], ref["ce"], ref["total"]])
    assert grad_l2(term, z) == near(ref["student_grad_l2_term"])
    assert grad_l2(total, z) == near(ref["student_grad_l2_total"])
    assert not reaches(total, x["pair_logits"])


def test_soften_reference():
    x, ref, c = inputs("PSKD"), expected("PSKD"), constants("PSKD")
    past = x["past_logits"].softmax(1)
    loss = losses.soft_cross_entropy(x["logits"], losses.soften(x["target"], past, c["alpha_t_used"]))
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["logits"]) == near(ref["student_grad_l2"])
    assert not reaches(loss, x["past_logits"])


def test_soften_limits():
    z, half = torch.tensor([[math.log(3), 0.0]]), torch.tensor([[0.5, 0.5]])
    target = losses.soften(torch.tensor([0]), half, 0.4)
    assert target[0].tolist() == pytest.approx([0.8, 0.2])
    assert losses.soft_cross_entropy(z, target).item() == pytest.approx(0.507405, abs=1e-6)
    y, past, logits = torch.tensor([2, -1, 0]), rand(3, 4).softmax(1), rand(3, 4, seed=1)
    assert losses.soften(y, past, 0.7).sum(1).tolist() == pytest.approx([1, 0, 1])
    plain = losses.cross_entropy(logits, y).item()
    for target in (losses.soften(y, past, 0.0), losses.soften(y, losses.smooth(y, 4, 0.0), 0.8)):
        assert losses.soft_cross_entropy(logits, target).item() == pytest.approx(plain)
    joint = losses.joint_labels(y)
    assert losses.soften(joint, rand(12, 16).softmax(1), 0.8)[4:8].abs().sum() == 0


def test_soft_term_of_byot_is_kd_plus_the_entropy_of_its_target():
    branch, deepest, T = rand(4, 5), rand(4, 5, seed=1), 3
    target = (deepest / T).softmax(1)
    soft = T * T * losses.soft_cross_entropy(branch / T, target)
    entropy = T * T * torch.special.entr(target).sum(1).mean()
    assert soft.item() == pytest.approx((losses.kd(branch, deepest, T) + entropy).item())
    assert not reaches(soft, deepest)
