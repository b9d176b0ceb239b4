"""Auxiliary branches: published sizes, shapes, fresh weights, and a backbone that does not notice them."""

import copy

import pytest
import torch
from torch import nn

from kdlab.core.errors import Error
from kdlab.models import MODELS, Network, Stage, branches, build, parameter_count

TOTALS = [("resnet18", 40_168_256)]  # parameters of all branches, 100 classes x 4 rotations


@pytest.mark.parametrize("name, parameters", TOTALS)
def test_parameters_are_the_published_ones(name, parameters):
    assert parameter_count(branches(build(name, 100), 400)) == parameters


def test_resnet18_branch_by_branch():
    counts = [parameter_count(branch) for branch in branches(build("resnet18", 100), 400)]
    assert counts == [11_224_208, 10_698_640, 8_598_928, 9_646_480]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels, size, width", [(1, 8, 0.125), (3, 13, 0.25)])
def test_one_branch_per_stage_at_any_size(name, channels, size, width):
    net = build(name, 7, channels, width).eval()
    heads = branches(net, 28).eval()
    x = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    before = net(x)
    maps = net.features(x).maps
    assert len(heads) == len(maps)
    for head, map_ in zip(heads, maps, strict=True):
        out = head(map_)
        assert out.pooled.shape == (2, net.feature_width) and out.logits.shape == (2, 28)
        assert out.logits.isfinite().all() and (head.head.bias == 0).all()
    assert torch.equal(net(x), before)


def test_branches_are_fresh_copies_that_share_nothing():
    net = build("resnet18", 10, 1, 0.125)
    heads = branches(net, 40)
    ids = [id(p) for module in (net, *heads) for p in module.parameters()]
    assert len(ids) == len(set(ids))
    own, copied = net.stages[3][0].conv1.weight, heads[0].body[2][0].conv1.weight
    assert own.shape == copied.shape and not torch.equal(own, copied)
    fan_out = copied.shape[0] * copied[0, 0].numel()
    assert copied.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
    again = copy.deepcopy(heads)
    assert all(torch.equal(a, b) for a, b in zip(heads.parameters(), again.parameters(), strict=True))


def test_a_network_of_one_stage_has_no_branches():
    net = Network(nn.Identity(), 1, [Stage(lambda inp, stride: nn.Conv2d(inp, 4, 3, stride), 4)], 2)
    with pytest.raises(Error, match="two stages or more, this one has 1"):
        branches(net, 8)
