"""The one training loop: supervised, self-supervised, distillation and self-distillation alike."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import Error
from ..core.schedules import SCHEDULES, warm_up
from ..core.seeds import derive
from ..experiment.config import Config
from ..experiment.device import check_precision, make_fabric
from ..experiment.optimizers import OPTIMIZERS, optimizer_options
from ..experiment.setup import Setup
from ..methods import Method
from ..metrics import METRICS, check_monitor, due, evaluate, monitored
from ..models import evaluating
from .course import Checkpoints, Course, kept_modules

Hook = Callable[[int, Setup], Mapping[str, float]]  # (epochs done, setup) -> numbers that join the line of the log


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
        {
            "params": parameters,
            "factor": config.head_lr if in_head else 1.0,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (in_head, decays), parameters in groups.items()
    ]
    options = optimizer_options(
        config.optimizer, config.optimizer_hp, momentum=config.momentum, nesterov=config.nesterov
    )
    return OPTIMIZERS[config.optimizer](given, config.lr, **options)


def fit(setup: Setup, checkpoints: Checkpoints, hooks: Sequence[Hook] = (), bar: Any = None) -> dict[str, Any]:
    """Train `setup.method` for `config.epochs` epochs, from the last checkpoint if there is one.

    Returns how many `epochs` it trained for and what that took: `seconds` by the clock, and `cpu_seconds`, which count
    the threads of this process and not those of others. With `config.patience` training stops after
    so many validations without a better value of the metric that is watched, the best epoch's weights are put back, and
    `best_epoch` and `selected_on`, the column of that metric, are told.

    All random draws of an epoch come from generators seeded by (seed, epoch), and all schedules are functions of
    progress, so a run that continues at an epoch boundary ends bit-identical to one that was never interrupted. So does
    one that continues within an epoch: such a checkpoint has the states of the generators too. The losses stay on the
    device until one is written, or the epoch is over. A loss that is not finite raises an `Error` that names the term
    and the step; the last checkpoint stays in place.
    """
    config, method, batches = setup.config, setup.method, setup.batches
    check_precision(config, setup.device)
    check_monitor(setup)
    course = Course(setup, checkpoints, make_fabric(config), make_optimizer(method, config))
    best = course.best
    part, metric = "test" if config.select == "test" else "val", monitored(config)
    module, course.optimizer = course.fabric.setup(method, course.optimizer)
    held = round(method.held_megabytes, 2)
    if bar is not None:
        bar.update(course.epoch * batches.steps + (course.within["step"] if course.within else 0))
    for epoch in range(course.epoch + 1, 0 if course.stop else config.epochs + 1):
        line = {"epoch": epoch, **_one_epoch(course, module, bar)}
        last, elapsed = epoch == config.epochs, course.epoch_seconds
        course.done(epoch)
        if last or epoch % config.evaluate_every == 0:
            names = due(setup, "validation")
            line |= evaluate(setup, part, dict.fromkeys([*names, metric] if best else names))
            if best is not None:
                score = line.get(f"{part}/{metric}", math.nan)
                if not math.isfinite(score):
                    raise Error(f"patience cannot watch {metric}, which is not one finite number: give another monitor")
                best.see(METRICS[metric].sign * score, epoch, method)
                course.stop = best.spent and method.may_stop(epoch / config.epochs)
        with evaluating(method):
            for hook in hooks:
                line |= hook(epoch, setup)
        line |= {
            "seconds": round(elapsed, 4),
            "images_per_second": round(batches.steps * batches.images_per_step / elapsed),
            "method_mb": held,
        }
        checkpoints.log(line)
        if last or course.stop or checkpoints.due():
            course.save()
        if bar is not None:
            bar.set_postfix({name: f"{line[name]:.3f}" for name in line if name.startswith("loss")}, refresh=False)
        if course.stop:
            break
    told = {"epochs": course.epoch, "seconds": round(course.seconds, 3), "cpu_seconds": round(course.cpu_seconds, 3)}
    if best is None:
        return told
    kept_modules(method).load_state_dict(best.state["weights"])
    return {**told, "best_epoch": best.state["epoch"], "selected_on": f"{part}/{metric}"}


def _one_epoch(course: Course, module: Any, bar: Any) -> dict[str, float]:
    """Every batch of an epoch, a step each; the last learning rate, and the means of the loss and of its terms."""
    setup, optimizer, epoch = course.setup, course.optimizer, course.epoch
    config, method, batches = setup.config, setup.method, setup.batches
    total, before, within = config.epochs * batches.steps, epoch * batches.steps, course.within or {}
    torch.manual_seed(derive(config.seed, "epoch", epoch))  # dropout and whatever else draws globally
    if within:
        course.restore_random(within["random"])
    method.train()
    history = list(within.get("losses", torch.empty(0)).to(setup.device))
    course.start()
    for step, batch in enumerate(
        batches.epoch(config.seed, epoch, within.get("step", 0), within.get("batches")), within.get("step", 0) + 1
    ):
        progress = (before + step - 1) / total
        lr = learning_rate(config, progress + 0.5 / total)  # the middle of the step: never 0
        for group in optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        loss, terms = module(batch, progress)
        optimizer.zero_grad()
        course.fabric.backward(loss)
        optimizer.step()
        method.after_step(progress)
        history.append(torch.stack([loss.detach(), *terms.values()]))
        names = ["loss", *(f"loss/{name}" for name in terms)]
        if step < batches.steps and course.checkpoints.due(within=True):
            _means(losses := torch.stack(history).cpu(), names, before)  # no state with a loss that is not finite
            course.save_within(step, losses)
        if bar is not None:
            bar.update()
    method.after_epoch((epoch + 1) / config.epochs)
    means = _means(torch.stack(history).cpu(), names, before)
    course.count()
    return {"lr": lr, **means}


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
