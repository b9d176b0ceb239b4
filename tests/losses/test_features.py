"""Losses on feature maps against official implementations (float64, 1e-5 relative), closed forms and limits."""

import math

import pytest
import torch
import torch.nn.functional as F
from golden import expected, grad_l2, inputs, near, rand, reaches, stages

from kdlab import losses
from kdlab.core.errors import Error

START = math.log(math.exp(5 - 1e-5) - 1)  # VID's raw variance


def test_feature_cosine():
    t = rand(2, 4, 6, 6)
    assert losses.feature_cosine(3 * t, t).item() == pytest.approx(0, abs=1e-12)
    assert losses.feature_cosine(-t, t).item() == pytest.approx(4)
    left, right = torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    left[:, 0], right[:, 1] = 1, 1
    assert losses.feature_cosine(left, right).item() == pytest.approx(2)
    pooled = F.adaptive_avg_pool2d(t, 3)
    small = rand(2, 4, 3, 3)
    assert losses.feature_cosine(small, t).item() == pytest.approx(losses.feature_cosine(small, pooled).item())


def test_feature_mse_reference():
    x, ref = inputs("hint_fitnet_mse"), expected("hint_fitnet_mse")
    loss = losses.feature_mse(x["student_feat"], x["teacher_feat"])
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["student_feat"]) == near(ref["student_grad_l2"])
    assert not reaches(loss, x["teacher_feat"])


def test_feature_mse_reference_with_regressor():
    x, ref = inputs("hint_fitnet_with_regressor"), expected("hint_fitnet_with_regressor")
    hint = F.conv2d(x["student_feat"], x["conv_weight"], x["conv_bias"])
    loss = losses.feature_mse(F.batch_norm(hint, None, None, training=True).relu(), x["teacher_feat"])
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["student_feat"]) == near(ref["student_grad_l2"])


def test_feature_mse_of_vectors_and_unequal_maps():
    assert losses.feature_mse(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]])).item() == 2
    t = rand(2, 3, 6, 6)
    assert losses.feature_mse(t, t).item() == 0 == losses.feature_mse(F.adaptive_avg_pool2d(t, 3), t).item()


def test_at_reference():
    x, ref = inputs("AT_p2"), expected("AT_p2")
    s, t = stages(x, "student_feat"), stages(x, "teacher_feat")
    loss = losses.at(s, t)
    assert loss.item() == near(ref["loss"])
    assert [losses.at([a], [b]).item() for a, b in zip(s, t, strict=True)] == near(ref["per_pair"])
    assert grad_l2(loss, *s) == near(ref["student_grad_l2"])
    assert not any(reaches(loss, f) for f in t)


def test_at_reference_of_unequal_sizes():
    x, ref = inputs("AT_p2_mismatched_size"), expected("AT_p2_mismatched_size")
    loss = losses.at([x["student_feat"]], [x["teacher_feat"]])
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["student_feat"]) == near(ref["student_grad_l2"])


def test_at_limits():
    f = rand(2, 3, 4, 4)
    one, other = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert losses.at([one], [other]).item() == 1
    assert losses.at([-7 * f], [f]).item() == pytest.approx(0, abs=1e-12)
    assert losses.at([rand(2, 3, 1, 1)], [rand(2, 5, 1, 1, seed=1)]).item() == pytest.approx(0, abs=1e-12)
    assert losses.attention_map(f).norm(dim=1).tolist() == pytest.approx([1, 1])
    with pytest.raises(Error, match="1 student maps .* 2 teacher maps"):
        losses.at([f], [f, f])


def test_ab_reference():
    x, ref = inputs("AB"), expected("AB")
    s, t = stages(x, "student_preact"), stages(x, "teacher_preact")
    loss = losses.ab(s, t)
    assert loss.item() == near(ref["loss"])
    per_layer = [weight * losses.ab([a], [b]).item() for weight, a, b in zip((0.25, 0.5, 1), s, t, strict=True)]
    assert per_layer == near(ref["per_layer"])
    assert grad_l2(loss, *s) == near(ref["student_grad_l2"])
    assert not any(reaches(loss, f) for f in t)


def test_ab_limits():
    s = torch.tensor([[[[0.0]]]])
    assert losses.ab([s], [s - 1]).item() == pytest.approx(0.003)
    assert [losses.ab([s - 1, s + 1.1], [s, s + 1]).item(), losses.ab([s - 2], [s]).item()] == [0, 0]
    s = torch.tensor([[-3.0, 0.5, 0.5]])[..., None, None].requires_grad_()
    t = torch.tensor([[-1.0, -1.0, 1.0]])[..., None, None]
    gradient = torch.autograd.grad(losses.ab([s], [t]), s)[0].flatten()
    assert (gradient != 0).tolist() == [False, True, True]


def test_vid_reference():
    x, ref = inputs("VID"), expected("VID")
    mean = x["student_feat"]
    for key in ("regressor_w0", "regressor_w2", "regressor_w4"):
        mean = F.conv2d(mean if key == "regressor_w0" else mean.relu(), x[key])
    raw = torch.full((8,), START, dtype=torch.float64, requires_grad=True)
    loss = losses.vid(mean, x["teacher_feat"], raw)
    assert near(ref["log_scale_init"]) == START
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["student_feat"]) == near(ref["student_grad_l2"])
    assert grad_l2(loss, raw) == near(ref["log_scale_grad_l2"])
    assert not reaches(loss, x["teacher_feat"])


