"""Metrics: closed forms, invariants, what suits which method; that they leave the network as it was."""

import math

import numpy as np
import pytest
import torch

from kdlab import metrics
from kdlab.data import Normalise, load
from kdlab.losses import class_logits
from kdlab.metrics import probes
from kdlab.models import BranchOutput, Features, branches, build


def clusters(n=60, classes=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return 4 * torch.eye(classes, 8)[y] + torch.randn(n, 8, generator=draw), y


# Of logits


def test_accuracy_and_top_k():
    assert metrics.accuracy(torch.eye(4), torch.tensor([0, 1, 2, 0])) == 75.0
    logits = torch.tensor([[3.0, 2, 1, 0], [0, 1, 2, 3]])
    assert [metrics.accuracy(logits, torch.tensor([2, 2]), k) for k in (1, 2, 3, 9)] == [0, 50, 100, 100]


def test_nll():
    assert metrics.nll(torch.zeros(5, 10), torch.arange(5)) == pytest.approx(math.log(10))
    assert metrics.nll(torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0])) == pytest.approx(-math.log(0.75))


def confident(*p):
    """Logits of two classes that give class 0 the probability p."""
    return torch.tensor([[math.log(q), math.log(1 - q)] for q in p])


def test_calibration_by_hand():
    sure = torch.tensor([[50.0, 0.0]] * 4)
    assert metrics.calibration_error(sure, torch.tensor([0, 1, 0, 1])) == pytest.approx(50)
    assert metrics.calibration_error(confident(0.75, 0.75, 0.75, 0.75), torch.tensor([0, 0, 0, 1])) == pytest.approx(
        0, abs=1e-4
    )
    # 0.55 and 0.58 share a bin of 1/15 (right, wrong), 0.9 has its own (right): |(0.45 - 0.58)| and 0.1 over three rows
    three = confident(0.55, 0.58, 0.9)
    assert metrics.calibration_error(three, torch.tensor([0, 1, 0])) == pytest.approx(100 * (0.13 + 0.1) / 3, abs=1e-4)
    # 0.9 falls into (0.8, 0.9] of ten bins, as in the authors' code
    edge = torch.tensor([[0.9, 0.1], [0.89, 0.11]], dtype=torch.float64).log()
    assert metrics.calibration_error(edge, torch.tensor([0, 1]), bins=10) == pytest.approx(
        100 * (0.89 - 0.1) / 2, abs=1e-3
    )


