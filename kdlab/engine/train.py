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
from .optimizers import OPTIMIZERS
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
    groups: dict[tuple[bool, bool], list] = {}
    for parameter in filter(lambda p: p.requires_grad, method.parameters()):
        decays = config.decay_all or parameter.ndim > 1
        groups.setdefault((parameter in head, decays), []).append(parameter)
    return OPTIMIZERS[config.optimizer]([
        {"params": parameters, "factor": config.head_lr if in_head else 1.0,
         "weight_decay": config.weight_decay if decays else 0.0}
        for (in_head, decays), parameters in groups.items()
    ], config)  # fmt: skip


class Best:
    """Early stopping: the best validation so far, its weights, and how many came after it without a better one."""

    def __init__(self, patience: int, state: dict | None):
        self.patience = patience
        self.state = state or {"score": -math.inf, "epoch": 0, "since": 0, "weights": {}}

    def see(self, score: float, epoch: int, method: Method) -> None:
        if score > self.state["score"]:
            weights = {name: tensor.detach().clone() for name, tensor in method.model.state_dict().items()}
            self.state = {"score": score, "epoch": epoch, "since": 0, "weights": weights}
        else:
            self.state["since"] += 1

    @property
    def spent(self) -> bool:
        return self.state["since"] >= self.patience


def method_megabytes(method: Method) -> float:
    """What a method holds beside the network it trains: heads, branches, copies, queues, tables; in MB."""
    count = lambda module: sum(t.numel() * t.element_size() for t in module.state_dict().values())  # noqa: E731
    return round((count(method) - count(method.model)) / 1e6, 2)


def fit(
    method: Method, batches: Batches, config: Config, fabric, checkpoints: Checkpoints,
    validate: Callable[[], dict], bar=None,
) -> dict:  # fmt: skip
    """Train `method` for `config.epochs` epochs, from the last checkpoint if there is one.

    Returns how many `epochs` it trained for and the `seconds` that took. With `config.patience` training stops after
    so many validations without a better first score, the best epoch's weights are put back, and `best_epoch` is told.

    All random draws of an epoch come from generators seeded by (seed, epoch), and all schedules are functions of
    progress, so a run that continues at an epoch boundary ends bit-identical to one that was never interrupted. The
    losses stay on the device until the epoch is over. A loss that is not finite raises an `Error` that names the term
    and the step; the last checkpoint stays in place.
    """
    optimizer = make_optimizer(method, config)
    start, seconds, stop, best = 0, 0.0, False, None
    if state := checkpoints.load():
        method.load_state_dict(state["method"])
        optimizer.load_state_dict(state["optimizer"])
        fabric.strategy.precision.load_state_dict(state["precision"])  # the loss scale of half precision
        start, seconds, stop = state["epoch"], state["seconds"], state["stop"]
    if config.patience is not None:
        best = Best(config.patience, state and state["best"])
    module, optimizer = fabric.setup(method, optimizer)
    total = config.epochs * batches.steps
    held = method_megabytes(method)
    if bar is not None:
        bar.update(start * batches.steps)
    for epoch in range(start, start if stop else config.epochs):
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
            method.after_step(progress)
            history.append(torch.stack([loss.detach(), *terms.values()]))
            if bar is not None:
                bar.update()
        done = (epoch + 1) / config.epochs
        method.after_epoch(done)
        means = _means(torch.stack(history).cpu(), ["loss", *terms], epoch * batches.steps)
        elapsed = time.perf_counter() - began
        seconds += elapsed
        last = epoch + 1 == config.epochs
        line = {"epoch": epoch + 1, "lr": lr, **means}
        if last or (epoch + 1) % config.evaluate_every == 0:
            line |= (scores := validate())
            if best is not None:
                best.see(next(iter(scores.values())), epoch + 1, method)
                stop = best.spent and method.may_stop(done)
        line |= {
            "seconds": round(elapsed, 4),
            "images_per_second": round(batches.steps * batches.images_per_step / elapsed),
            "method_mb": held,
        }
        checkpoints.log(line)
        start = epoch + 1
        if last or stop or checkpoints.due():
            checkpoints.save({
                "method": method.state_dict(), "optimizer": optimizer.state_dict(), "best": best and best.state,
                "precision": fabric.strategy.precision.state_dict(), "epoch": start, "seconds": seconds, "stop": stop,
            })  # fmt: skip
        if bar is not None:
            bar.set_postfix({name: f"{value:.3f}" for name, value in means.items()}, refresh=False)
        if stop:
            break
    if best is None:
        return {"epochs": start, "seconds": round(seconds, 3)}
    method.model.load_state_dict(best.state["weights"])
    return {"epochs": start, "best_epoch": best.state["epoch"], "seconds": round(seconds, 3)}


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
