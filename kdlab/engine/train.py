"""The training loop, the same for all methods."""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..core.errors import Error
from ..core.memory import keep_freed
from ..core.schedules import SCHEDULES, warm_up
from ..core.seeds import derive
from ..experiment.config import Config
from ..experiment.device import check_precision, make_fabric
from ..experiment.optimizers import OPTIMIZERS, optimizer_options
from ..experiment.setup import Setup
from ..methods import Method
from ..metrics import METRICS, check_monitor, due, evaluate, monitored
from ..models import evaluating
from .heads import fit_head
from .store import RunFolder

if TYPE_CHECKING:
    from .devices import Team

Measure = Callable[[int, Setup], Mapping[str, float]]  # (epochs done, setup) -> numbers that join the line of the log


def learning_rate(config: Config, progress: float) -> float:
    """Return the learning rate at `progress` in [0, 1]: warm-up times the schedule."""
    options = {"milestones": config.milestones, "decay": config.decay} if config.schedule == "step" else {}
    return config.lr * warm_up(progress, config.warmup) * SCHEDULES[config.schedule](progress, **options)


def make_optimizer(method: Method, config: Config) -> torch.optim.Optimizer:
    """Build the optimiser; the classifier's group has its own factor on the rate."""
    head = set(method.model.head.parameters())
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for parameter in filter(lambda p: p.requires_grad, method.parameters()):
        decays = config.decay_all or parameter.ndim > 1
        groups.setdefault((parameter in head, decays), []).append(parameter)
    parameter_groups = [
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
    return OPTIMIZERS[config.optimizer](parameter_groups, config.lr, **options)


def kept_modules(method: Method) -> nn.ModuleDict:
    """Return the modules that are stored: the network, kept heads and branches."""
    return nn.ModuleDict({"model": method.model, **{f"part {name}": part for name, part in method.parts.items()}})


def conditions(setup: Setup) -> dict[str, str]:
    """Return what else decides the last digits of a number: devices, threads, torch.

    Other numbers of devices or threads add in another order, another version of torch or device has other kernels.
    """
    device = setup.device.type
    threads = {"threads": str(torch.get_num_threads())} if device == "cpu" else {}
    return {"device": device, "devices": str(setup.config.devices), **threads, "torch": str(torch.__version__)}


class Training:
    """Hold the training state, which `save` writes into a checkpoint.

    `RunFolder.save` adds the log, the run's hash and digests of code. It begins where the last checkpoint in `folder`
    left it. `within` is how far the epoch `epoch` (counted from 0) is: the `step` that is next, the `losses` (steps,
    terms) until then, the states of all generators; None at its start. `best` is for early stopping: score, epoch and
    weights of the best validation, and how many came `since`. `seconds` and `cpu_seconds` are of all training so far
    without validations, `epoch_seconds` of this epoch.
    """

    def __init__(self, setup: Setup, folder: RunFolder | None, team: "Team | None") -> None:
        self.setup, self.folder, self.team = setup, folder, team
        self.fabric = make_fabric(setup.config)
        self.optimizer = make_optimizer(setup.method, setup.config)
        self.epoch, self.stop, self.within = 0, False, None
        self.seconds = self.cpu_seconds = self.epoch_seconds = 0.0
        state = folder.load() if folder else None
        if team is not None:
            state = team.agree(state)
        nothing: dict[str, Any] = {"score": -math.inf, "epoch": 0, "since": 0, "weights": {}}
        self.best = None if setup.config.patience is None else (state and state["best"]) or nothing
        if state:
            setup.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])  # the loss scale of half precision
            self.epoch, self.stop, self.seconds = state["epoch"], state["stop"], state["seconds"]
            self.cpu_seconds = state.get("cpu_seconds", 0.0)  # a checkpoint of version 0.2 does not say
            self.within, self.epoch_seconds = state.get("within"), state.get("epoch_seconds", 0.0)
            # Batches are drawn on the host; dropout, and methods that draw from the global generators, on the device
            if self.within and self.within.get("drawn", True) and (then := self.within["device"]) != setup.device.type:
                raise Error(
                    f"this run stopped within an epoch on {then}, whose random numbers {setup.device.type} does not "
                    f"have: go on with device={then}, or train it anew (fresh=True, kdlab run --fresh)"
                )
            before = state.get("conditions", {})  # a checkpoint of version 0.2 does not say
            now = conditions(setup)
            odd = [
                f"{name} {before[name]} before, {now[name]} now"
                for name in now
                if before.get(name, now[name]) != now[name]
            ]
            if odd:
                name = f"{setup.config.method} {setup.config.model} seed {setup.config.seed}"
                warnings.warn(
                    f"{name} goes on from a checkpoint under other conditions ({'; '.join(odd)}): its numbers will "
                    "differ in the last digits from those of a run without a break",
                    stacklevel=2,
                )

    def save(self, folder: RunFolder) -> None:
        """Write a checkpoint."""
        folder.save(
            {
                "method": self.setup.method.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best": self.best,
                "precision": self.fabric.strategy.precision.state_dict(),
                "epoch": self.epoch,
                "stop": self.stop,
                "seconds": self.seconds,
                "cpu_seconds": self.cpu_seconds,
                "within": self.within,
                "epoch_seconds": self.epoch_seconds,
                "conditions": conditions(self.setup),
            }
        )

    def save_within(self, folder: RunFolder, step: int, losses: Tensor) -> None:
        """Write a checkpoint between two steps of an epoch."""
        self.count()
        random = self._random()
        self.within = {
            "step": step,
            "losses": losses,
            "batches": self.setup.batches.state(),
            "random": random,
            "drawn": any(not torch.equal(state, self._seeded[name]) for name, state in random.items()),
            "device": self.setup.device.type,
        }
        self.save(folder)
        self.start()

    def start(self) -> None:
        """Start the clock."""
        self._began = time.perf_counter(), time.process_time()

    def count(self) -> None:
        """Stop the clock, and add the time since `start`."""
        elapsed = time.perf_counter() - self._began[0]
        self.seconds += elapsed
        self.epoch_seconds += elapsed
        self.cpu_seconds += time.process_time() - self._began[1]

    def _random(self) -> dict[str, Tensor]:
        """Return the states of torch's global generators, from which dropout draws."""
        match self.setup.device.type:
            case "cuda":
                there = torch.cuda.get_rng_state(self.setup.device)
            case "mps":
                there = torch.mps.get_rng_state()
            case _:
                return {"cpu": torch.get_rng_state()}
        return {"cpu": torch.get_rng_state(), "device": there}

    def seed(self) -> None:
        """Seed torch's global generators for the epoch, or restore them within it."""
        torch.manual_seed(derive(self.setup.config.seed, "epoch", self.epoch))
        self._seeded = self._random()
        if not self.within or self.within["device"] != self.setup.device.type:
            return
        states = self.within["random"]
        torch.set_rng_state(states["cpu"])
        if self.setup.device.type == "cuda":
            torch.cuda.set_rng_state(states["device"], self.setup.device)
        elif self.setup.device.type == "mps":
            torch.mps.set_rng_state(states["device"])