def by_loop(logits, y, bins):
    """The expected calibration error as its definition reads (Guo et al. 2017, equation 3)."""
    p = logits.double().softmax(1).numpy()
    confidence, right = p.max(1), p.argmax(1) == y.numpy()
    total = 0.0
    for low, high in zip(np.linspace(0, 1, bins + 1)[:-1], np.linspace(0, 1, bins + 1)[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return 100 * total


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_calibration_against_its_definition(scale):
    draw = torch.Generator().manual_seed(0)
    logits, y = scale * torch.randn(500, 7, generator=draw), torch.randint(7, (500,), generator=draw)
    assert metrics.calibration_error(logits, y) == pytest.approx(by_loop(logits, y, 15), abs=1e-6)
    order = logits.softmax(1).max(1).values.argsort()
    thirds = [by_loop(logits[rows], y[rows], 1) * len(rows) / 500 for rows in order.tensor_split(3)]
    assert metrics.calibration_error(logits, y, bins=3, adaptive=True) == pytest.approx(sum(thirds), abs=1e-6)


def test_agreement_and_divergence():
    a, b = torch.tensor([[2.0, 0, 0], [0, 1, 0]]), torch.tensor([[1.0, 0, 0], [3, 1, 0]])
    assert metrics.agreement(a, b) == 50.0 and metrics.agreement(a, 5 * a) == 100.0
    assert metrics.divergence(a, a + 3.0) == pytest.approx(0, abs=1e-12)
    p, q = (z.double().div(4).softmax(1) for z in (b, a))
    assert metrics.divergence(a, b, T=4.0) == pytest.approx((p * (p / q).log()).sum(1).mean().item())


# Of features and branches


class Corner(torch.nn.Module):
    """A branch that knows the classes by which corner of the map is bright, so it is wrong once the image is turned."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        corners = x[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
        return BranchOutput(corners, torch.stack([corners, 0 * corners, 0 * corners, corners], 2).flatten(1))


def test_branch_accuracy_by_hand():
    class Maps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def features(self, x):
            return Features((x, x.flip(3)), None, None)

    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    for k, (row, column) in enumerate([(0, 0), (0, -1), (-1, 0), (-1, -1)]):
        images[k, 0, row, column] = 255
    parts = torch.nn.ModuleList([Corner(), Corner()])
    plain = Normalise([0.0], [1.0])
    first, mirrored = metrics.branch_accuracy(Maps(), parts, images, torch.arange(4), plain, batch=3)
    assert first == (25.0, 100.0), "a corner is the same corner only at 0 degrees"
    assert mirrored == (25.0, 0.0), "of four reflections one leaves a corner where it is, and not the upright one"
    wrong = metrics.branch_accuracy(Maps(), parts, images, torch.arange(4), plain, read=lambda z: -class_logits(z))
    assert wrong[0][1] == 0.0, "the branch is read with what is given"


def test_branch_accuracy_leaves_everything_as_it_was():
    net, images = build("resnet8", 10, 1, 0.25).train(), load("digits")
    parts = branches(net, 40).train()
    before = {k: v.clone() for k, v in (net.state_dict() | parts.state_dict()).items()}
    scores = metrics.branch_accuracy(net, parts, images.test_x[:60], images.test_y[:60], Normalise([0.0], [1.0]))
    assert len(scores) == 3 and all(0 <= score <= 100 for pair in scores for score in pair)
    assert net.training and parts.training
    assert all(torch.equal(v, before[k]) for k, v in (net.state_dict() | parts.state_dict()).items())


def test_knn_on_its_own_bank_and_k_1_is_independent_of_T():
    x, y = clusters()
    assert (metrics.knn(x, y, x, k=1) == y).all()
    q, _ = clusters(seed=1)
    assert torch.equal(metrics.knn(x, y, q, k=1, T=0.01), metrics.knn(x, y, q, k=1, T=10.0))


def test_knn_of_the_bank_itself_leaves_each_row_out():
    bank, y = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]]), torch.tensor([0, 1, 2, 2])
    assert metrics.knn(bank, y, bank, k=1, same=True).tolist() == [1, 0, 2, 2]


@pytest.mark.parametrize("same", [False, True])
def test_knn_of_a_few_queries_at_a_time_says_the_same(same, monkeypatch):
    bank, y = clusters()
    queries = bank if same else clusters(seed=1)[0]
    whole = metrics.knn(bank, y, queries, k=3, same=same)
    monkeypatch.setattr(probes, "COSINES", 7 * len(bank))
    assert torch.equal(metrics.knn(bank, y, queries, k=3, same=same), whole)
    assert metrics.knn(bank, y, queries[:0]).shape == (0,)


def test_knn_votes_by_hand():
    bank, y = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]]), torch.tensor([0, 1, 1])
    query = torch.tensor([[2.0, 0.1]])
    assert metrics.knn(bank, y, query, k=3, T=0.07).item() == 0, "a low temperature follows the nearest"
    assert metrics.knn(bank, y, query, k=3, T=100.0).item() == 1, "a high one counts heads"
    assert metrics.knn(bank, y, query, k=20, T=100.0).item() == 1, "a small bank votes as a whole"


def test_linear_probe_is_chosen_on_validation():
    x, y = clusters()
    v, vy = clusters(seed=1)
    probe = metrics.linear_probe(x, y, v, vy)
    scores = [
        metrics.linear_probe(x, y, v, vy, strengths=[C]).score(v.numpy(), vy.numpy())
        for C in (0.01, 0.1, 1.0, 10.0, 100.0)
    ]
    assert probe.score(v.numpy(), vy.numpy()) == max(scores) > 0.8
    assert metrics.linear_probe(x, y, v[:0], vy[:0])[-1].C == 1.0


def test_looking_leaves_parameters_buffers_and_mode_alone():
    net, images = build("resnet18", 10, 1, 0.125).train(), load("digits")
    before = {k: v.clone() for k, v in net.state_dict().items()}
    features = metrics.extract(net, images.test_x, Normalise(images.mean, images.std), batch=100)
    assert (
        features.pooled.shape == (597, 64) and features.logits.shape == (597, 10) and not features.logits.requires_grad
    )
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items()) and net.training
    together = metrics.extract(net, images.test_x, Normalise(images.mean, images.std), batch=1000)
    assert torch.allclose(features.logits, together.logits, atol=1e-5)
