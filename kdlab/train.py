"""The one training loop: supervised, self-supervised, distillation and self-distillation alike."""

import math
import time
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from .config import Config
from .data import Batches
from .errors import Error
from .methods import Method
from .schedules import SCHEDULES, warm_up
from .seeds import derive


class Checkpoints(Protocol):
    """Where the loop keeps its state between epochs; see `kdlab.store.RunFolder`."""

    def load(self) -> dict | None: ...
    def due(self) -> bool: ...
    def save(self, state: dict) -> None: ...
    def log(self, line: dict) -> None: ...


def learning_rate(config: Config, progress: float) -> float:
    """The learning rate at `progress` in [0, 1]: warm-up times the named schedule."""
    options = {"milestones": config.milestones, "decay": config.decay} if config.schedule == "step" else {}
    return config.lr * warm_up(progress, config.warmup) * SCHEDULES[config.schedule](progress, **options)


def make_optimizer(method: Method, config: Config) -> torch.optim.Optimizer:
    """One optimiser over all trainable parameters; the classifier's group has its own factor on the learning rate."""
    head = set(method.model.head.parameters())
    trained = [p for p in method.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p not in head], "factor": 1.0},
        {"params": [p for p in trained if p in head], "factor": config.head_lr},
    ]
    if config.optimizer == "sgd":
        momentum = {"momentum": config.momentum, "nesterov": config.nesterov}
        return torch.optim.SGD(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True, **momentum)
    return torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def fit(
    method: Method, batches: Batches, config: Config, fabric, checkpoints: Checkpoints,
    validate: Callable[[], dict], bar=None,
) -> float:  # fmt: skip
    """Train `method` for `config.epochs` epochs, from the last checkpoint if there is one; returns the seconds it took.

    All random draws of an epoch come from generators seeded by (seed, epoch), and all schedules are functions of
    progress, so a run that continues at an epoch boundary ends bit-identical to one that was never interrupted. The
    losses stay on the device until the epoch is over. A loss that is not finite raises an `Error` that names the term
    and the step; the last checkpoint stays in place.
    """
    optimizer = make_optimizer(method, config)
    start, seconds = 0, 0.0
    if state := checkpoints.load():
        method.load_state_dict(state["method"])
        optimizer.load_state_dict(state["optimizer"])
        start, seconds = state["epoch"], state["seconds"]
    module, optimizer = fabric.setup(method, optimizer)
    total = config.epochs * batches.steps
    if bar is not None:
        bar.update(start * batches.steps)
    for epoch in range(start, config.epochs):
        began = time.perf_counter()
        torch.manual_seed(derive(config.seed, "epoch", epoch))  # dropout and whatever else draws globally
        method.train()
        history = []
        for i, batch in enumerate(batches.epoch(config.seed, epoch)):
            progress = (epoch * batches.steps + i) / total
            lr = learning_rate(config, progress + 0.5 / total)  # the middle of the step: never 0
            for group in optimizer.param_groups:
                group["lr"] = lr * group["factor"]
            loss, terms = module(batch, progress)
            optimizer.zero_grad()
            fabric.backward(loss)
            optimizer.step()
            method.after_step((epoch * batches.steps + i + 1) / total)
            history.append(torch.stack([loss.detach(), *terms.values()]))
            if bar is not None:
                bar.update()
        means = _means(torch.stack(history).cpu(), ["loss", *terms], epoch * batches.steps)
        elapsed = time.perf_counter() - began
        seconds += elapsed
        last = epoch + 1 == config.epochs
        line = {"epoch": epoch + 1, "lr": lr, **means}
        if last or (epoch + 1) % config.evaluate_every == 0:
            line |= validate()
        line |= {
            "seconds": round(elapsed, 4),
            "images_per_second": round(batches.steps * batches.images_per_step / elapsed),
        }
        checkpoints.log(line)
        if last or checkpoints.due():
            state = {"method": method.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoints.save({**state, "epoch": epoch + 1, "seconds": seconds})
        if bar is not None:
            bar.set_postfix({name: f"{value:.3f}" for name, value in means.items()}, refresh=False)
    return seconds


def _means(history: Tensor, names: list[str], before: int) -> dict[str, float]:
    """Epoch means of what was recorded at each step (steps, names); the first value that is not finite raises."""
    for step, values in enumerate(history.tolist() if not history.isfinite().all() else [], start=before + 1):
        bad = {name: value for name, value in zip(names, values, strict=True) if not math.isfinite(value)}
        if bad:
            name = next((name for name in bad if name != "loss"), "loss")
            raise Error(
                f"the loss term {name} became {bad[name]} at step {step}: the last good checkpoint is kept, try a smaller lr"
            )
    return dict(zip(names, (round(mean, 6) for mean in history.double().mean(0).tolist()), strict=True))