def fit(
    setup: Setup, folder: RunFolder | None = None, measures: Sequence[Measure] = (), bar: Any = None
) -> dict[str, Any]:
    """Train `setup.method`, from the last checkpoint in `folder` if there is one.

    Without a folder neither checkpoint nor log is kept.

    Returns how many `epochs` it trained for and what that took: `seconds` by the clock, and `cpu_seconds`, which count
    the threads of this process and not those of others. With `config.patience` training stops after so many validations
    without a better value of the metric that is watched, the best epoch's weights are put back, and `best_epoch` and
    `selected_on`, the column of that metric, are returned too.

    All random draws of an epoch come from generators seeded by (seed, epoch), and all schedules are functions of
    progress, so a run that continues at an epoch boundary ends bit-identical to one that was never interrupted. So does
    one that continues within an epoch: such a checkpoint has the states of the generators too. The losses stay on the
    device until one is written, or the epoch is over. A loss that is not finite raises an `Error` that names the term
    and the step; a checkpoint stays in place. With `config.devices` other processes train along (see `devices`).
    The head of a frozen network is fitted at once instead (see `fit_head`).
    """
    check_precision(setup.config, setup.device)
    check_monitor(setup)
    if setup.method.fits_head:
        return fit_head(setup, folder, measures)
    if setup.config.devices == 1:
        return train(setup, folder, measures, bar)
    from .devices import together

    with together(setup) as team:
        return train(setup, folder, measures, bar, team)


