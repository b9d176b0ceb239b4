"""What the rivals of the papers' tables promise beyond their losses: modules, memories, phases, schedules."""

import math

import pytest
import torch
from making import TEACHER, TINY, config_of, make
from torch import nn
from torch.nn.functional import cross_entropy

import kdlab
from kdlab import Config, Error
from kdlab.core.hyper import Positive
from kdlab.losses import kd
from kdlab.methods import METHODS, keepers
from kdlab.methods.common.adapters import regressor
from kdlab.models import build

# Adapters


@pytest.mark.parametrize(
    "student, teacher, kind, kernel",
    [
        ((4, 8, 8), (6, 4, 4), nn.Conv2d, 3),
        ((4, 4, 4), (6, 8, 8), nn.ConvTranspose2d, 4),
        ((4, 8, 8), (6, 8, 8), nn.Conv2d, 1),
        ((4, 8, 8), (6, 5, 5), nn.Conv2d, 4),
    ],
)
def test_regressor_brings_any_map_to_the_teachers_shape(student, teacher, kind, kernel):
    module = regressor(student, teacher)
    assert isinstance(module[0], kind) and module[0].kernel_size == (kernel, kernel) and module[0].bias is not None
    out = module(torch.randn(2, *student))
    assert out.shape[1:] == teacher and out.min() >= 0
    assert regressor(student, teacher, relu=False)(torch.randn(2, *student)).min() < 0


def test_a_regressor_cannot_grow_a_map_three_times():
    assert regressor((4, 2, 2), (6, 6, 6))(torch.randn(2, 4, 2, 2)).shape == (2, 6, 2, 2)


def test_connectors_are_identities_where_shapes_agree():
    method, _ = make("fsp_init")
    equal = METHODS["ab_init"](method.model, method.teacher, shape=(1, 8, 8))
    assert all(isinstance(connector, nn.Identity) for connector in equal.connectors)
    other = METHODS["ab_init"](method.model, build("resnet18", 10, 1, 0.25), shape=(1, 8, 8))
    assert all(len(connector) == 2 for connector in other.connectors), "no ReLU: boundaries lie on both sides of 0"


def test_variances_start_at_5():
    method, _ = make("vid")
    raw = method.raw_variances[0][0].item()
    assert raw == pytest.approx(4.993229, abs=1e-5) and math.log1p(math.exp(raw)) + 1e-5 == pytest.approx(5, abs=1e-4)


# Pairs that do not fit


@pytest.mark.parametrize(
    "key, message",
    [
        ("at", "at pairs stages one to one: the student has 4, the teacher 3"),
        ("nst", "nst pairs stages one to one"),
        ("vid", "vid pairs stages one to one"),
        ("ab_init", "ab_init pairs stages one to one"),
        ("fsp_init", "fsp_init pairs stages one to one"),
    ],
)
def test_stage_counts(key, message):
    with pytest.raises(Error, match=message):
        METHODS[key](build("litenet_dsc", 10, 1, 0.125), build("resnet20", 10, 1, 0.25), shape=(1, 8, 8))


def test_channels_stages_and_batches():
    student, teacher = build("litenet_dsc", 10, 1, 0.125), build("resnet18", 10, 1, 0.125)
    with pytest.raises(Error, match="fsp_init needs equal channels in stem and stages: the student has 4, 8, 16"):
        METHODS["fsp_init"](student, teacher, shape=(1, 8, 8))
    with pytest.raises(Error, match="stage=5: student and teacher have 4 and 4 stages"):
        METHODS["fitnet"](student, teacher, shape=(1, 8, 8), stage=5)
    with pytest.raises(Error, match="batch=2 is less than 4"):
        METHODS["semckd"](student, teacher, batch=2)


MIXED = Config(model="resnet20", **{**TINY, "width": 0.25})


@pytest.mark.parametrize("key", [k for k, m in METHODS.items() if m.needs_teacher and not m.needs_parts])
def test_a_mixed_pair_trains_or_is_refused_in_a_sentence(key, runs):
    """LiteNet-DSC has four stages and other widths than ResNet-20, which has three."""
    config = Config(method=key, teacher=MIXED, **{**TINY, "epochs": 1})
    try:
        count, refusal = kdlab.run(config)["images_seen"], ""
    except Error as error:
        count, refusal = 0, str(error)
    assert bool(count) != bool(refusal)
    if refusal:
        assert "\n" not in refusal and ("stages" in refusal or "channels" in refusal)
        assert not list(runs.iterdir()), "nothing was trained before"


# Self-distillation


def test_cskd_partners_share_the_class_and_get_no_gradient():
    method, batch = make("cskd")
    first, second = batch.y.chunk(2)
    assert torch.equal(first, second) and batch.x.shape[1] == 32
    means = []
    method.model.stem[1].register_forward_hook(lambda m, i, o: means.append(m.running_mean.clone()))
    method.terms(batch, 0.0)
    assert len(means) == 2 and not torch.equal(*means), "two passes, two updates of the running statistics"
    method.eval()
    same = batch._replace(x=torch.cat([batch.x[:, :16]] * 2, 1))
    assert method.terms(same, 0.0)["kd"].item() == pytest.approx(0, abs=1e-6)