def test_vid_limits():
    t = rand(4, 2, 3, 3)
    assert losses.vid(t, t, torch.full((2,), START)).item() == pytest.approx(0.804719, abs=1e-6)
    assert losses.vid(t, t, torch.full((2,), -3.0)).item() < 0
    mean, per_channel = t + rand(4, 2, 3, 3, seed=1), torch.zeros(2, dtype=torch.float64)
    for c in range(2):
        per_channel[c] = (mean - t)[:, c].square().mean()
    raw = (per_channel.detach() - 1e-5).expm1().log().requires_grad_()  # the variance that fits
    assert grad_l2(losses.vid(mean, t, raw), raw) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name, loss", [("NST", losses.nst), ("FSP", losses.fsp)])
def test_sums_over_pairs_reference(name, loss):
    x, ref = inputs(name), expected(name)
    s, t = stages(x, "student_feat"), stages(x, "teacher_feat")
    value, size = loss(s, t), {"NST": 1, "FSP": 2}[name]
    assert value.item() == near(ref["loss"])
    per_pair = [loss(s[i : i + size], t[i : i + size]).item() for i in range(len(s) - size + 1)]
    assert per_pair == near(ref["per_pair"])
    assert grad_l2(value, *s) == near(ref["student_grad_l2"])
    assert not any(reaches(value, f) for f in t)


def test_nst_ignores_the_order_of_channels():
    f = rand(2, 5, 4, 4)
    assert losses.nst([f[:, torch.randperm(5)]], [2 * f]).item() == pytest.approx(0, abs=1e-12)
    dead = torch.zeros_like(f, requires_grad=True)
    loss = losses.nst([dead], [f])
    assert loss.item() > 0 and grad_l2(loss, dead) == 0


def test_fsp_limits():
    one = torch.ones(2, 1, 3, 3)
    f = [rand(2, 3, 4, 4), rand(2, 5, 2, 2)]
    assert losses.fsp([one, 2 * one], [one, 3 * one]).item() == 1 and losses.fsp(f, f).item() == 0
    for wrong in (f[:1], f[::-1]):
        with pytest.raises(Error, match=r"student has \[3, 5\], the teacher"):
            losses.fsp(f, wrong)


def test_factor_transfer_reference():
    x, ref = inputs("FT_factor"), expected("FT_factor")
    loss = losses.factor_transfer(x["student_factor"], x["teacher_factor"])
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["student_factor"]) == near(ref["student_grad_l2"])
    assert not reaches(loss, x["teacher_factor"])


def test_semckd_reference():
    x, ref = inputs("SemCKD"), expected("SemCKD")
    s, t = stages(x, "student_feat"), stages(x, "teacher_feat")

    def embed(f, name):
        w = {part: x[f"{name}.{part}"] for part in ("linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias")}
        hidden = F.linear(losses.gram(f), w["linear1.weight"], w["linear1.bias"]).relu()
        return F.linear(hidden, w["linear2.weight"], w["linear2.bias"])

    def project(f, name):
        f = F.batch_norm(F.conv2d(f, x[f"{name}.regressor.0.weight"]), None, None, training=True).relu()
        f = F.batch_norm(F.conv2d(f, x[f"{name}.regressor.3.weight"], padding=1), None, None, training=True).relu()
        return F.conv2d(f, x[f"{name}.regressor.6.weight"])

    queries = torch.stack([embed(f, f"query_weight{i}") for i, f in enumerate(s)], 1)
    keys = torch.stack([embed(f.detach(), f"key_weight{j}") for j, f in enumerate(t)], 1)
    attention = losses.semckd_attention(queries, keys)
    matched = [[losses.pool_to_match(a, b)[0] for b in t] for a in s]
    projected = [[project(f, f"regressor{i}{j}") for j, f in enumerate(row)] for i, row in enumerate(matched)]
    loss = losses.semckd(attention, projected, t)
    assert torch.allclose(attention, torch.tensor(ref["attention"], dtype=torch.float64), rtol=1e-5)
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, *s) == near(ref["student_grad_l2"])
    assert not any(reaches(loss, f) for f in t) and reaches(loss, x["key_weight0.linear1.weight"])


def test_semckd_limits():
    t = [rand(3, 4, 2, 2), rand(3, 5, 1, 1)]
    attention = losses.semckd_attention(rand(3, 2, 6), rand(3, 2, 6, seed=1))
    assert torch.allclose(attention.sum(2), torch.ones(3, 2, dtype=torch.float64))
    assert losses.semckd(attention, [t, t], t).item() == 0
    s, single = rand(3, 4, 2, 2, seed=1), torch.ones(3, 1, 1)
    assert losses.semckd(single, [[s]], t[:1]).item() == pytest.approx(losses.feature_mse(s, t[0]).item())


def test_byot_feature():
    branch, deepest = torch.tensor([[-1.0, 2.0, -1.0]]), torch.tensor([[-3.0, -1.0, 1.0]], requires_grad=True)
    branch.requires_grad_()
    loss = losses.byot_feature(branch, deepest)
    assert loss.item() == 9 + 4 and losses.byot_feature(deepest, deepest).item() == 0
    assert reaches(loss, branch) and not reaches(loss, deepest)
    assert losses.byot_feature(branch.repeat(5, 1), deepest.repeat(5, 1)).item() == 5 * 13
