"""SEED, CompRess and SimReg against their official code (float64, 1e-5 relative), closed forms, limits."""

import math

import pytest
import torch
import torch.nn.functional as F
from golden import constants, expected, grad_l2, inputs, near, rand, reaches

from kdlab import losses
from kdlab.methods.common.features import Queue
from kdlab.methods.simreg import regression_head

# SEED


@pytest.mark.parametrize("name", ["SEED", "SEED_soft", "SEED_odd"])
def test_seed_reference(name):
    x, ref, c = inputs(name), expected(name), constants(name)
    student, teacher, queue = x["student"], x["teacher"], F.normalize(x["queue"], dim=0)
    loss = losses.seed_kd(student, teacher, queue, c["student_T"], c["teacher_T"])
    assert loss.item() == near(ref["loss"]) and grad_l2(loss, student) == near(ref["student_grad_l2"])
    assert not reaches(loss, teacher) and not reaches(loss, x["queue"])
    entropy = losses.entropy(losses.candidates(teacher, teacher, queue), c["teacher_T"])
    assert entropy.item() == near(ref["teacher_entropy"]) and entropy <= loss
    kept = Queue(queue.detach().T.contiguous())
    kept.pointer.fill_(c["queue_ptr"])
    kept.put(F.normalize(teacher.detach(), dim=1))
    column_sums = kept.rows.sum(1)
    assert kept.pointer == ref["queue_ptr_after"] and column_sums.sum().item() == near(ref["queue_sum_after"])
    weighted = column_sums @ torch.arange(1, len(column_sums) + 1).double()
    assert weighted.item() == near(ref["queue_column_weighted_sum_after"])


def test_seed_with_a_sharp_target_is_info_nce_with_the_teachers_row_as_key():
    s, t, queue = rand(4, 5), rand(4, 5, seed=1), F.normalize(rand(5, 9, seed=2), dim=0)
    contrast = losses.info_nce(s, t, queue, T=0.2)
    assert losses.seed_kd(s, t, queue, 0.2, 1e-4).item() == pytest.approx(contrast.item(), rel=1e-9)
    twin = torch.cat([queue, F.normalize(t, dim=1).T[:, :1]], 1)  # the first image is in the queue, too
    first = losses.candidates(t, t, twin)[:1]
    assert losses.entropy(first, 1e-4).item() == pytest.approx(math.log(2), abs=1e-6)


def test_seed_closed_forms():
    t, queue = torch.tensor([[3.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    many = queue.expand(2, 4096)
    assert losses.seed_kd(2 * t, t, many, 0.1, 1e-4).item() == pytest.approx(0.170551, abs=1e-6)
    assert losses.seed_kd(t * 0, t, many, 0.1, 0.5).item() == pytest.approx(math.log(4097), abs=1e-9)
    every = [losses.seed_kd(t.to(d), t.to(d), many.to(d), 0.2, 1e-4) for d in (torch.float16, torch.float32)]
    assert [each.dtype for each in every] == [torch.float32] * 2 and all(each.isfinite() for each in every)


# CompRess


@pytest.mark.parametrize(
    "name", ["CompRess_1q", "CompRess_1q_odd", "CompRess_2q", "CompRess_2q_odd", "CompRess_2q_no_momentum"]
)
def test_compress_reference(name):
    x, ref, c = inputs(name), expected(name), constants(name)
    student, teacher, anchors = x["student"], x["teacher"], x["teacher_memory"]
    loss = losses.compress(student, teacher, anchors, x.get("student_memory"), c["T"])
    assert loss.item() == near(ref["loss"]) and grad_l2(loss, student) == near(ref["student_grad_l2"])
    assert not any(reaches(loss, tensor) for key, tensor in x.items() if key not in ("student", "student_key"))
    written = {"teacher_memory": teacher, "student_memory": x.get("student_key", student)}
    for memory, rows in written.items():
        if memory in x:
            kept = Queue(x[memory].detach().clone())
            kept.pointer.fill_(c["index"])
            kept.put(losses.unit(rows.detach()))
            sums = kept.rows.sum(1)
            assert kept.pointer == ref["index_after"] and sums.sum().item() == near(ref[f"{memory}_sum_after"])
            weighted = sums @ torch.arange(1, len(sums) + 1).double()
            assert weighted.item() == near(ref[f"{memory}_row_weighted_sum_after"])


def test_compress_closed_forms():
    s, t, anchors = rand(6, 5), rand(6, 5, seed=1), rand(9, 5, seed=2).detach()
    loss = losses.compress(s, t, anchors, T=0.1)
    alone = [losses.compress(s[i : i + 1], t[i : i + 1], anchors, T=0.1) for i in range(6)]
    assert loss.item() == pytest.approx(torch.stack(alone).mean().item()), "a mean over rows, of one as of many"
    assert losses.compress(3 * s, 5 * t, anchors, T=0.1).item() == pytest.approx(loss.item()), "directions count"
    assert losses.compress(s, t, 2 * anchors, T=0.2).item() == pytest.approx(loss.item()), "anchors keep their length"
    turn = torch.linalg.qr(rand(5, 5, seed=3))[0].detach()
    assert losses.compress(t @ turn, t, anchors, anchors @ turn, 0.04).item() == pytest.approx(0, abs=1e-12)
    assert 0 < losses.compress(s.float(), t.float(), anchors.float(), T=1e4) < 1e-6, "a large T hides any difference"


def test_rows_have_unit_length_however_short_they_are():
    x = torch.tensor([[3.0, 4.0], [3e-15, 4e-15], [0.0, 0.0]], requires_grad=True)
    rows = losses.unit(x)
    assert torch.allclose(rows, torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]]))
    loss = losses.compress(x, x.detach(), torch.eye(2), torch.eye(2).flip(0))
    assert loss.isfinite() and torch.autograd.grad(loss, x)[0].isfinite().all()