def test_pskd_starts_with_the_labels_and_ends_at_alpha():
    method, batch = make("pskd", epochs=4)
    logits = method.eval().model(batch.x[0])
    assert method.terms(batch, 0.0)["ce"].item() == pytest.approx(cross_entropy(logits, batch.y).item(), rel=1e-6)
    assert not method.past.tables[0].seen.any()
    method.after_step(0.0)
    p, y = logits.softmax(1), torch.eye(10)[batch.y]
    target = 0.2 * y + 0.8 * p
    by_hand = -(target * logits.log_softmax(1)).sum(1).mean()
    assert method.terms(batch, 0.75)["ce"].item() == pytest.approx(by_hand.item(), rel=1e-3)
    plain, batch = make("pskd", alpha=0.0)
    plain.eval().after_step(0.0)
    assert plain.terms(batch, 0.9)["ce"].item() == pytest.approx(
        cross_entropy(plain.model(batch.x[0]), batch.y).item(), rel=1e-6
    )


def test_tfkd_in_batch_mean_units():
    method, batch = make("tfkd_self")
    loss, terms = method.eval()(batch, 0.0)
    student, teacher = method.model(batch.x[0]), method.teacher(batch.x[0])
    assert terms["kd"].item() == pytest.approx(50 / 10 * kd(student, teacher, 6.0).item(), rel=1e-5)
    assert loss.item() == pytest.approx(0.05 * terms["ce"].item() + 0.95 * terms["kd"].item(), rel=1e-5)
    virtual, batch = make("tfkd_reg")
    nn.init.zeros_(virtual.model.head.weight), nn.init.zeros_(virtual.model.head.bias)
    loss, terms = virtual(batch, 0.0)
    assert terms["ce"].item() == pytest.approx(math.log(10), abs=1e-5) and 0 < terms["reg"].item() < 0.01


def test_label_smoothing_conventions():
    a, batch = make("label_smoothing", eps=0.1, over="others")
    b, _ = make("label_smoothing", eps=0.1 * 10 / 9, over="all")
    c, _ = make("label_smoothing", eps=0.0)
    values = [m.eval().terms(batch, 0.0)["ce"].item() for m in (a, b, c)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    assert values[2] == pytest.approx(cross_entropy(c.model(batch.x[0]), batch.y).item(), rel=1e-5)


def test_dkd_warms_up_by_epochs():
    method, _ = make("dkd", epochs=240)
    assert [method.factors(e / 240)["dkd"] for e in (0, 9, 19, 100)] == pytest.approx([0.05, 0.5, 1, 1])


def test_byot_is_deep_supervision_without_its_last_two_terms():
    method, batch = make("byot")
    deepest = method.model.head.weight
    terms = method.terms(batch, 0.0)
    for name in ("soft", "feature"):
        (gradient,) = torch.autograd.grad(terms[name], [deepest], retain_graph=True, allow_unused=True)
        assert gradient is None or not gradient.any(), f"{name} reaches the deepest classifier"
    *shallow, _ = method.model.features(batch.x[0]).maps
    assert [b(m).shape[1:] for b, m in zip(method.bottlenecks, shallow, strict=True)] == [(48, 1, 1)] * 3


def test_two_networks_start_differently_and_teach_each_other():
    method, batch = make("hsakd_online")
    mine, partner = method.model.head.weight, method.partner.head.weight
    assert not torch.equal(mine, partner)
    gradients = torch.autograd.grad(method.terms(batch, 0.0)["kd"], [mine, partner])
    assert all(g.any() for g in gradients)
    z = torch.randn(8, 5)
    assert method.mutual(z, z).item() == pytest.approx(0, abs=1e-6)


def test_mokd_compares_different_views_only():
    method, batch = make("mokd")
    before = method.centre.clone()
    method.terms(batch, 0.0)
    assert torch.equal(method.centre, before)
    method.after_step(0.0)
    assert torch.allclose(method.centre, 0.1 * method.mean, atol=1e-6)
    assert not any(p.requires_grad for p in method.targets.parameters())


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, "inf", [1.0, math.nan]])
def test_a_hyper_parameter_is_a_finite_number(value):
    class Free(METHODS["supervised"]):
        def build(self, *, plain=1.0, number: float = 1.0, T: Positive = 1.0, some: list[float] = (1.0,)) -> None:
            pass

    for name in ("number", "T", "some") if isinstance(value, str) else ("plain", "number", "T", "some"):
        with pytest.raises(Error, match=f"hyper-parameter {name}=.* of Free: .+") as error:
            Free.check_hyper({name: value})
        assert "\n" not in str(error.value)
    assert Free.check_hyper({"plain": "inf"})["plain"] == "inf", "text, for all that is known"


def test_keepers_are_the_teachers_that_a_part_may_come_from():
    assert keepers("projector") == ["sskd_head", "sskd"]
    assert keepers("branches") == ["hsakd_teacher", "hsakd_branches", "hsakd", "hsakd_online", "lsskd"]
    assert keepers("nonsense") == []
    assert not any(METHODS[keepers(part)[0]].needs_teacher for part in ("projector", "branches"))


# Phases


def test_a_second_phase_needs_its_first(runs):
    with pytest.raises(Error, match=r"method 'ab' goes on from a trained network: give init=Config\(method='ab_init'"):
        Config(method="ab", init=TEACHER.replace(model="litenet_dsc"), **TINY)
    config = config_of("fsp")
    first = kdlab.run(config.init).network().state_dict()
    moved = kdlab.run(config.replace(lr=1e-9, weight_decay=0, epochs=1)).network()
    assert config.init.teacher.model == config.model, "flow matrices need equal channels"
    assert all(torch.allclose(p, first[n], atol=1e-6) for n, p in moved.named_parameters())


def test_logits_can_be_added_to_any_feature_method():
    for key in ("at", "crd", "rkd", "sp", "vid", "fitnet"):
        method, batch = make(key, weights={"kd": 0.9})
        terms = method.terms(batch, 0.0)
        assert "kd" in terms and "kd" not in make(key)[0].terms(batch, 0.0)
