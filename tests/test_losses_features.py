"""Losses on feature maps against official implementations (float64, 1e-5 relative), closed forms and limits."""

import pytest
import torch
import torch.nn.functional as F
from golden import expected, grad_l2, inputs, near, rand, reaches, stages

from kdlab import losses
from kdlab.errors import Error


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
    assert [losses.at([a], [b]).item() for a, b in zip(s, t)] == near(ref["per_pair"])
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
