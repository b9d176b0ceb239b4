"""Sizes of the papers' networks, the contract that every network keeps, and networks from ready modules."""

import copy
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from kdlab.core.errors import Error
from kdlab.metrics import cost
from kdlab.models import MODELS, branches, build, fresh_copy, from_module, from_stages, parameter_count
from kdlab.models.base import conv_bn_relu, scaled

SIZES = [  # model, classes, channels, size, parameters, MACs (None: not published at this size)
    ("litenet_dsc", 10, 3, 32, 484_234, 34_166_528),
    ("litenet_dsc", 100, 3, 32, 518_884, 34_201_088),
    ("litenet_dsc", 10, 1, 32, 483_658, 33_576_704),
    ("litenet_dsc", 10, 1, 28, 483_658, 26_651_264),
    ("resnet18", 10, 3, 32, 11_173_962, 555_422_720),
    ("resnet18", 100, 3, 32, 11_220_132, 555_468_800),
]
# stages that end without an activation
LINEAR = {
    "mobilenet_v2",
    "efficientnet_b0",
    "efficientnet_lite0",
    "mobilenet_v2_half",
    "mobilenet_v2_half_highres",
    "mobilenet_v2_cifar",
}
# stages that end with a sum or concatenation, which the next one begins by normalising and activating
PREACTIVATED = {"preact_resnet18", "densenet121", *(name for name in MODELS if name.startswith("wrn"))}


@pytest.mark.parametrize("name, classes, channels, size, parameters, macs", SIZES)
def test_parameters_and_macs_are_the_published_ones(name, classes, channels, size, parameters, macs):
    net = build(name, classes, channels)
    assert parameter_count(net) == parameters
    assert cost.macs(net, (channels, size, size)) == macs


@pytest.mark.parametrize(
    "name, shapes",
    [
        ("litenet_dsc", [(64, 32, 32), (128, 16, 16), (256, 8, 8), (384, 4, 4)]),
        ("resnet18", [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]),
    ],
)
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


@pytest.mark.parametrize(
    "name, stem, head", [("litenet_dsc", 0.0138105, 0.0423443), ("resnet18", -0.0502789, 0.0010148)]
)
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


# Networks from ready modules


def tiny(num_classes, channels=3, width=1.0):
    a, b, c = (scaled(n, width) for n in (16, 32, 64))
    stem = nn.Sequential(*conv_bn_relu(channels, a, 3))
    stages = [nn.Sequential(*conv_bn_relu(i, o, 3, stride=2)) for i, o in ((a, b), (b, c))]
    return from_stages(stem, stages, num_classes, channels)


class Block(nn.Module):
    """Knows nothing of the package: no `preactivation`, and its pooling would leave nothing of a single pixel."""

    def __init__(self, inp, out):
        super().__init__()
        self.pool, self.conv, self.norm = nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(inp, out, 1), nn.BatchNorm2d(out)

    def forward(self, x):
        return F.relu(self.norm(self.conv(self.pool(x))))


def pooled(num_classes, channels=3, width=1.0):
    outs = [scaled(n, width) for n in (8, 16, 32, 64)]
    stem = nn.Conv2d(channels, outs[0], 3, padding=1)
    neck = nn.Sequential(nn.Conv2d(outs[-1], 24, 1), nn.ReLU())
    blocks = [Block(i, o) for i, o in pairwise(outs)]
    return from_stages(stem, blocks, num_classes, channels, neck=neck, dropout=0.1)


def cut(num_classes, channels=3, width=1.0):
    module = torchvision.models.ShuffleNetV2([2, 2, 2], [scaled(n, width) for n in (16, 24, 48, 96, 64)])
    module.conv1[0] = nn.Conv2d(channels, scaled(16, width), 3, 2, 1, bias=False)
    return from_module(module, SHUFFLENET, num_classes, channels)


RESNET, SHUFFLENET = ("layer1", "layer2", "layer3", "layer4"), ("stage2", "stage3", "stage4")
READY = {"tiny": (tiny, (32, 64), 64), "pooled": (pooled, (16, 32, 64), 24), "cut": (cut, (24, 48, 96), 64)}
ready = pytest.mark.parametrize("name", READY)


@pytest.fixture
def own(monkeypatch):
    for name, (make, *_) in READY.items():
        monkeypatch.setitem(MODELS, name, make)


