"""How far training is: what a checkpoint holds, between epochs and within a long one."""

import math
import time
import warnings
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..core.errors import Error
from ..experiment.setup import Setup
from ..methods import Method


class Checkpoints(Protocol):
    """Where the loop keeps its state, between epochs and `within` long ones; see `kdlab.engine.store.RunFolder`."""

    def load(self) -> dict[str, Any] | None: ...
    def due(self, within: bool = False) -> bool: ...
    def save(self, state: dict[str, Any]) -> None: ...
    def log(self, line: dict[str, Any]) -> None: ...


def kept_modules(method: Method) -> nn.ModuleDict:
    """What is left of a method when it is trained: the network, and the heads and branches that it keeps."""
    return nn.ModuleDict({"model": method.model, **{f"part {name}": part for name, part in method.parts.items()}})


class Best:
    """Early stopping: the best validation so far, its weights, and how many came after it without a better one."""

    def __init__(self, patience: int, state: dict[str, Any] | None) -> None:
        self.patience = patience
        self.state = state or {"score": -math.inf, "epoch": 0, "since": 0, "weights": {}}

    def see(self, score: float, epoch: int, method: Method) -> None:
        """Take note of a validation, whose `score` is the larger the better."""
        if score > self.state["score"]:
            weights = {name: tensor.detach().clone() for name, tensor in kept_modules(method).state_dict().items()}
            self.state = {"score": score, "epoch": epoch, "since": 0, "weights": weights}
        else:
            self.state["since"] += 1

    @property
    def spent(self) -> bool:
        """Whether the best one is too long ago."""
        return self.state["since"] >= self.patience


def conditions(device: torch.device) -> dict[str, str]:
    """Name what decides the last digits of a number beside the run itself: device, threads on a CPU, version of torch.

    Another number of threads adds in another order, another version of torch or another device has other kernels.
    """
    threads = {"threads": str(torch.get_num_threads())} if device.type == "cpu" else {}
    return {"device": device.type, **threads, "torch": str(torch.__version__)}


class Course:
    """What changes while a run trains: weights and optimiser, the best epoch, the epoch, and the time it took.

    It begins where the last of the `checkpoints` left it. `within` is how far the epoch `epoch` (counted from 0) is:
    the `step` that is next, the `losses` (steps, terms) until then, the states of all generators; None at its start.
    `seconds` and `cpu_seconds` are of all training so far without validations, `epoch_seconds` of this epoch.
    """

    def __init__(self, setup: Setup, checkpoints: Checkpoints, fabric: Any, optimizer: torch.optim.Optimizer) -> None:
        self.setup, self.checkpoints, self.fabric, self.optimizer = setup, checkpoints, fabric, optimizer
        self.epoch, self.stop, self.within = 0, False, None
        self.seconds = self.cpu_seconds = self.epoch_seconds = 0.0
        state, patience = checkpoints.load(), setup.config.patience
        self.best = None if patience is None else Best(patience, state and state["best"])
        if state:
            setup.method.load_state_dict(state["method"])
            optimizer.load_state_dict(state["optimizer"])
            fabric.strategy.precision.load_state_dict(state["precision"])  # the loss scale of half precision
            self.epoch, self.stop, self.seconds = state["epoch"], state["stop"], state["seconds"]
            self.cpu_seconds = state.get("cpu_seconds", 0.0)  # a checkpoint of version 0.2 does not say
            self.within, self.epoch_seconds = state.get("within"), state.get("epoch_seconds", 0.0)
            if self.within and (then := self.within["device"]) != setup.device.type:
                raise Error(
                    f"this run stopped within an epoch on {then}, whose random numbers {setup.device.type} does not "
                    f"have: go on with device={then}, or train it anew (fresh=True, kdlab run --fresh)"
                )
            self._compare(state.get("conditions", {}))  # a checkpoint of version 0.2 does not say

    def save(self) -> None:
        """Write a checkpoint."""
        self.checkpoints.save(
            {
                "method": self.setup.method.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best": self.best and self.best.state,
                "precision": self.fabric.strategy.precision.state_dict(),
                "epoch": self.epoch,
                "stop": self.stop,
                "seconds": self.seconds,
                "cpu_seconds": self.cpu_seconds,
                "within": self.within,
                "epoch_seconds": self.epoch_seconds,
                "conditions": conditions(self.setup.device),
            }
        )

    def _compare(self, then: dict[str, str]) -> None:
        """Say what differs from where the run was trained before: it does not end as either would have alone."""
        now = conditions(self.setup.device)
        if odd := [
            f"{name} {then[name]} before, {now[name]} now" for name in now if then.get(name, now[name]) != now[name]
        ]:
            name = f"{self.setup.config.method} {self.setup.config.model} seed {self.setup.config.seed}"
            warnings.warn(
                f"{name} goes on from a checkpoint under other conditions ({'; '.join(odd)}): its numbers will differ "
                "in the last digits from those of a run without a break",
                stacklevel=2,
            )

    def save_within(self, step: int, losses: Tensor) -> None:
        """Write a checkpoint between two steps of an epoch."""
        self.count()
        self.within = {
            "step": step,
            "losses": losses,
            "batches": self.setup.batches.state(),
            "random": self._random(),
            "device": self.setup.device.type,
        }
        self.save()
        self.start()

    def done(self, epoch: int) -> None:
        """So many epochs are over."""
        self.epoch, self.within, self.epoch_seconds = epoch, None, 0.0

    def start(self) -> None:
        """From here on time counts."""
        self._began = time.perf_counter(), time.process_time()

    def count(self) -> None:
        """Add the time since `start`."""
        elapsed = time.perf_counter() - self._began[0]
        self.seconds += elapsed
        self.epoch_seconds += elapsed
        self.cpu_seconds += time.process_time() - self._began[1]

    def _random(self) -> dict[str, Tensor]:
        """The states of torch's global generators, of which dropout draws."""
        match self.setup.device.type:
            case "cuda":
                there = torch.cuda.get_rng_state(self.setup.device)
            case "mps":
                there = torch.mps.get_rng_state()
            case _:
                return {"cpu": torch.get_rng_state()}
        return {"cpu": torch.get_rng_state(), "device": there}

    def restore_random(self, states: dict[str, Tensor]) -> None:
        """Put them back."""
        torch.set_rng_state(states["cpu"])
        if self.setup.device.type == "cuda":
            torch.cuda.set_rng_state(states["device"], self.setup.device)
        elif self.setup.device.type == "mps":
            torch.mps.set_rng_state(states["device"])
