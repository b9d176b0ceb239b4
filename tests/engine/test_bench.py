"""What a benchmark counts, that it takes turns, and that it changes nothing; times are not looked at."""

from contextlib import nullcontext

import pytest
import torch
from making import TINY, config_of

from kdlab import Config, assemble
from kdlab.engine import bench as room
from kdlab.engine.bench import Ready, bench
from kdlab.experiment.device import one_thread
from kdlab.metrics.cost import macs

SECONDS = {"input": [9, 3, 1, 2], "step": [9, 6, 4, 5], "epoch": [9, 7, 9, 8], "probe": [9, 1, 1, 1]}
MACHINE = {"product": [9, 0.5, 0.25, 0.125], "copy": [9, 0.5, 0.5, 0.5]}


def test_operations_of_a_step_are_those_of_its_convolutions_and_products():
    """Backward takes twice the forward pass, but no gradient of the images."""
    setup = assemble(Config(model="resnet8", **TINY))
    images, channels = TINY["batch"], setup.method.model.widths[0]
    forward, first = 2 * images * macs(setup.method.model, (1, 8, 8)), 2 * images * 9 * channels * 8 * 8
    cost = room._cost(setup, 1, dict.fromkeys([*SECONDS, *MACHINE], 1.0))
    assert (cost.flops, cost.bytes) == (3 * forward - first, images * 8 * 8 * 4)


def test_every_part_is_measured_and_nothing_is_changed(runs):
    configs = {key: config_of(key, epochs=1) for key in ("simclr", "kd")}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    costs = bench(configs, repetitions=1)
    assert torch.equal(torch.get_rng_state(), before) and not list(runs.iterdir())
    assert all(cost.device == "cpu" and min(cost[1:]) > 0 for cost in costs.values())
    assert costs["simclr"].bytes == 2 * 8 * 8 * 8 * 4, "two views"


def test_parts_take_turns_and_medians_leave_the_first_out(monkeypatch):
    turns = []

    def works(setup):
        left = {part: iter(SECONDS[part]) for part in SECONDS}
        return {part: lambda p=part: turns.append((setup.config.method, p)) or next(left[p]) for part in SECONDS}

    left = {part: iter(2 * MACHINE[part]) for part in MACHINE}
    monkeypatch.setattr(room, "_works", works)
    monkeypatch.setattr(room, "_machine", lambda setup: {part: left[part].__next__ for part in left})
    costs = bench({"supervised": Config(**TINY)}, repetitions=3) | bench({"kd": config_of("kd")}, repetitions=3)
    for cost in costs.values():
        assert (cost.input, cost.step, cost.epoch, cost.probe) == (2, 5, 8, 1)
        assert (cost.product, cost.copy) == (4, 2), "a second, not seconds"
    turns.clear()
    monkeypatch.setattr(room, "_machine", lambda setup: {"product": lambda: 1.0, "copy": lambda: 1.0})
    bench({"supervised": Config(**TINY), "kd": config_of("kd")}, repetitions=3)
    assert turns == [(method, part) for method in ("supervised", "kd") for part in SECONDS] * 4


def test_a_method_has_the_threads_of_its_run(monkeypatch):
    monkeypatch.setattr(room, "_works", lambda setup: dict.fromkeys(SECONDS, lambda: float(torch.get_num_threads())))
    monkeypatch.setattr(room, "fitting_threads", lambda work: one_thread() if work() < 1e9 else nullcontext())
    monkeypatch.setattr(room, "step_macs", lambda setup: 1 if setup.config.method == "kd" else 1e9)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        costs = bench({"supervised": Config(**TINY), "kd": config_of("kd")}, repetitions=1)
    finally:
        torch.set_num_threads(before)
    assert [(cost.threads, cost.step) for cost in costs.values()] == [(2, 2), (1, 1)]


def test_ready_batches_are_the_first_epochs_every_time():
    batches = assemble(Config(**TINY)).batches
    ready, drawn = Ready(batches), list(batches.epoch(0, 0))
    for epoch in (0, 5):
        assert all(torch.equal(a.x, b.x) for a, b in zip(ready.epoch(1, epoch), drawn, strict=True))
    assert (ready.steps, ready.images_per_step) == (batches.steps, batches.images_per_step)


@pytest.mark.parametrize("part", ["input", "probe"])
def test_the_device_is_waited_for_at_both_ends_alone(part, monkeypatch):
    waits = []
    monkeypatch.setattr(room, "synchronize", waits.append)
    setup = assemble(Config(**TINY))
    assert room._works(setup)[part]() > 0 and waits == [setup.device] * 2
