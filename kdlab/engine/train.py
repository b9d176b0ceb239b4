"""The one training loop: supervised, self-supervised, distillation and self-distillation alike."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..config import Config
from ..errors import Error
from ..methods import Method
from ..metrics import METRICS, due, evaluate, monitored
from ..models import evaluating
from ..optimizers import OPTIMIZERS, optimizer_options
from ..schedules import SCHEDULES, warm_up
from ..seeds import derive
from ..setup import Setup
from .device import make_fabric

Hook = Callable[[int, Setup], Mapping[str, float]]  # (epochs done, setup) -> numbers that join the line of the log


class Checkpoints(Protocol):
    """Where the loop keeps its state between epochs; see `kdlab.engine.store.RunFolder`."""

    def load(self) -> dict[str, Any] | None: ...
    def due(self) -> bool: ...
    def save(self, state: dict[str, Any]) -> None: ...
    def log(self, line: dict[str, Any]) -> None: ...


def learning_rate(config: Config, progress: float) -> float:
    """The learning rate at `progress` in [0, 1]: warm-up times the named schedule."""
    options = {"milestones": config.milestones, "decay": config.decay} if config.schedule == "step" else {}
    return config.lr * warm_up(progress, config.warmup) * SCHEDULES[config.schedule](progress, **options)


def make_optimizer(method: Method, config: Config) -> torch.optim.Optimizer:
    """One optimiser over all trainable parameters; the classifier's group has its own factor on the learning rate."""
    head = set(method.model.head.parameters())
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for parameter in filter(lambda p: p.requires_grad, method.parameters()):
        decays = config.decay_all or parameter.ndim > 1
        groups.setdefault((parameter in head, decays), []).append(parameter)
    given = [
        {"params": parameters, "factor": config.head_lr if in_head else 1.0,
         "weight_decay": config.weight_decay if decays else 0.0}
        for (in_head, decays), parameters in groups.items()
    ]  # fmt: skip
    options = optimizer_options(
        config.optimizer, config.optimizer_hp, momentum=config.momentum, nesterov=config.nesterov
    )  # fmt: skip
    return OPTIMIZERS[config.optimizer](given, config.lr, **options)


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


def fit(setup: Setup, checkpoints: Checkpoints, hooks: Sequence[Hook] = (), bar: Any = None) -> dict[str, Any]:
    """Train `setup.method` for `config.epochs` epochs, from the last checkpoint if there is one.

    Returns how many `epochs` it trained for and what that took: `seconds` by the clock, and `cpu_seconds`, which count
    the threads of this process and not those of others. With `config.patience` training stops after
    so many validations without a better value of the metric that is watched, the best epoch's weights are put back, and
    `best_epoch` and `selected_on`, the column of that metric, are told.

    All random draws of an epoch come from generators seeded by (seed, epoch), and all schedules are functions of
    progress, so a run that continues at an epoch boundary ends bit-identical to one that was never interrupted. The
    losses stay on the device until the epoch is over. A loss that is not finite raises an `Error` that names the term
    and the step; the last checkpoint stays in place.
    """
    config, method, batches = setup.config, setup.method, setup.batches
    fabric, optimizer = make_fabric(config), make_optimizer(method, config)
    start, seconds, cpu_seconds, stop, best = 0, 0.0, 0.0, False, None
    if state := checkpoints.load():
        method.load_state_dict(state["method"])
        optimizer.load_state_dict(state["optimizer"])
        fabric.strategy.precision.load_state_dict(state["precision"])  # the loss scale of half precision
        start, seconds, stop = state["epoch"], state["seconds"], state["stop"]
        cpu_seconds = state.get("cpu_seconds", 0.0)  # a checkpoint of version 0.2 does not say
    part, metric = "test" if config.select == "test" else "val", monitored(config)
    if config.patience is not None:
        best = Best(config.patience, state and state["best"])
    module, optimizer = fabric.setup(method, optimizer)
    held = round(method.held_megabytes, 2)
    if bar is not None:
        bar.update(start * batches.steps)
    for epoch in range(start, start if stop else config.epochs):
        began, cpu_began = time.perf_counter(), time.process_time()
        line = {"epoch": epoch + 1, **_one_epoch(setup, epoch, fabric, module, optimizer, bar)}
        elapsed = time.perf_counter() - began
        seconds += elapsed
        cpu_seconds += time.process_time() - cpu_began
        last = epoch + 1 == config.epochs
        if last or (epoch + 1) % config.evaluate_every == 0:
            names = due(setup, "validation")
            line |= evaluate(setup, part, dict.fromkeys([*names, metric] if best else names))
            if best is not None:
                score = line.get(f"{part}/{metric}", math.nan)
                if not math.isfinite(score):
                    raise Error(f"patience cannot watch {metric}, which is not one finite number: give another monitor")
                best.see(METRICS[metric].sign * score, epoch + 1, method)
                stop = best.spent and method.may_stop((epoch + 1) / config.epochs)
        with evaluating(method):
            for hook in hooks:
                line |= hook(epoch + 1, setup)
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
                "precision": fabric.strategy.precision.state_dict(), "epoch": start, "seconds": seconds,
                "cpu_seconds": cpu_seconds, "stop": stop,
            })  # fmt: skip
        if bar is not None:
            bar.set_postfix({name: f"{line[name]:.3f}" for name in line if name.startswith("loss")}, refresh=False)
        if stop:
            break
    told = {"epochs": start, "seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}
    if best is None:
        return told
    kept_modules(method).load_state_dict(best.state["weights"])
    return {**told, "best_epoch": best.state["epoch"], "selected_on": f"{part}/{metric}"}


def _one_epoch(
    setup: Setup, epoch: int, fabric: Any, module: Any, optimizer: torch.optim.Optimizer, bar: Any
) -> dict[str, float]:  # fmt: skip
    """Every batch of an epoch, a step each; the last learning rate, and the means of the loss and of its terms."""
    config, method, batches = setup.config, setup.method, setup.batches
    total = config.epochs * batches.steps
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
    method.after_epoch((epoch + 1) / config.epochs)
    names = ["loss", *(f"loss/{name}" for name in terms)]
    return {"lr": lr, **_means(torch.stack(history).cpu(), names, epoch * batches.steps)}


def _means(history: Tensor, names: list[str], before: int) -> dict[str, float]:
    """Epoch means of what was recorded at each step (steps, names); the first value that is not finite raises."""
    for step, values in enumerate(history.tolist() if not history.isfinite().all() else [], start=before + 1):
        bad = {name: value for name, value in zip(names, values, strict=True) if not math.isfinite(value)}
        if bad:
            name = next((name for name in bad if name != "loss"), "loss")
            raise Error(
                f"the loss term {name.removeprefix('loss/')} became {bad[name]} at step {step}: the last good "
                "checkpoint is kept, try a smaller lr"
            )
    return dict(zip(names, (round(mean, 6) for mean in history.double().mean(0).tolist()), strict=True))
