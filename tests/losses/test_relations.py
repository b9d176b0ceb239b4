"""Losses on relations of images against official implementations (float64, 1e-5 relative), closed forms and limits."""

import math

import pytest
import torch
from golden import constants, expected, grad_l2, inputs, near, rand, reaches

from kdlab import losses

TRIANGLE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]], dtype=torch.float64)
LINE = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    "name, loss, kind",
    [
        ("SP", losses.sp, "feat"),
        ("CC_repdistiller", losses.cc, "embed"),
        ("CC_taylor_rbf", losses.cc_kernel, "embed"),
        ("PKT", losses.pkt, "embed"),
    ],
)
def test_reference(name, loss, kind):
    x, ref = inputs(name), expected(name)
    student, teacher = x[f"student_{kind}"], x[f"teacher_{kind}"]
    value = loss(student, teacher)
    assert value.item() == near(ref["loss"])
    assert grad_l2(value, student) == near(ref["student_grad_l2"])
    assert reaches(value, teacher) == (loss is losses.cc)


def test_rkd_reference():
    x, ref, c = inputs("RKD"), expected("RKD"), constants("RKD")
    s, t = x["student_embed"], x["teacher_embed"]
    terms = {"distance": losses.rkd_distance(s, t), "angle": losses.rkd_angle(s, t)}
    terms["combined"] = c["w_d"] * terms["distance"] + c["w_a"] * terms["angle"]
    for name, loss in terms.items():
        assert loss.item() == near(ref[name])
        assert grad_l2(loss, s) == near(ref[f"student_grad_l2_{name}"])
        assert not reaches(loss, t)


def test_rkd_closed_forms():
    distance, angle = losses.rkd_distance(TRIANGLE, LINE), losses.rkd_angle(TRIANGLE, LINE)
    assert distance.item() == pytest.approx(1 / 24) and angle.item() == pytest.approx(5 / 54)
    assert (25 * distance + 50 * angle).item() == pytest.approx(5.671296, abs=1e-6)


@pytest.mark.parametrize("loss", [losses.rkd_distance, losses.rkd_angle])
def test_rkd_limits(loss):
    t = rand(6, 4)
    rotation = torch.linalg.qr(rand(4, 4, seed=1))[0]
    assert loss(3 * t @ rotation + 5, t).item() == pytest.approx(0, abs=1e-12)
    assert loss(t[:1], t[:1]).item() == 0
    order = torch.randperm(6)
    other = rand(6, 3, seed=2)
    assert loss(t[order], other[order]).item() == pytest.approx(loss(t, other).item())


@pytest.mark.parametrize("loss", [losses.rkd_distance, losses.rkd_angle])
@pytest.mark.parametrize("rows", [[0, 0, 0], [0, 0, 1]])
def test_rkd_of_samples_that_coincide_stays_finite(loss, rows):
    s, t = rand(2, 4), rand(3, 4, seed=1)
    value = loss(s[rows], t)
    assert math.isfinite(value.item()) and grad_l2(value, s) < 10
    assert math.isfinite(loss(t, s[rows]).item())


def test_rkd_memory():
    saved = []
    s, t = torch.randn(64, 512, requires_grad=True), torch.randn(64, 2048)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.nbytes) or x, lambda x: x):
        losses.rkd_angle(s, t)
    assert sum(saved) < 100e6 and 64 * 64 * 2048 * 4 < 600e6


def test_sp_limits():
    t = rand(6, 2, 3, 3)
    rotation = torch.linalg.qr(rand(18, 18, seed=1))[0]
    assert losses.sp(3 * t, t).item() == pytest.approx(0, abs=1e-12)
    assert losses.sp(t.flatten(1) @ rotation, t).item() == pytest.approx(0, abs=1e-12)
    assert losses.sp(torch.eye(2), torch.ones(2, 3)).item() == pytest.approx(0.292893, abs=1e-6)
    other, order = rand(6, 5, seed=2), torch.randperm(6)
    assert losses.sp(t[order], other[order]).item() == pytest.approx(losses.sp(t, other).item())


def test_gram_is_not_normalised():
    assert losses.gram(torch.tensor([[[1.0, 2.0]], [[3.0, 0.0]]])).tolist() == [[5, 3], [3, 9]]


def test_cc_closed_forms():
    zero = torch.zeros(3, 1)
    delta = torch.tensor([[2.0], [-3.0], [5.0]])
    assert losses.cc(delta[:2], zero[:2]).item() == 6 and losses.cc(delta, zero).item() == 10.5
    assert losses.cc(delta[[0, 2, 1]], zero).item() == 12.5  # the order of the batch matters
    assert losses.cc(delta[:1], zero[:1]).item() == 0
    disjoint = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert losses.cc(disjoint, 0 * disjoint).item() == 0


def test_cc_kernel_and_pkt_depend_on_cosines_only():
    t = rand(6, 4)
    rotation = torch.linalg.qr(rand(4, 4, seed=1))[0]
    for loss in (losses.cc_kernel, losses.pkt):
        assert loss(3 * t @ rotation, t).item() == pytest.approx(0, abs=1e-12)
        assert loss(rand(6, 5, seed=2), t).item() > 0
    x = rand(5, 3)
    cos = losses.similarity(x, x)
    gaussian = torch.exp(-0.4 * (2 - 2 * cos)) - math.exp(-0.8)  # a row of zeros has cosine 0 with all others
    assert losses.cc_kernel(x, 0 * x, order=15).item() == pytest.approx(gaussian.square().mean().item())
