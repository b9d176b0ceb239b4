"""Schedules at known points."""

import math

import pytest

from kdlab import Config
from kdlab.core import schedules
from kdlab.engine.train import learning_rate


@pytest.mark.parametrize(
    "name, start, middle, end",
    [("constant", 1, 1, 1), ("cosine", 1, 0.5, 0), ("linear", 1, 0.5, 0), ("step", 1, 1, 1e-3)],
)
def test_points(name, start, middle, end):
    assert [schedules.SCHEDULES[name](p) for p in (0, 0.5, 1)] == pytest.approx([start, middle, end])


def test_step_drops_at_its_milestones():
    values = [schedules.step(epoch / 240) for epoch in (149, 150, 179, 180, 209, 210)]
    assert values == pytest.approx([1, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_warm_up_and_ramp():
    assert [schedules.warm_up(p, 0.1) for p in (0, 0.05, 0.1, 1)] == pytest.approx([0, 0.5, 1, 1])
    assert schedules.warm_up(0, 0) == 1
    assert [schedules.sigmoid_ramp(p) for p in (0, 0.1, 0.2, 1)] == pytest.approx([math.exp(-5), math.exp(-1.25), 1, 1])
    assert schedules.sigmoid_ramp(0, 0) == 1


def test_ramp_up_reaches_its_boundaries_in_spite_of_rounding():
    for epochs in range(2, 200):
        for warmup in range(epochs):
            at = [
                schedules.ramp_up(e / epochs, 0.1, 0.9, warmup / epochs, (epochs - warmup) / epochs, "step")
                for e in (warmup, epochs)
            ]
            assert at == [0.1, 0.9] and not schedules.ramp_up((warmup - 1) / epochs, 0.1, 0.9, warmup / epochs, 1)


def test_learning_rate():
    config = Config(lr=2.0, schedule="step", milestones=(0.5,), decay=0.5, warmup=0.2)
    assert [learning_rate(config, p) for p in (0.1, 0.4, 0.6)] == pytest.approx([1.0, 2.0, 1.0])
