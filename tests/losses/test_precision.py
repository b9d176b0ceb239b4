"""Half-precision inputs, and losses inside autocast: computed in single precision, and never quantised."""

import pytest
import torch
from golden import rand

from kdlab import losses

Y = torch.tensor([1, 0, -1, 2])


def tensors(seed, *shapes):
    return [rand(*shape, seed=seed + i).detach().float() for i, shape in enumerate(shapes)]


def of_stages(loss):
    return lambda *maps: loss(maps[:2], maps[2:])


ONE, TWO = [(4, 6)], [(4, 6), (4, 6)]
MAPS = [(4, 3, 4, 4), (4, 5, 2, 2)]
PAIRS = ["byol", "cc", "cc_kernel", "consistency", "feature_cosine", "feature_mse", "kd", "nt_xent", "pkt", "rkd_angle"]
PAIRS += ["rkd_distance", "similarity", "sp", "pseudo_label", "soft_cross_entropy", "byot_feature", "simreg"]
# loss -> the loss as a function of float tensors alone, and their shapes
CASES = {
    **{name: (getattr(losses, name), TWO) for name in PAIRS},
    **{name: (getattr(losses, name), [(8, 4)]) for name in ("own_image", "own_column")},
    **{name: (getattr(losses, name), [(4, 8)]) for name in ("class_logits", "class_log_probabilities")},
    **{name: (of_stages(getattr(losses, name)), MAPS + MAPS) for name in ("ab", "at", "fsp", "nst")},
    "attention_map": (losses.attention_map, MAPS[:1]),
    "candidates": (losses.candidates, [(4, 6), (4, 6), (6, 9)]),
    "compress": (losses.compress, [(4, 6), (4, 5), (9, 5), (9, 6)]),
    "compress one queue": (losses.compress, [(4, 6), (4, 6), (9, 6)]),
    "consistency mse": (lambda a, b: losses.consistency(a, b, "mse"), TWO),
    "crd": (lambda scores: losses.crd(scores.abs(), 50), ONE),
    "crd_constant": (lambda scores: losses.crd_constant(scores, 50), ONE),
    "crd_scores": (lambda v, memory: losses.crd_scores(v, memory, Y[:, None].clamp(min=0)), [(4, 6), (9, 6)]),
    "cross_entropy": (lambda z: losses.cross_entropy(z, Y), ONE),
    "dkd": (lambda s, t: losses.dkd(s, t, Y), TWO),
    "entropy": (losses.entropy, ONE),
    "factor_transfer": (losses.factor_transfer, [MAPS[0], MAPS[0]]),
    "gram": (losses.gram, MAPS[:1]),
    "info_nce": (losses.info_nce, [(4, 6), (4, 6), (6, 9)]),
    "seed_kd": (losses.seed_kd, [(4, 6), (4, 6), (6, 9)]),
    "select": (lambda A: losses.select(A, Y.clamp(min=0), 0.5), ONE),
    "selective_kd": (lambda s, t: losses.selective_kd(s, t, Y > 0), TWO),
    "semckd": (lambda a, *m: losses.semckd(a, [[m[0]]], [m[1]]), [(4, 1, 1), MAPS[0], MAPS[0]]),
    "semckd_attention": (losses.semckd_attention, [(4, 2, 6), (4, 3, 6)]),
    "soften": (lambda past: losses.soften(Y, past, 0.3), ONE),
    "tfkd_reg": (lambda z: losses.tfkd_reg(z, Y), ONE),
    "unit": (losses.unit, ONE),
    "vid": (losses.vid, [MAPS[0], MAPS[0], (3,)]),
}
AS_GIVEN = {"joint_labels", "pool_to_match", "smooth"}


def test_every_loss_is_here():
    assert {name.split()[0] for name in CASES} | AS_GIVEN == set(losses.__all__)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", CASES)
def test_half_precision_inputs_give_what_the_same_numbers_in_single_precision_give(name, half):
    loss, shapes = CASES[name]
    rounded = [x.to(half) for x in tensors(0, *shapes)]
    expected = loss(*(x.float() for x in rounded))
    assert torch.equal(loss(*rounded), expected) and expected.dtype in (torch.float32, torch.int64, torch.bool)


@pytest.mark.parametrize("name", CASES)
def test_autocast_changes_no_bit(name):
    loss, shapes = CASES[name]
    x = tensors(0, *shapes)
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(*x)
    assert torch.equal(inside, loss(*x))


@pytest.mark.parametrize("name", CASES)
def test_double_precision_stays(name):
    loss, shapes = CASES[name]
    assert loss(*(x.double() for x in tensors(0, *shapes))).dtype in (torch.float64, torch.int64, torch.bool)


def test_ranks_in_bfloat16_are_those_of_single_precision():
    normal = torch.nn.functional.normalize(tensors(0, (64, 16))[0]).bfloat16()
    turned = (normal + 0.2 * tensors(1, (64, 16))[0]).bfloat16()
    A = losses.similarity(turned, normal)
    assert losses.similarity(normal, normal).diag().sub(1).abs().max() < 1e-6
    ties = A[:, :, None] == A[:, None, :]
    assert ties.sum() == 64 * 64, "no two cosines of a row are equal"
    assert torch.equal(A.argsort(1), losses.similarity(turned.double(), normal.double()).argsort(1))


def test_gradients_reach_half_precision_inputs():
    a, b = (x.bfloat16().requires_grad_() for x in tensors(0, *TWO))
    losses.nt_xent(a, b).backward()
    assert a.grad.dtype == torch.bfloat16 and a.grad.abs().sum() > 0


@pytest.mark.parametrize("T", [25.0, 1e3, 1e4, 1e6, 1e9])
@pytest.mark.parametrize("name", ["kd", "dkd"])
@pytest.mark.parametrize("scale", [1, 10, 300])
def test_high_temperatures_magnify_no_rounding_error(name, T, scale):
    draw = torch.Generator().manual_seed(0)
    student, teacher = (scale * torch.randn(8, 10, generator=draw) + shift for shift in (0, 5))
    labels = [torch.arange(8)] if name == "dkd" else []
    values = []
    for precision in (torch.float32, torch.float64):
        z = student.detach().clone().to(precision).requires_grad_()
        loss = getattr(losses, name)(z, teacher.to(precision), *labels, T=T)
        loss.backward()
        values.append((loss.item(), z.grad.double()))
    (single, gradient), (double, exact) = values
    assert single == pytest.approx(double, rel=1e-5)
    assert (gradient - exact).norm() <= 1e-5 * exact.norm()


def test_the_limit_of_a_high_temperature():
    student, teacher = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[1.0, 2.0, 3.0]])
    for T in (1e4, 1e5, 1e6, 1e8):
        assert losses.kd(student, teacher, T).item() == pytest.approx(4 / 3, abs=1e-3)
    assert losses.kd(student, student + 7, 1e6).item() == pytest.approx(0, abs=1e-6)
