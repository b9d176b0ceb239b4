"""LiteNet-SSD: the whole objective, its parts and its switches."""

import pytest
import torch
from making import make

from kdlab.methods import METHODS
from kdlab.models import build


def test_litenet_ssd_with_ce_alone_is_supervised_training():
    method, batch = make("litenet_ssd", weights={"kd": 0, "feature": 0, "consistency": 0, "pseudo": 0})
    loss, _ = method(batch, 0.5)
    logits = method.model(batch.x[0])[batch.y >= 0]
    assert loss.item() == pytest.approx(
        torch.nn.functional.cross_entropy(logits, batch.y[batch.y >= 0]).item(), rel=1e-5
    )


def test_litenet_ssd_ramps_only_the_unsupervised_terms():
    method, batch = make("litenet_ssd")
    assert method.factors(0.0)["pseudo"] == pytest.approx(0.006737947) and method.factors(0.2)["consistency"] == 1
    loss, terms = method(batch, 0.0)
    by_hand = sum(method.weights[n] * terms[n] * method.factors(0.0).get(n, 1.0) for n in terms)
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_litenet_ssd_adapters_stay_with_the_method():
    student, teacher = build("litenet_dsc", 10), build("resnet18", 10)
    method = METHODS["litenet_ssd"](student, teacher)
    sizes = [sum(p.numel() for p in adapter.parameters()) for adapter in method.adapters]
    assert sizes == [16_640, 66_048]
    assert sum(p.numel() for p in method.model.parameters()) == 484_234


def test_litenet_ssd_student_equal_to_teacher():
    """Logits of a teacher teaching itself differ by nothing; feature terms lie in [0, 8]."""
    teacher = build("resnet18", 10, 1, 0.125, seed=1)
    student = build("resnet18", 10, 1, 0.125, seed=1).eval()
    _, batch = make("litenet_ssd")
    method = METHODS["litenet_ssd"](student, teacher)
    terms = method.terms(batch, 0.5)
    off = METHODS["litenet_ssd"](student, teacher, weights={"consistency": 0, "pseudo": 0}).eval().terms(batch, 0.5)
    assert off["kd"].item() == pytest.approx(0, abs=1e-6) and 0 <= terms["feature"].item() <= 8


@pytest.mark.parametrize("pseudo_from", ["teacher", "student", "ema"])
@pytest.mark.parametrize("consistency_as", ["kl", "mse"])
@pytest.mark.parametrize("feature_as", ["cosine", "mse", "at"])
def test_switches(pseudo_from, consistency_as, feature_as):
    switches = {"pseudo_from": pseudo_from, "consistency_as": consistency_as, "feature_as": feature_as}
    method, batch = make("litenet_ssd", threshold=0.0, **switches)
    loss, terms = method(batch, 0.5)
    loss.backward()
    assert all(term.isfinite() and term > 0 for term in terms.values())
    assert (len(list(method.adapters.parameters())) == 0) == (feature_as == "at")
    assert ("average" in dict(method.named_children())) == (pseudo_from == "ema")


def test_averaged_student_follows_and_stays_in_eval_mode():
    method, batch = make("litenet_ssd", pseudo_from="ema", ema=0.9)
    before = [p.clone() for p in method.average.parameters()]
    for p in method.model.parameters():
        p.data += 1
    method.model(batch.x[0])
    method.after_step(0.5)
    after = method.average.parameters()
    assert all(torch.allclose(new, old + 0.1, atol=1e-6) for new, old in zip(after, before, strict=True))
    assert not method.average.training and not any(p.requires_grad for p in method.average.parameters())
    assert torch.equal(method.average.stem[1].running_mean, method.model.stem[1].running_mean)


def test_presets_split_as_published():
    from kdlab import Config

    teacher = Config(model="resnet18", dataset="mnist", size=32, labels=1000, validation=1 / 12)
    config = Config(method="litenet_ssd", preset="mnist", teacher=teacher)
    assert (config.dataset, config.labels, config.width) == ("mnist", 1000, 1.0)
    sizes = torch.full((10,), 6000)
    assert sum(round(config.validation * int(n)) for n in sizes) == 5000