def train(
    setup: Setup,
    folder: RunFolder | None = None,
    measures: Sequence[Measure] = (),
    bar: Any = None,
    team: "Team | None" = None,
) -> dict[str, Any]:
    """Do what `fit` describes in this process, which may be one of a team."""
    keep_freed()
    config, method, batches = setup.config, setup.method, setup.batches
    training = Training(setup, folder, team)
    best = training.best
    part, metric = "test" if config.select == "test" else "val", monitored(config)
    module, training.optimizer = training.fabric.setup(method, training.optimizer)
    held = round(method.held_megabytes, 2)
    if bar is not None:
        bar.update(training.epoch * batches.steps + (training.within["step"] if training.within else 0))
    for epoch in range(training.epoch + 1, 0 if training.stop else config.epochs + 1):
        line = {"epoch": epoch, **_one_epoch(training, module, bar)}
        last, elapsed = epoch == config.epochs, training.epoch_seconds
        training.epoch, training.within, training.epoch_seconds = epoch, None, 0.0
        if (team is None or team.first) and (last or epoch % config.evaluate_every == 0):
            names = due(setup, "validation")
            line |= evaluate(setup, part, dict.fromkeys([*names, metric] if best else names))
            if best is not None:
                score = line.get(f"{part}/{metric}", math.nan)
                if not math.isfinite(score):
                    raise Error(f"patience cannot watch {metric}, which is not one finite number: give another monitor")
                score *= METRICS[metric].sign  # the larger the better
                best["since"] += 1
                if score > best["score"]:
                    weights = {n: tensor.detach().clone() for n, tensor in kept_modules(method).state_dict().items()}
                    best.update(score=score, epoch=epoch, since=0, weights=weights)
                training.stop = best["since"] >= config.patience and method.may_stop(epoch / config.epochs)
        if team is not None:
            training.stop = team.agree(training.stop)
        with evaluating(method):
            for measure in measures:
                line |= measure(epoch, setup)
        line |= {
            "seconds": round(elapsed, 4),
            "images_per_second": round(batches.steps * batches.images_per_step / elapsed),
            "method_mb": held,
        }
        if folder is not None:
            folder.log(line)
            if last or training.stop or folder.due():
                training.save(folder)
        if bar is not None:
            bar.set_postfix({name: f"{line[name]:.3f}" for name in line if name.startswith("loss")}, refresh=False)
        if training.stop:
            break
    columns = {
        "epochs": training.epoch,
        "seconds": round(training.seconds, 3),
        "cpu_seconds": round(training.cpu_seconds, 3),
    }
    if best is None:
        return columns
    kept_modules(method).load_state_dict(best["weights"])
    return {**columns, "best_epoch": best["epoch"], "selected_on": f"{part}/{metric}"}


def _one_epoch(training: Training, module: Any, bar: Any) -> dict[str, float]:
    """Train an epoch; return the last learning rate, the mean loss and its terms."""
    setup, optimizer, epoch = training.setup, training.optimizer, training.epoch
    config, method, batches = setup.config, setup.method, setup.batches
    total, before, within = config.epochs * batches.steps, epoch * batches.steps, training.within or {}
    training.seed()
    method.train()
    history = list(within["losses"].to(setup.device)) if within else []
    training.start()
    for step, batch in enumerate(
        batches.epoch(config.seed, epoch, within.get("step", 0), within.get("batches")), within.get("step", 0) + 1
    ):
        progress = (before + step - 1) / total
        lr = learning_rate(config, progress + 0.5 / total)  # the middle of the step: never 0
        for group in optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        with training.team or nullcontext():
            loss, terms = module(batch, progress)
        optimizer.zero_grad()
        training.fabric.backward(loss)
        if training.team is not None:
            training.team.average()
        optimizer.step()
        method.after_step(progress)
        history.append(torch.stack([loss.detach(), *terms.values()]))
        names = ["loss", *(f"loss/{name}" for name in terms)]
        if step < batches.steps and training.folder and training.folder.due(within=True):
            _means(losses := torch.stack(history).cpu(), names, before, training.folder)  # no state with NaN
            training.save_within(training.folder, step, losses)
        if bar is not None:
            bar.update()
    method.after_epoch((epoch + 1) / config.epochs)
    means = _means(torch.stack(history).cpu(), names, before, training.folder)
    training.count()
    return {"lr": lr, **means}


def _means(history: Tensor, names: list[str], before: int, folder: RunFolder | None) -> dict[str, float]:
    """Return the means of losses (steps, names); one that is not finite is an `Error`."""
    for step, values in enumerate(history.tolist() if not history.isfinite().all() else [], start=before + 1):
        bad = {name: value for name, value in zip(names, values, strict=True) if not math.isfinite(value)}
        if bad:
            name = next((name for name in bad if name != "loss"), "loss")
            kept = "the last good checkpoint is kept" if folder and folder.has_checkpoint() else "nothing is kept"
            term = name.removeprefix("loss/")
            raise Error(f"the loss term {term} became {bad[name]} at step {step}: {kept}, try a smaller lr")
    return dict(zip(names, (round(mean, 6) for mean in history.double().mean(0).tolist()), strict=True))
