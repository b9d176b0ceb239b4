"""Losses on two views' embeddings against official implementations (float64, 1e-5 relative), closed forms, limits."""

import pytest
import torch
import torch.nn.functional as F
from golden import constants, expected, grad_l2, inputs, near, rand, reaches

from kdlab import losses


@pytest.mark.parametrize("name", ["NTXent_T0.5", "NTXent_T0.07"])
def test_nt_xent_reference(name):
    x, ref = inputs(name), expected(name)
    loss = losses.nt_xent(x["out0"], x["out1"], constants(name)["temperature"])
    assert loss.item() == near(ref["loss"])
    for view in ("out0", "out1"):
        assert grad_l2(loss, x[view]) == near(ref[f"grad_l2_{view}"])


def test_nt_xent_invariants():
    a, b = rand(6, 8), rand(6, 8, seed=1)
    eye, same = torch.eye(2, dtype=torch.float64), torch.ones(4, 3)
    assert losses.nt_xent(eye, eye, 0.5).item() == pytest.approx(0.239545, abs=1e-6)
    assert losses.nt_xent(same, same, 0.5).item() == pytest.approx(1.945910, abs=1e-6)
    assert losses.nt_xent(a[:1], b[:1]).item() == 0
    assert losses.nt_xent(3 * a, 5 * b).item() == pytest.approx(losses.nt_xent(a, b).item())
    assert losses.nt_xent(b, a).item() == pytest.approx(losses.nt_xent(a, b).item())


@pytest.mark.parametrize("name", ["MoCo_InfoNCE_T0.07", "MoCo_InfoNCE_T0.2"])
def test_info_nce_reference(name):
    x, ref = inputs(name), expected(name)
    q, k, queue = x["query"], x["key"], F.normalize(x["queue"], dim=0)
    loss = losses.info_nce(q, k, queue, constants(name)["T"])
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, q) == near(ref["query_grad_l2"])
    assert not reaches(loss, k) and not reaches(loss, x["queue"])
    first = losses.similarity(q, k).diag() > losses.similarity(q, queue.T).amax(1)
    assert first.double().mean().item() == ref["top1_fraction"]
    after = torch.cat([F.normalize(k, dim=1).T, queue[:, ref["queue_ptr_after"] :]], 1)
    assert after.sum().item() == near(ref["queue_sum_after"])


@pytest.mark.parametrize(
    "K, T, value", [(4096, 0.1, 0.170551), (65536, 0.2, 6.092617), (32768, 0.2, 5.401727), (4096, None, 8.318010)]
)
def test_info_nce_closed_forms(K, T, value):
    q = torch.tensor([[3.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    queue = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(2, K)
    if T is None:  # all the same, whatever the temperature
        q, queue = q.abs(), queue.flip(0)
    assert losses.info_nce(q, 2 * q, queue, T or 0.3).item() == pytest.approx(value, abs=1e-6)


def test_info_nce_lets_the_queue_be_overwritten_before_the_backward_pass():
    q, queue = rand(4, 3), F.normalize(rand(3, 8), dim=0).detach()
    loss = losses.info_nce(q, rand(4, 3, seed=1), queue)
    before = grad_l2(loss, q)
    queue.zero_()
    assert grad_l2(loss, q) == before


def test_byol_reference():
    x, ref = inputs("BYOL_SimSiam_cosine"), expected("BYOL_SimSiam_cosine")
    first, second = losses.byol(x["p0"], x["z1"]), losses.byol(x["p1"], x["z0"])
    assert first.item() / 2 - 1 == near(ref["neg_cos_p0_z1"])
    assert second.item() / 2 - 1 == near(ref["neg_cos_p1_z0"])
    assert (first + second).item() == near(ref["regression_sum"])
    assert (first + second).item() / 4 - 1 == near(ref["symmetrised_half"])
    both = grad_l2(first + second, x["p0"], x["p1"])
    assert both == near(ref["grad_l2_regression_sum"])
    assert both / 4 == near(ref["grad_l2_symmetrised_half"])
    assert not reaches(first, x["z1"])


def test_byol_closed_forms():
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    assert [losses.byol(a, z).item() for z in (3 * a, b, -a)] == [0, 2, 4]


def test_crd_reference():
    x, ref, c = inputs("CRD"), expected("CRD"), constants("CRD")
    n, T = c["n_data"], c["nce_t"]
    s, t = (
        F.normalize(F.linear(x[f"{net}_feat"], x[f"embed_{net[0]}_weight"], x[f"embed_{net[0]}_bias"]))
        for net in ("student", "teacher")
    )
    memory, own = [x["memory_v1"].detach(), x["memory_v2"].detach()], x["sample_idx"]
    rows = torch.cat([own[:, None], x["negative_idx"]], 1)

    def scores():
        return losses.crd_scores(s, memory[1], rows, T), losses.crd_scores(t, memory[0], rows, T)

    constant = [losses.crd_constant(raw, n) for raw in scores()]
    first, second = (losses.crd(raw / Z, n) for raw, Z in zip(scores(), constant, strict=True))
    assert [Z.item() for Z in constant] == near([ref["Z_v1"], ref["Z_v2"]])
    assert [first.item(), second.item()] == near([ref["student_side"], ref["teacher_side"]])
    assert (first + second).item() == near(ref["loss"])
    assert grad_l2(first + second, x["student_feat"]) == near(ref["student_grad_l2"])
    assert reaches(second, x["embed_t_weight"])
    with torch.no_grad():
        for side, v in zip(memory, (s, t), strict=True):
            side[own] = F.normalize((side[own] + v) / 2)
    assert [side.sum().item() for side in memory] == near([ref["memory_v1_sum_after"], ref["memory_v2_sum_after"]])
    again = sum(losses.crd(raw / Z, n) for raw, Z in zip(scores(), constant, strict=True))
    assert again.item() == near(ref["second_call_loss"])


def test_crd_of_equal_scores():
    memory = torch.zeros(1 + 16384, 2, dtype=torch.float64, requires_grad=True)
    raw = losses.crd_scores(rand(1, 2), memory, torch.arange(1 + 16384)[None])
    scores = raw / losses.crd_constant(raw, 50000)
    assert losses.crd(scores, 50000, eps=0).item() == pytest.approx(10.704091, abs=1e-6)
    assert losses.crd(scores, 50000).item() == pytest.approx(10.709091, abs=1e-6)
    assert not reaches(raw.sum(), memory)
