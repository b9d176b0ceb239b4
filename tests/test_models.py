"""Sizes of the papers' networks, and the contract that every network keeps."""

import copy

import pytest
import torch
import torch.nn.functional as F

from kdlab import cost
from kdlab.errors import Error
from kdlab.models import MODELS, build, parameter_count

SIZES = [  # model, classes, channels, size, parameters, MACs (None: not published at this size)
    ("litenet_dsc", 10, 3, 32, 484_234, 34_166_528),
    ("litenet_dsc", 100, 3, 32, 518_884, 34_201_088),
    ("litenet_dsc", 10, 1, 32, 483_658, 33_576_704),
    ("litenet_dsc", 10, 1, 28, 483_658, 26_651_264),
    ("resnet18", 10, 3, 32, 11_173_962, 555_422_720),
    ("resnet18", 100, 3, 32, 11_220_132, 555_468_800),
]
# stages that end without an activation
LINEAR = {"mobilenet_v2", "efficientnet_b0", "mobilenet_v2_half", "mobilenet_v2_half_highres"}
# stages that end with a sum or concatenation, which the next one begins by normalising and activating
PREACTIVATED = {"preact_resnet18", "densenet121", *(name for name in MODELS if name.startswith("wrn"))}


@pytest.mark.parametrize("name, classes, channels, size, parameters, macs", SIZES)
def test_parameters_and_macs_are_the_published_ones(name, classes, channels, size, parameters, macs):
    net = build(name, classes, channels)
    assert parameter_count(net) == parameters
    assert cost.macs(net, (channels, size, size)) == macs


@pytest.mark.parametrize("name, shapes", [
    ("litenet_dsc", [(64, 32, 32), (128, 16, 16), (256, 8, 8), (384, 4, 4)]),
    ("resnet18", [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]),
])  # fmt: skip
def test_stage_maps(name, shapes):
    features = build(name, 10).eval().features(torch.zeros(2, 3, 32, 32))
    assert [tuple(m.shape[1:]) for m in features.maps] == shapes


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels, size, width", [(1, 8, 0.125), (3, 13, 0.25)])
def test_contract(name, channels, size, width):
    net = build(name, 7, channels, width).eval()
    x = torch.randn(3, channels, size, size, generator=torch.Generator().manual_seed(0))
    features = net.features(x)
    assert torch.equal(net(x), features.logits) and features.logits.shape == (3, 7) == (3, net.num_classes)
    assert tuple(m.shape[1] for m in features.maps) == net.widths
    assert features.pooled.shape == (3, net.feature_width)


@pytest.mark.parametrize("name", MODELS)
def test_preactivations_become_the_maps_and_a_copy_is_the_same_network(name):
    net = build(name, 7, 3, 0.25).eval()
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    features, before = net.features(x), net.preactivations(x)
    assert len(before) == len(features.maps)
    if name not in PREACTIVATED:
        act = (lambda m: m) if name in LINEAR else F.relu
        assert all(torch.equal(act(b), m) for b, m in zip(before, features.maps, strict=True))
    assert any((b < 0).any() for b in before)
    assert torch.equal(copy.deepcopy(net)(x), features.logits)
    assert torch.equal(net.features_after_stem(net.stem(x)).logits, features.logits)


def test_preactivations_of_a_wrn_stand_after_the_next_batch_norm_and_move_no_statistics():
    net = build("wrn_16_2", 7, 3, 0.5).train()
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    other = copy.deepcopy(net)
    maps, before = net.features(x).maps, other.preactivations(x)
    assert all(torch.equal(a, b) for a, b in zip(net.buffers(), other.buffers(), strict=True))
    norms = (net.stages[1][0].bn1, net.stages[2][0].bn1, net.neck[0])
    assert all(torch.allclose(norm(m), b, atol=1e-5) for norm, m, b in zip(norms, maps, before, strict=True))


@pytest.mark.parametrize("name, stem, head", [
    ("litenet_dsc", 0.0138105, 0.0423443), ("resnet18", -0.0502789, 0.0010148)
])  # fmt: skip
def test_initial_weights_stay_what_they_were(name, stem, head):
    net = build(name, 10)
    assert net.stem[0].weight[0, 0, 0, 0].item() == pytest.approx(stem, abs=1e-6)
    assert net.head.weight[0, 0].item() == pytest.approx(head, abs=1e-6)


def test_same_seed_same_weights_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a, b, c = (build("litenet_dsc", 10, 1, 0.25, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a[k], b[k]) for k in a) and not torch.equal(a["head.weight"], c["head.weight"])


def test_latency_and_folding_leave_the_network_alone():
    net = build("resnet18", 10, 1, 0.125)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    measured = cost.latency(net, (1, 8, 8), runs=5, warm_up=1)
    assert 0 < measured["median_ms"] <= measured["p90_ms"] and measured["threads"] == torch.get_num_threads()
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items()) and net.training


def test_unknown_model():
    with pytest.raises(Error, match="did you mean 'resnet18'"):
        build("resnet19", 10)
