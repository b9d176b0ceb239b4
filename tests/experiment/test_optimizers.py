"""LARS by hand, and which parameters decay."""

import pytest
import torch
from making import make

from kdlab import OPTIMIZERS, Config
from kdlab.engine.train import make_optimizer
from kdlab.experiment.optimizers import LARS


def stepped(p, g, lr=0.1, wd=0.01, **options):
    parameter = torch.nn.Parameter(p.clone())
    parameter.grad = g.clone()
    optimizer = LARS([{"params": [parameter], "weight_decay": wd}], lr, **options)
    optimizer.step()
    assert optimizer.param_groups[0]["weight_decay"] == wd
    return parameter.detach()


@pytest.mark.parametrize("scale", [1e-4, 10.0])
def test_matrices_move_by_the_norm_of_their_weights(scale):
    """A small gradient is not clipped up beyond plain SGD; a large one is scaled down."""
    torch.manual_seed(0)
    p, g, lr, wd = torch.randn(4, 3), scale * torch.randn(4, 3), 0.1, 0.01
    local = min(0.02 * p.norm() / (g.norm() + wd * p.norm() + 1e-8) / lr, 1)
    assert torch.allclose(stepped(p, g), p - lr * local * (g + wd * p), atol=1e-7)


def test_vectors_take_plain_steps():
    p, g = torch.ones(3), torch.full((3,), 2.0)
    assert torch.allclose(stepped(p, g, wd=0.0), p - 0.1 * g)


def test_zero_learning_rate_and_zero_weights():
    zero = torch.zeros(2, 2)
    assert torch.equal(stepped(torch.ones(2, 2), torch.ones(2, 2), lr=0.0), torch.ones(2, 2))
    assert stepped(zero, torch.ones(2, 2)).isfinite().all() and stepped(torch.ones(2, 2), zero).isfinite().all()


def test_momentum_is_that_of_sgd():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = LARS([parameter], 0.1, momentum=0.9)
    for _ in range(2):
        parameter.grad = torch.ones(3)
        optimizer.step()
    assert torch.allclose(parameter, torch.ones(3) - 0.1 - 0.19)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_spares_vectors_on_request(name):
    method, _ = make("supervised")
    optimizer = make_optimizer(method, Config(optimizer=name, weight_decay=0.1, decay_all=False, head_lr=3.0))
    decay = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    factor = {p: g["factor"] for g in optimizer.param_groups for p in g["params"]}
    assert len(decay) == len(list(method.parameters()))
    assert all(decay[p] == (0.1 if p.ndim > 1 else 0.0) for p in method.parameters())
    assert factor[method.model.head.bias] == 3.0 and factor[method.model.stem[0].weight] == 1.0


def test_options_reach_the_optimiser():
    method, _ = make("supervised")
    group = make_optimizer(method, Config(optimizer_hp={"beta2": 0.95, "eps": 1e-6})).param_groups[0]
    assert group["betas"] == (0.9, 0.95) and group["eps"] == 1e-6
    assert (
        make_optimizer(method, Config(optimizer="sgd", momentum=0.5, nesterov=True)).param_groups[0]["momentum"] == 0.5
    )
    assert make_optimizer(method, Config(optimizer="lars", optimizer_hp={"eta": 0.5})).eta == 0.5