@ready
@pytest.mark.parametrize("channels, size, width", [(1, 8, 0.25), (3, 13, 1.0), (3, 32, 0.5)])
def test_ready_modules_keep_the_contract(name, channels, size, width, own):
    net = build(name, 7, channels, width).eval()
    if width == 1:
        assert (net.widths, net.feature_width) == READY[name][1:]
    x = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    features = net.features(x)
    assert torch.equal(net(x), features.logits) and features.logits.shape == (2, 7) == (2, net.num_classes)
    assert tuple(m.shape[1] for m in features.maps) == net.widths and features.pooled.shape == (2, net.feature_width)
    assert net.stem(x).shape[1] == net.stem_width
    assert torch.equal(copy.deepcopy(net)(x), features.logits) and not torch.equal(fresh_copy(net)(x), features.logits)
    heads = branches(net, 28).eval()
    out = [head(m) for head, m in zip(heads, features.maps, strict=True)]
    assert all(o.pooled.shape == features.pooled.shape and o.logits.shape == (2, 28) for o in out)
    ids = [id(p) for module in (net, heads) for p in module.parameters()]
    assert len(ids) == len(set(ids)) and torch.equal(net(x), features.logits)
    last = heads[-1].body[0](features.maps[-1])
    assert last.shape == features.maps[-1].shape, "the last branch keeps the size of the map"


@ready
def test_ready_modules_start_from_the_seed_and_can_be_traced(name, own):
    a, b, c = (build(name, 7, 1, 0.25, seed=s) for s in (1, 1, 2))
    assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
    assert not torch.equal(a.head.weight, c.head.weight) and a.training
    assert not any(m.running_mean.any() for m in a.modules() if isinstance(m, nn.BatchNorm2d)), "statistics moved"
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.fx.experimental.optimization.fuse(a.eval())(x), a(x))
    assert cost.latency(a, (1, 8, 8), runs=2, warm_up=1)["median_ms"] > 0


def test_ready_modules_start_as_networks_do_unless_told_otherwise():
    weight = build("resnet18", 10, 3, 0.5).stages[3][0].conv1.weight
    twin = from_stages(nn.Identity(), [nn.Conv2d(3, 256, 3), nn.Conv2d(256, 256, 3)], 2).stages[1].weight
    assert twin.std().item() == pytest.approx(weight.std().item(), rel=0.02)
    stage = nn.Conv2d(3, 4, 3, padding=1)
    before = stage.weight.clone()
    assert torch.equal(from_stages(nn.Identity(), [stage, nn.ReLU()], 2, init=False).stages[0].weight, before)
    assert not torch.equal(from_stages(nn.Identity(), [stage, nn.ReLU()], 2).stages[0].weight, before)


def test_maps_stand_for_preactivations_that_a_module_does_not_say(own):
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for name, says in (("tiny", True), ("pooled", False), ("cut", False)):
        net = build(name, 7).eval()
        maps, before = net.features(x).maps, net.preactivations(x)
        assert all(torch.equal(b.relu(), m) for b, m in zip(before, maps, strict=True))
        assert all(torch.equal(b, m) != says for b, m in zip(before, maps, strict=True))


@pytest.mark.parametrize("name, stages", [("resnet18", RESNET), ("shufflenet_v2_x0_5", SHUFFLENET)])
def test_a_module_that_is_cut_gives_its_own_logits(name, stages):
    module = torchvision.models.get_model(name, num_classes=5).eval()
    net, x = from_module(module, stages).eval(), torch.randn(2, 3, 40, 40)
    assert torch.equal(net(x), module(x)) and net.num_classes == 5 and len(net.widths) == len(stages)
    assert parameter_count(net) == parameter_count(module)
    other = from_module(module, stages, 11).eval()
    assert other(x).shape == (2, 11) and torch.equal(other.features(x).pooled, net.features(x).pooled)


def test_modules_that_cannot_be_cut_say_so():
    with pytest.raises(Error, match="did you mean 'layer"):
        from_module(torchvision.models.resnet18(), ("layer",))
    with pytest.raises(Error, match="SqueezeNet does not end in a linear layer"):
        from_module(torchvision.models.squeezenet1_1(), ("features",))
    with pytest.raises(Error, match="images of 1 x 8 x 8 do not pass the stem: .*to have 3 channels"):
        from_module(torchvision.models.resnet18(), RESNET, channels=1)
    with pytest.raises(Error, match="images of 3 x 8 x 8 do not pass stage 1"):
        from_stages(nn.Conv2d(3, 4, 1), [nn.Conv2d(4, 4, 9)], 2)
    with pytest.raises(Error, match=r"leave stage 1 as \(1, 256\): it must give a map"):
        from_stages(nn.Conv2d(3, 4, 1), [nn.Flatten()], 2)

    class Doubled(torchvision.models.ResNet):
        def forward(self, x):
            return 2 * super().forward(x)

    block = torchvision.models.resnet.BasicBlock
    with pytest.raises(Error, match="Doubled does more than call its children"):
        from_module(Doubled(block, [1, 1, 1, 1]), RESNET)
