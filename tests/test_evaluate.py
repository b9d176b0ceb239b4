"""Probes: closed forms, invariants, and that they leave the network as it was."""

import numpy as np
import pytest
import torch

from kdlab import evaluate
from kdlab.data import Normalise, load
from kdlab.losses import class_logits
from kdlab.models import BranchOutput, Features, branches, build
from kdlab.report import interval


def clusters(n=60, classes=3, seed=0):
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return 4 * torch.eye(classes, 8)[y] + torch.randn(n, 8, generator=draw), y


def test_accuracy():
    assert evaluate.accuracy(torch.eye(4), torch.tensor([0, 1, 2, 0])) == 75.0


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
    first, mirrored = evaluate.branch_accuracy(Maps(), parts, images, torch.arange(4), plain, batch=3)
    assert first == (25.0, 100.0), "a corner is the same corner only at 0 degrees"
    assert mirrored == (25.0, 0.0), "of four reflections one leaves a corner where it is, and not the upright one"
    wrong = evaluate.branch_accuracy(Maps(), parts, images, torch.arange(4), plain, read=lambda z: -class_logits(z))
    assert wrong[0][1] == 0.0, "the branch is read with what is given"


def test_branch_accuracy_leaves_everything_as_it_was():
    net, images = build("resnet8", 10, 1, 0.25).train(), load("digits")
    parts = branches(net, 40).train()
    before = {k: v.clone() for k, v in (net.state_dict() | parts.state_dict()).items()}
    scores = evaluate.branch_accuracy(net, parts, images.test_x[:60], images.test_y[:60], Normalise([0.0], [1.0]))
    assert len(scores) == 3 and all(0 <= score <= 100 for pair in scores for score in pair)
    assert net.training and parts.training
    assert all(torch.equal(v, before[k]) for k, v in (net.state_dict() | parts.state_dict()).items())


def test_knn_on_its_own_bank_and_k_1_is_independent_of_T():
    x, y = clusters()
    assert (evaluate.knn(x, y, x, k=1) == y).all()
    q, _ = clusters(seed=1)
    assert torch.equal(evaluate.knn(x, y, q, k=1, T=0.01), evaluate.knn(x, y, q, k=1, T=10.0))


def test_knn_votes_by_hand():
    bank, y = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]]), torch.tensor([0, 1, 1])
    query = torch.tensor([[2.0, 0.1]])
    assert evaluate.knn(bank, y, query, k=3, T=0.07).item() == 0, "a low temperature follows the nearest"
    assert evaluate.knn(bank, y, query, k=3, T=100.0).item() == 1, "a high one counts heads"
    assert evaluate.knn(bank, y, query, k=20, T=100.0).item() == 1, "a small bank votes as a whole"


def test_linear_probe_is_chosen_on_validation():
    x, y = clusters()
    v, vy = clusters(seed=1)
    probe = evaluate.linear_probe(x, y, v, vy)
    scores = [
        evaluate.linear_probe(x, y, v, vy, strengths=[C]).score(v.numpy(), vy.numpy())
        for C in (0.01, 0.1, 1.0, 10.0, 100.0)
    ]
    assert probe.score(v.numpy(), vy.numpy()) == max(scores) > 0.8
    assert evaluate.linear_probe(x, y, v[:0], vy[:0])[-1].C == 1.0


def test_looking_leaves_parameters_buffers_and_mode_alone():
    net, images = build("resnet18", 10, 1, 0.125).train(), load("digits")
    before = {k: v.clone() for k, v in net.state_dict().items()}
    seen = evaluate.look(net, images.test_x, Normalise(images.mean, images.std), batch=100)
    assert seen.pooled.shape == (597, 64) and seen.logits.shape == (597, 10) and not seen.logits.requires_grad
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items()) and net.training
    together = evaluate.look(net, images.test_x, Normalise(images.mean, images.std), batch=1000)
    assert torch.allclose(seen.logits, together.logits, atol=1e-5)


def test_interval_against_a_hand_calculation():
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2 and half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)
    assert np.isnan(interval([5.0])[1])
