"""SSKD and HSAKD, steps of the official code composed from the losses (float64, 1e-5 relative), and limits."""

import math

import pytest
import torch
from golden import constants, expected, grad_l2, inputs, near, rand, reaches, stages

from kdlab import losses
from kdlab.core.errors import Error


def split(rows):
    """Image-major rows of 4 versions an image: the transformed ones (3B, ...) and the normal ones (B, ...)."""
    return rows.unflatten(0, (-1, 4))[:, 1:].flatten(0, 1), rows[0::4]


def kept(rows):
    """The positions that a mask names."""
    return rows.nonzero()[:, 0].tolist()


@pytest.mark.parametrize("name", ["SSKD_ratio_tf1.0", "SSKD_ratio_tf0.75"])
def test_sskd_reference(name):
    x, ref, c = inputs(name), expected(name), constants(name)
    student, teacher, y = x["student_logits"], x["teacher_logits"], x["target"]
    (s_tf, s), (t_tf, t) = split(student), split(teacher)
    A_s, A_t = (losses.similarity(*split(x[f"{net}_feat"])) for net in ("student", "teacher"))
    tf = losses.select(t_tf, y.repeat_interleave(3), c["ratio_tf"])
    ss = losses.select(A_t, losses.own_column(A_t), c["ratio_ss"])
    assert (kept(tf), kept(ss)) == (ref["kept_tf"], ref["kept_ss"])
    terms = {
        "ce": losses.cross_entropy(s, y),
        "kd": losses.kd(s, t, c["kd_T"]),
        "tf": losses.selective_kd(s_tf, t_tf, tf, c["tf_T"]),
        "ss": losses.selective_kd(A_s, A_t, ss, c["ss_T"]),
    }
    total = sum(c["weights"][term] * loss for term, loss in terms.items())
    assert {term: loss.item() for term, loss in terms.items()} == near({term: ref[term] for term in terms})
    assert total.item() == near(ref["total"])
    assert grad_l2(total, student) == near(ref["student_logits_grad_l2_total"])
    assert grad_l2(total, x["student_feat"]) == near(ref["student_feat_grad_l2_total"])
    assert grad_l2(terms["ss"], x["student_feat"]) == near(ref["student_feat_grad_l2_ss"])
    assert not reaches(total, teacher) and not reaches(total, x["teacher_feat"])


def test_sskd_of_an_equal_student_is_its_cross_entropy():
    z, A = rand(6, 5), losses.similarity(rand(6, 4, seed=1), rand(2, 4, seed=2))
    rows = losses.select(A, losses.own_column(A), 0.75)
    assert losses.kd(z, z).item() == pytest.approx(0, abs=1e-12)
    assert losses.selective_kd(A, A, rows, 0.5).item() == pytest.approx(0, abs=1e-12)


def test_own_image_reference():
    x, ref = inputs("SSKD_teacher_ssp_head"), expected("SSKD_teacher_ssp_head")
    loss = losses.own_image(losses.similarity(*split(x["projection"])))
    assert loss.item() == near(ref["loss"])
    assert grad_l2(loss, x["projection"]) == near(ref["grad_l2"])


def test_own_image_of_a_constant_matrix():
    assert losses.own_image(torch.full((15, 5), 0.3)).item() == pytest.approx(math.log(5))


def test_similarity():
    a, b = rand(6, 4), rand(2, 4, seed=1)
    A = losses.similarity(a, b)
    assert A.shape == (6, 2) and A[3, 1].item() == pytest.approx(torch.cosine_similarity(a[3], b[1], 0).item())
    assert torch.allclose(losses.similarity(3 * a, 0.1 * b), A)
    assert losses.similarity(0 * a, b).abs().max() == 0


@pytest.mark.parametrize("n, ratio", [(100, 0.29), (50, 0.58), (1000, 0.001), (7, 1 / 7)])
def test_select_counts_as_python_does(n, ratio):
    """100 * 0.29 is 28.999..., and 29 in single precision."""
    wrong = torch.tensor([[0.0, 1.0]]).repeat(n, 1)
    assert losses.select(wrong, wrong.argmin(1), ratio).sum() == int(n * ratio)


def test_select():
    A = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.5], [0.1, 0.7], [0.8, 0.3], [0.4, 0.5]])
    own = losses.own_column(A)
    assert own.tolist() == [0, 0, 0, 1, 1, 1]
    assert kept(losses.select(A, own, 0.5)) == [0, 1, 2, 3, 5]
    assert kept(losses.select(A, own, 0.0)) == [0, 2, 3, 5]
    assert kept(losses.select(A, own, 1.0)) == [0, 1, 2, 3, 4, 5]
    wrong = torch.eye(3).repeat(3, 1)
    assert losses.select(wrong, wrong.argmin(1), 0.75).sum() == 6
    assert losses.select(wrong, wrong.argmin(1), 0.0).sum() == 0
    for ratio in (-0.1, 1.1):
        with pytest.raises(Error, match="from 0 to 1"):
            losses.select(A, own, ratio)


def test_select_ranks_reference():
    for name in ("SSKD_ratio_tf1.0", "SSKD_ratio_tf0.75"):
        x, ref = inputs(name), expected(name)
        logits, y = split(x["teacher_logits"])[0], x["target"].repeat_interleave(3)
        A = losses.similarity(*split(x["teacher_feat"]))
        for reference, target, key in (
            (logits, y, "teacher_label_rank_per_transformed_row"),
            (A, losses.own_column(A), "teacher_own_sample_rank_per_transformed_row"),
        ):
            ranks = torch.tensor(ref[key])
            wrong = int((ranks > 0).sum())
            for n in range(wrong + 1):
                rows = losses.select(reference, target, min(1, (n + 0.5) / wrong))
                expect = ranks.argsort(stable=True)[: len(ranks) - wrong + n].sort().values
                assert kept(rows) == expect.tolist()


def test_hsakd_reference():
    x, ref, T = inputs("HSAKD"), expected("HSAKD"), constants("HSAKD")["kd_T"]
    z, y, heads = x["student_logits"], x["target"], stages(x, "student_aux")
    joint = losses.joint_labels(y)
    assert joint.tolist() == ref["joint_labels"]
    ce = losses.cross_entropy(z[0::4], y)
    hard = [losses.cross_entropy(a, joint) for a in heads]
    soft = [losses.kd(a, b, T) for a, b in zip(heads, stages(x, "teacher_aux"), strict=True)]
    final = losses.kd(z, x["teacher_logits"], T)
    assert ce.item() == near(ref["ce"]) and final.item() == near(ref["final_kl"])
    assert [loss.item() for loss in hard] == near(ref["joint_ce_per_head"])
    assert [loss.item() for loss in soft] == near(ref["aux_kl_per_head"])
    assert (sum(soft) + final).item() == near(ref["div"])
    assert (ce + sum(hard)).item() == near(ref["teacher_phase_total"])
    assert (ce + sum(soft) + final).item() == near(ref["student_total"])
    assert grad_l2(ce + sum(soft) + final, z, *heads) == near(ref["grad_l2_student_total"])
    assert grad_l2(ce + sum(hard), z, *heads) == near(ref["grad_l2_teacher_phase"])


def test_uniform_logits_of_backbone_and_branches():
    y = torch.tensor([5, 99])
    ce = losses.cross_entropy(torch.zeros(2, 100), y)
    branch = losses.cross_entropy(torch.zeros(8, 400), losses.joint_labels(y))
    assert [(ce + L * branch).item() for L in (3, 4)] == pytest.approx([22.579564, 28.571028], abs=1e-5)