def test_queues_may_be_overwritten_before_the_backward_pass():
    s, t, memory = rand(4, 3), rand(4, 3, seed=1), F.normalize(rand(8, 3), dim=1).detach()
    for loss in (losses.seed_kd(s, t, memory.T), losses.compress(s, t, memory), losses.compress(s, t, memory, memory)):
        before, kept = grad_l2(loss, s), memory.clone()
        memory.zero_()
        assert grad_l2(loss, s) == before
        memory.copy_(kept)


# SimReg


@pytest.mark.parametrize("name", ["SimReg", "SimReg_odd"])
def test_simreg_reference(name):
    x, ref = inputs(name), expected(name)
    loss = losses.simreg(x["student"], x["teacher"])
    assert loss.item() == near(ref["loss"]) and grad_l2(loss, x["student"]) == near(ref["student_grad_l2"])
    assert not reaches(loss, x["teacher"])


@pytest.mark.parametrize("name", ["SimReg_mlp4", "SimReg_mlp4_odd"])
def test_simreg_with_its_head_reference(name):
    x, ref = inputs(name), expected(name)
    head = regression_head(x["student"].shape[1], x["teacher"].shape[1]).double()
    linear = [layer for layer in head if isinstance(layer, torch.nn.Linear)]
    for i, layer in enumerate(linear, start=1):
        layer.weight.data, layer.bias.data = x[f"w{i}"].detach(), x[f"b{i}"].detach()
    loss = losses.simreg(head(x["student"]), x["teacher"])
    assert loss.item() == near(ref["loss"]) and grad_l2(loss, x["student"]) == near(ref["student_grad_l2"])
    assert grad_l2(loss, linear[0].weight) == near(ref["grad_l2_w1"])
    assert grad_l2(loss, linear[3].weight) == near(ref["grad_l2_w4"])


def test_simreg_closed_forms():
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    assert [losses.simreg(a, t).item() for t in (3 * a, b, -a)] == [0, 2, 4]
    assert losses.simreg(1e-10 * a, a).item() == pytest.approx(0, abs=1e-6), "short rows have a direction, too"
    teacher = torch.rand(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = F.normalize(teacher, dim=1).mean(0)
    constant = losses.simreg(mean.expand(50, -1), teacher)
    assert constant.item() == pytest.approx((2 - 2 * mean.norm()).item())
    assert losses.simreg(rand(1, 8).expand(50, -1), teacher) > constant, "no other answer does better"
