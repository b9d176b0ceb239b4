"""Losses of smoothed and softened labels against official implementations (float64, 1e-5 relative), and limits."""

import math

import pytest
import torch
from golden import constants, expected, grad_l2, inputs, near, rand, reaches

from kdlab import losses
from kdlab.core.errors import Error


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
