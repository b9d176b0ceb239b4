"""Linear centred kernel alignment: closed forms, invariances, and a student beside its teacher."""

import math

import pytest
import torch
from making import TINY, config_of

import kdlab
from kdlab import Config, Error, metrics
from kdlab.metrics import cka


def normal(n, D, seed):
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hsic(x, y):
    """Equations 3 and 4 of Kornblith et al. 2019 on Gram matrices."""
    n = len(x)
    H = torch.eye(n, dtype=torch.float64) - 1 / n

    def hsic(K, L):
        return torch.trace(K @ H @ L @ H).item() / (n - 1) ** 2

    K, L = x @ x.T, y @ y.T
    return hsic(K, L) / math.sqrt(hsic(K, K) * hsic(L, L))


@pytest.mark.parametrize("n, D1, D2", [(50, 8, 3), (20, 40, 60), (7, 1, 1)])
def test_cka_in_features_is_cka_of_gram_matrices(n, D1, D2):
    x = normal(n, D1, 0) + 3
    y = normal(n, D2, 1) + x[:, :1]
    assert cka(x, y) == pytest.approx(by_hsic(x, y), abs=1e-12) == pytest.approx(cka(y, x), abs=1e-12)
    assert 0 < cka(x, y) < 1


def test_cka_in_closed_form():
    a = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])  # two uncorrelated columns of one variance
    assert cka(a, a) == pytest.approx(1) and cka(a[:, :1], a[:, 1:]) == 0
    assert cka(a, a[:, :1]) == pytest.approx(1 / math.sqrt(2)), "one of two directions"
    assert cka(a * torch.tensor([2.0, 1]), a) == pytest.approx(5 / math.sqrt(34)), "(4 + 1) / sqrt(16 + 1) / sqrt(2)"
    x, y = normal(30, 1, 0), normal(30, 1, 1)
    correlation = torch.corrcoef(torch.cat([x, y], 1).T)[0, 1].item()
    assert cka(x, y) == pytest.approx(correlation**2), "of one feature each, the squared correlation"


def test_cka_does_not_see_turns_scales_and_moves_but_stretches():
    x, y = normal(40, 6, 0), normal(40, 5, 1)
    y[:, :3] += x[:, :3]
    turned = torch.linalg.qr(normal(6, 6, 2)).Q
    for other in (x @ turned, -0.01 * x, x + normal(1, 6, 3), x.flip(1)):
        assert cka(other, y) == pytest.approx(cka(x, y)) and cka(x, other) == pytest.approx(1)
    assert cka(x * torch.arange(1, 7), x) < 0.95, "only orthogonal maps, not every linear one"


def test_cka_of_constant_and_of_unrelated_features():
    x = normal(30, 4, 0)
    assert cka(x, torch.full((30, 3), 0.1)) == cka(torch.full((30, 2), 1e6), torch.full((30, 2), 0.3)) == 0
    n, D1, D2 = 200, 64, 32
    mean = sum(cka(normal(n, D1, seed), normal(n, D2, 100 + seed)) for seed in range(5)) / 5
    assert mean == pytest.approx(math.sqrt(D1 * D2 / ((n + D1) * (n + D2))), rel=0.05)


def test_cka_builds_no_square_of_the_images():
    x = torch.randn(200_000, 4)  # a Gram matrix would take 320 GB
    assert cka(x, x @ torch.ones(4, 1)) == pytest.approx(0.5, abs=0.01)


def test_cka_of_a_student_and_its_teacher_on_request(runs):
    result = kdlab.run(config_of("kd"))
    assert "test/cka" not in result.metrics and 0 < result["test/cka"] < 1
    assert 0 < kdlab.run(config_of("ab_init"))["test/cka"] < 1, "a classifier is not needed"
    with pytest.raises(Error, match="test/cka cannot be measured on .*of method 'supervised' there are accuracy"):
        kdlab.run(Config(**TINY))["test/cka"]
    setup = kdlab.run(Config(method="tfkd_self", teacher=Config(**TINY), **TINY)).setup()
    setup.method.model.load_state_dict(setup.method.teacher.state_dict())
    assert metrics.evaluate(setup, "test", ["cka"]) == {"test/cka": 1}
