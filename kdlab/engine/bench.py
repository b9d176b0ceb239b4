"""Time what training is made of, beside the machine's own matrix product and copy."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import Batches
from ..data.batches import Batch
from ..experiment.config import Config
from ..experiment.device import fitting_threads, synchronize
from ..experiment.setup import Setup, assemble, own_generators
from ..metrics import evaluate
from .run import step_macs
from .train import fit

COPIED = 1 << 28  # bytes: caches hold fewer
DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Cost(NamedTuple):
    """What a method takes, in seconds, operations and bytes, and what its device does.

    `product` is operations a second of one large matrix product, `copy` is bytes copied a second, by the `threads` that
    a run would have. `input` is a batch of views, of `bytes`; `step` a step without it, forward and backward of
    `flops`; `epoch` a step with it; `probe` a linear probe.
    """

    device: str
    threads: int
    product: float
    copy: float
    input: float
    step: float
    epoch: float
    probe: float
    flops: float
    bytes: float


class Ready(Batches):
    """Batches that lie on the device, the same in every epoch."""

    def __init__(self, batches: Batches) -> None:
        vars(self).update(vars(batches))
        self.ready = list(batches.epoch(0, 0))

    def epoch(self, seed: int, epoch: int, start: int = 0, drawn: Tensor | None = None) -> Iterator[Batch]:
        """Yield them, whatever the arguments are."""
        return iter(self.ready)


def bench(configs: Mapping[str, Config], repetitions: int = 5) -> dict[str, Cost]:
    """Measure what each of `configs` takes, on the device of the first.

    Networks are untrained, loop and threads are those of a run. All that is measured takes turns; medians of so many
    repetitions, after one that warms up.
    """
    with own_generators():
        setups = {name: assemble(config) for name, config in configs.items()}
        machine = _machine(next(iter(setups.values())))
        works = {name: machine | _works(setup) for name, setup in setups.items()}
        times: dict[str, dict[str, list[float]]] = {name: {part: [] for part in works[name]} for name in setups}
        threads: dict[str, int] = {}
        for _ in range(1 + repetitions):
            for name, setup in setups.items():
                with fitting_threads(partial(step_macs, setup)):
                    threads[name] = torch.get_num_threads()
                    for part, work in works[name].items():
                        times[name][part].append(work())
        return {
            name: _cost(setup, threads[name], {part: median(each[1:]) for part, each in times[name].items()})
            for name, setup in setups.items()
        }


def _works(setup: Setup) -> dict[str, Callable[[], float]]:
    """Return what measures each of the times of a `Cost`."""
    steps, ready = setup.batches.steps, replace(setup, batches=Ready(setup.batches))
    return {
        "input": lambda: _seconds(lambda: deque(setup.batches.epoch(0, 0), maxlen=0), setup.device) / steps,
        "step": lambda: fit(ready)["seconds"] / steps,
        "epoch": lambda: fit(setup)["seconds"] / steps,
        "probe": lambda: _seconds(lambda: evaluate(setup, "test", ["probe"]), setup.device),
    }


def _machine(setup: Setup) -> dict[str, Callable[[], float]]:
    """Return what measures the device: seconds an operation, and a byte copied."""
    device, side = setup.device, 1024 if setup.device.type == "cpu" else 8192
    matrix = torch.ones(side, side, dtype=DTYPES[setup.config.precision], device=device)
    source = torch.ones(COPIED, dtype=torch.uint8, device=device)
    copy = torch.empty_like(source)
    return {
        "product": lambda: _seconds(lambda: matrix @ matrix, device) / (2 * side**3),
        "copy": lambda: _seconds(lambda: copy.copy_(source), device) / COPIED,
    }


def _cost(setup: Setup, threads: int, seconds: Mapping[str, float]) -> Cost:
    """Put together what was measured and what is counted."""
    from torch.utils.flop_counter import FlopCounterMode  # here: it loads triton

    batch = next(setup.batches.epoch(0, 0))
    with FlopCounterMode(display=False) as counter:
        setup.method.train()(batch, 0.0)[0].backward()
    machine = {part: 1 / seconds[part] for part in ("product", "copy")}
    work = {"flops": counter.get_total_flops(), "bytes": batch.x.nbytes}
    return Cost(str(setup.device), threads, **{**seconds, **machine, **work})


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time a call until the device is done with it."""
    synchronize(device)
    began = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - began
