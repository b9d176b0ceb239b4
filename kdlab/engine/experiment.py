"""`run(config) -> Result`: train what a Config describes, once; whatever it stands on is run first."""

import logging
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from . import cost, evaluate
from .augment import AUGMENTATIONS
from .config import Config
from .data import Batches, ImageSet, Normalise, Split, load, split
from .errors import Error
from .methods import METHODS, Method
from .models import Features, Network, build, evaluating
from .seeds import derive, generator
from .store import RunFolder, data_key, identity
from .train import fit


@dataclass(frozen=True)
class Result:
    """A finished run: config, folder, metrics (accuracies in percent), and on demand its network and log."""

    config: Config
    folder: Path
    metrics: dict[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.metrics[name]

    @property
    def images(self) -> ImageSet:
        """The data set of the run, at its size."""
        return load(self.config.dataset, self.config.size)

    def network(self, trained: bool = True) -> Network:
        """The trained network, or the one that training would start from without `init`; on the CPU, in eval mode."""
        from safetensors.torch import load_file

        net = _build(self.config)
        if trained:
            net.load_state_dict(load_file(self.folder / "weights.safetensors"))
        return net.eval()

    def parts(self) -> dict[str, nn.Module]:
        """What the method kept beside the network (heads, branches), by name; on the CPU, in eval mode."""
        from safetensors.torch import load_file

        parts = _untrained(self.config).parts
        weights = load_file(self.folder / "parts.safetensors") if parts else {}
        for name, part in parts.items():
            own = {key.removeprefix(f"{name}."): w for key, w in weights.items() if key.startswith(f"{name}.")}
            part.load_state_dict(own)
            part.eval()
        return parts

    def test_features(self, trained: bool = True) -> Features:
        """Pooled features and logits of the test images, in their order."""
        images = self.images
        normalise = Normalise(images.mean, images.std) if self.config.normalise else Normalise([0.0], [1.0])
        return evaluate.look(self.network(trained), images.test_x, normalise)

    def log(self):
        """One row per epoch: loss, each term, learning rate, validation, seconds (pandas DataFrame)."""
        import pandas as pd

        return pd.read_json(self.folder / "log.jsonl", lines=True)


def run(config: Config) -> Result:
    """Run an experiment and return its `Result`.

    Finished before: the stored result comes back at once. Half done: it goes on from the last checkpoint and ends
    bit-identical to an uninterrupted run. New: its `teacher` and `init` are run first, then it trains. Two processes
    that want the same run train it once. Config, data and networks that do not fit together are refused before anything
    trains, and nothing is written.
    """
    folder = RunFolder(config, identity(config, _fingerprints(config)))
    if stored := folder.result():
        return Result(config, folder.path, stored)
    _check(config)
    stages = {role: run(stage) for role, stage in _stages(config).items()}
    with folder.locked():
        if stored := folder.result():  # another process was faster
            return Result(config, folder.path, stored)
        with _own_generators():
            metrics = _train(config, stages, folder)
    return Result(config, folder.path, metrics)


def run_seeds(config: Config, seeds: Iterable[int]) -> list[Result]:
    """`run` for each seed; the seed replaces that of the teacher and the initial run as well."""
    return [run(config.seeded(seed)) for seed in seeds]


class Stage(NamedTuple):
    """What a run takes from one that it stands on."""

    network: Network
    parts: dict[str, nn.Module]


def _stages(config: Config) -> dict[str, Config]:
    """The runs that this one stands on."""
    return {role: stage for role in ("teacher", "init") if (stage := getattr(config, role))}


def _own_generators():
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def _check(config: Config) -> None:
    """Put the whole pipeline together with untrained networks, which raises what would go wrong later."""
    for stage in _stages(config).values():
        _check(stage)
    _assemble(config, _untrained_stages(config), _fabric(config).device)


def _untrained(config: Config) -> Method:
    """The method of a run, with untrained networks throughout."""
    return _method(config, _untrained_stages(config))


def _untrained_stages(config: Config) -> dict[str, Stage]:
    methods = {role: _untrained(stage) for role, stage in _stages(config).items()}
    return {role: Stage(method.model, method.parts) for role, method in methods.items()}


def _train(config: Config, stages: dict[str, Result], folder: RunFolder) -> dict[str, Any]:
    fabric = _fabric(config)
    finished = {role: Stage(result.network(), result.parts()) for role, result in stages.items()}
    data, method, batches = _assemble(config, finished, fabric.device)
    folder.open()
    normalise = batches.normalise

    def validate() -> dict[str, float]:
        if config.select == "test":
            return _scores(method, data, normalise, "test")
        if not len(data.val_y):
            return {}
        return _scores(method, data, normalise, "val") | _collapse(method, data, batches, config.seed)

    total = config.epochs * batches.steps
    quiet = os.environ.get("KDLAB_PROGRESS") == "0"
    name = f"{config.method} {config.model} seed {config.seed}"
    with tqdm(total=total, desc=name, unit="step", leave=False, disable=quiet) as bar:
        trained = fit(method, batches, config, fabric, folder, validate, bar)
    return folder.finish(method, {
        **validate(),
        **_scores(method, data, normalise, "test"),
        **(_probe(method, data, normalise) if not method.trains_head else {}),
        **cost.report(method.model, data.x.shape[1:]),
        "labels": len(data.labelled),
        "images_seen": trained["epochs"] * batches.steps * batches.images_per_step,
        **trained,
        "selected_on": config.select if config.patience is not None else None,
        "environment": _environment(fabric),
    })  # fmt: skip


def _fingerprints(config: Config) -> dict[str, str]:
    """The fingerprint of the data of this run and of every run it stands on."""
    prints = {data_key(config): load(config.dataset, config.size).fingerprint()}
    for stage in _stages(config).values():
        prints |= _fingerprints(stage)
    return prints


def _build(config: Config) -> Network:
    images = load(config.dataset, config.size)
    return build(
        config.model, len(images.classes), images.channels, config.width, derive(config.seed, "model"),
        pretrained=config.pretrained,
    )  # fmt: skip


def _assemble(config: Config, stages: dict[str, Stage], device: torch.device) -> tuple[Split, Method, Batches]:
    """Data, method and batches of a run from what its teacher and its initial run left."""
    images = load(config.dataset, config.size)
    data = split(
        images, config.labels, config.validation, config.split_seed, noise=config.noise, noise_kind=config.noise_kind
    )
    if config.patience is not None and config.select == "validation" and not len(data.val_y):
        raise Error(f"patience watches the validation images, and validation={config.validation} of them leaves none")
    method = _method(config, stages, data.y)
    for module in filter(None, (method, method.teacher, *method.teacher_parts.values())):
        module.to(device, memory_format=torch.channels_last)  # 1.1 to 1.5 times faster on CPUs, more with tensor cores
    family = AUGMENTATIONS[config.augment or images.style]
    batches = Batches(
        data, [family[role] for role in method.views], shared=method.shared and family[method.shared],
        draw=method.draw, batch=config.batch, steps=config.steps, ratio=method.hp.get("ratio", 1),
        cutout=config.cutout, cutmix=config.cutmix, normalise=config.normalise, device=device,
    )  # fmt: skip
    return data, method, batches


def _method(config: Config, stages: dict[str, Stage], labels: Tensor | None = None) -> Method:
    """The method of a run on training images with these labels."""
    images = load(config.dataset, config.size)
    model = _build(config)
    if "init" in stages:
        _start_from(model, stages["init"].network)
    teacher, parts = stages.get("teacher", (None, {}))
    if teacher is not None and teacher.num_classes != model.num_classes:
        known, new = teacher.num_classes, model.num_classes
        raise Error(f"the teacher knows {known} classes and {config.dataset} has {new}: they must be the same")
    if teacher is not None and (seen := load(config.teacher.dataset, config.teacher.size).channels) != images.channels:
        raise Error(
            f"the teacher sees {seen} channels and {config.dataset} has {images.channels}: they must be the same"
        )
    with _own_generators():
        torch.manual_seed(derive(config.seed, "method"))
        return METHODS[config.method](
            model, teacher, weights=config.weights, teacher_parts=parts, labels=labels, batch=config.batch,
            epochs=config.epochs, shape=tuple(images.train_x.shape[1:]), **config.hp,
        )  # fmt: skip


def _start_from(model: Network, source: Network) -> None:
    """Load the weights of another network; a head for other classes stays new."""
    weights, own = source.state_dict(), model.state_dict()
    if source.num_classes != model.num_classes:
        weights |= {name: own[name] for name in own if name.startswith("head.")}
    if odd := [name for name in own if weights[name].shape != own[name].shape]:
        raise Error(f"the initial weights do not fit: {odd[0]} differs in shape, the images have other channels")
    model.load_state_dict(weights)


def _scores(method: Method, data: Split, normalise: Normalise, part: str) -> dict[str, float]:
    """Accuracy on the validation or test images; for a method without a trained head, of the kNN probe."""
    x, y = (data.val_x, data.val_y) if part == "val" else (data.images.test_x, data.images.test_y)
    seen = evaluate.look(method.model, x, normalise)
    if method.trains_head:
        return {f"{part}_accuracy": round(evaluate.accuracy(seen.logits, y), 4)}
    rows = data.labelled
    bank = evaluate.look(method.model, data.x[rows], normalise).pooled
    guess = evaluate.knn(bank, data.y[rows], seen.pooled)
    return {f"{part}_knn": round(100 * (guess == y).double().mean().item(), 4)}


def _collapse(method: Method, data: Split, batches: Batches, seed: int) -> dict[str, float]:
    """Collapse diagnostics of a self-supervised method, on two views of at most 512 validation images."""
    draw = generator(seed, "diagnostics", device=batches.device)
    images = data.val_x[:512].to(batches.device)
    with evaluating(method):
        views = [method.embed(batches.normalise(view(images, draw))) for view in batches.views[:2]]
    return {} if None in views else evaluate.collapse(*views)


def _probe(method: Method, data: Split, normalise: Normalise) -> dict[str, float]:
    """Test accuracy of a linear probe on the labelled images' features, chosen on the validation images."""
    parts = {"train": data.x[data.labelled], "val": data.val_x, "test": data.images.test_x}
    pooled = {part: evaluate.look(method.model, x, normalise).pooled if len(x) else x for part, x in parts.items()}
    probe = evaluate.linear_probe(pooled["train"], data.y[data.labelled], pooled["val"], data.val_y)
    score = probe.score(pooled["test"].numpy(), data.images.test_y.numpy())
    return {"test_probe": round(100 * score, 4)}


def _fabric(config: Config):
    from lightning_fabric import Fabric

    kind, _, index = config.device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdigit())):
        raise Error(f"device={config.device!r}: choose auto, cpu, cuda, cuda:0, cuda:1, ..., or mps")
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise Error(
            f"device={config.device!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices; 'auto' takes the best"
        )
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)  # it announces AMP every time
    return Fabric(accelerator=kind, devices=[int(index)] if index else 1, precision=config.precision)


def _environment(fabric) -> dict[str, Any]:
    """What the numbers were measured on."""
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        commit = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True).stdout.strip()
    except OSError:  # no git on this machine
        commit = ""
    return {
        "python": platform.python_version(), "torch": torch.__version__, "system": platform.system(),
        "device": str(fabric.device), "threads": torch.get_num_threads(), "commit": commit or None,
    }  # fmt: skip
