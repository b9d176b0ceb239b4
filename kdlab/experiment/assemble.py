"""`assemble(config) -> Setup`: a run put together from data, method and batches; nothing is written or trained."""

import copy
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from ..core.errors import Error
from ..core.seeds import derive
from ..data import Batches, Images, ImageSet, Split, load, same_images, split
from ..data.augment import AUGMENTATIONS
from ..methods import METHODS, Method
from ..models import Network, build, reading_as
from .apart import check_apart, shared_files
from .config import Config
from .device import layout, make_fabric
from .room import check_room
from .setup import Setup, Stage

SMALLEST = 8  # pixels a side that every network takes
NAMED = 12  # classes of which a sentence names all


def assemble(config: Config, images: Images | None = None) -> Setup:
    """Put a run together, and before it what it stands on, with untrained networks throughout.

    What cannot work is refused here: data that are not there, networks that do not fit, a label budget that is too
    small; and images that somebody has written into since they were loaded. Give `images` to use others than those that
    the names in the config stand for.
    """
    for each in (images or {}).values():
        if each.changed():
            raise Error(
                f"somebody has written into the images or labels of {each.name} since they were loaded: run or load "
                "again reads them anew, and changes belong into a copy, images.train_x.clone()"
            )
    return _assemble(config, images or chain_images(config), {})


def chain_images(config: Config) -> Images:
    """The images of a run and of everything it stands on: the only place where a run reads data."""
    if not isinstance(config, Config):
        raise Error(f"{config!r} describes no run: give a Config, such as Config(method='supervised', labels=100)")
    wanted = dict.fromkeys((stage.dataset, stage.size) for stage in config.chain())
    return {key: load(*key).settled() for key in wanted}


def _assemble(config: Config, images: Images, splits: dict[tuple, Split]) -> Setup:
    stages = {role: _assemble(stage, images, splits) for role, stage in config.nested.items()}
    own = images[config.dataset, config.size]
    shown = (
        config.labels,
        config.validation,
        config.split_seed,
        config.noise,
        config.noise_kind,
        config.omit,
        config.imbalance,
    )
    key = (config.dataset, config.size, *shown)
    if key not in splits:  # stages of one chain mostly share it, and it is a copy of the images
        splits[key] = split(own, *shown)
    data = splits[key]
    _check_labels(data, config)
    if config.patience is not None and config.select == "validation" and not len(data.val_y):
        raise Error(f"patience watches the validation images, and validation={config.validation} of them leaves none")
    _check_sides(own)
    if "teacher" in stages:
        _check_teacher(stages["teacher"], own, config)
    if "init" in stages and "model" in METHODS[config.method].frozen:
        _check_kept(stages["init"].images, own, config)
    for role, stage in config.nested.items():
        for learned in stage.chain():
            check_apart(config, learned, role)
    device = make_fabric(config).device
    method = build_method(config, own, data.y, {role: stage_of(setup) for role, setup in stages.items()}, device)
    family, first = AUGMENTATIONS[config.augment or own.style], _first_images(config, images)
    batches = Batches(
        data,
        method.augmentations(family),
        shared=family[method.shared] if method.shared else None,
        sampling=method.sampling,
        batch=config.batch,
        steps=config.steps,
        ratio=method.ratio,
        cutout=config.cutout,
        cutmix=config.cutmix,
        normalise=config.normalise,
        mean=first.mean,
        std=first.std,
        device=device,
    )
    setup = Setup(config, data, method, batches, stages)
    _say_repeats(setup)
    return setup


def _check_labels(data: Split, config: Config) -> None:
    """Refuse a method that learns from labels where there are none."""
    method = METHODS[config.method]
    if len(data.labelled) or (method.sampling == "all" and not method.trains_head):
        return
    able = ", ".join(key for key, each in METHODS.items() if each.sampling == "all" and not each.trains_head)
    raise Error(
        f"{config.dataset} has no labelled images, and method {config.method!r} needs them: choose {able}, or sort "
        "images into a folder for each class"
    )


def stage_of(setup: Setup) -> Stage:
    """What a run takes from this one."""
    return Stage(setup.method.model, setup.method.parts)


def untrained(config: Config, images: Images) -> Network:
    """The network that training would start from without `init`, with the mean and deviation that the run goes by."""
    net = build_network(config, images[config.dataset, config.size])
    net.mean, net.std = _numbers(config, _first_images(config, images))
    return net


def _first_images(config: Config, images: Images) -> ImageSet:
    """The images that the chain of `init` began with."""
    return images[config.start.dataset, config.start.size]


def _numbers(config: Config, images: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation by which images are normalised."""
    return (images.mean, images.std) if config.normalise else ((0.0,), (1.0,))


def build_network(config: Config, images: ImageSet) -> Network:
    """The network that training would start from without `init`; on the CPU. It carries what it is trained on."""
    net = build(
        config.model,
        max(1, len(images.classes)),
        images.channels,
        config.width,
        derive(config.seed, "model"),
        pretrained=config.pretrained,
    )
    net.classes = images.classes
    net.mean, net.std = _numbers(config, images)
    return net


def build_method(
    config: Config, images: ImageSet, labels: Tensor, stages: Mapping[str, Stage], device: torch.device | str = "cpu"
) -> Method:
    """The method of a run on training images with these labels (-1: none), from what its stages left; on `device`."""
    model = build_network(config, images)
    if "init" in stages:
        _start_from(model, stages["init"].network)
    teacher, parts = stages.get("teacher", (None, {}))
    if teacher is not None:  # it sees the batches of this run, and reads them as the images that it was trained on
        teacher = reading_as(teacher, model.mean, model.std)
    with own_generators():
        _, C, H, W = images.train_x.shape

        def make(network: Network, labels: Tensor) -> Method:
            return METHODS[config.method](
                network,
                teacher,
                weights=config.weights,
                teacher_parts=parts,
                labels=labels,
                batch=config.batch,
                epochs=config.epochs,
                shape=(C, H, W),
                **config.hp,
            )

        check_room(config.method, lambda some: make(copy.deepcopy(model), some), labels, device)
        torch.manual_seed(derive(config.seed, "method"))
        method = make(model, labels)
    for module in filter(None, (method, method.teacher, *method.teacher_parts.values())):
        # Channels last: 1.1 to 1.5 times faster on CPUs, more on tensor cores
        module.to(device).to(memory_format=layout(module, max(H, W), device))
    return method


def own_generators() -> AbstractContextManager:
    """Leaves torch's global generators as they were."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def _check_sides(images: ImageSet) -> None:
    """Refuse images that are too small for a network."""
    *_, height, width = images.train_x.shape
    if min(height, width) < SMALLEST:
        raise Error(
            f"the images of {images.name} have {height} x {width} pixels, and networks take {SMALLEST} x {SMALLEST} or "
            f"more: give size={SMALLEST} or more"
        )


def _check_teacher(stage: Setup, own: ImageSet, config: Config) -> None:
    """Refuse a teacher of other classes or channels, which no loss could compare, or of another size of one image."""
    theirs = stage.images
    if told := _unlike(theirs.classes, own.classes):
        counts = f"{len(theirs.classes)} classes and {config.dataset} has {len(own.classes)}"
        what = counts if len(theirs.classes) != len(own.classes) else f"other classes than {config.dataset}"
        way = "" if stage.config.dataset == config.dataset else f"; give teacher.dataset={config.dataset}"
        raise Error(f"the teacher knows {what}: they must be the same in the same order, {told}{way}")
    if theirs.channels != own.channels:
        told = f"the teacher sees {theirs.channels} channels and {config.dataset} has {own.channels}"
        raise Error(f"{told}: they must be the same, give the teacher a dataset that fits")
    sides = [" x ".join(map(str, images.train_x.shape[2:])) for images in (theirs, own)]
    if sides[0] != sides[1] and _same_pictures(stage.config.dataset, config.dataset):
        told = f"the teacher was trained on {stage.config.dataset} at {sides[0]} pixels, and this run sees them at"
        raise Error(f"{told} {sides[1]}: give both the same size")


def _same_pictures(name: str, other: str) -> bool:
    """Whether two data sets hold the same images, or files in common to train on."""
    common = shared_files(name, other)
    return same_images(name, other) or (common is not None and common.train)


def _check_kept(theirs: ImageSet, own: ImageSet, config: Config) -> None:
    """Refuse other classes for a network that stays as its initial run has left it, classifier included."""
    if unlike := _unlike(theirs.classes, own.classes):
        raise Error(
            f"method {config.method!r} leaves the network as its init trained it: give it an init of the same classes "
            f"in the same order, {unlike}"
        )


def _unlike(theirs: Sequence[str], own: Sequence[str]) -> str:
    """How two lists of classes differ; nothing where they are the same, also as other systems write them."""
    first, second = ([unicodedata.normalize("NFC", name) for name in names] for names in (theirs, own))
    if first == second:
        return ""
    permuted = ", the same ones in another order" if sorted(first) == sorted(second) else ""
    return f"there {_listed(first, second)}, here {_listed(second, first)}{permuted}"


def _listed(names: Sequence[str], others: Sequence[str]) -> str:
    """The names, or of many those from the first on that differs."""
    if len(names) <= NAMED:
        return f"({', '.join(names)})"
    pairs = zip(names, others, strict=False)
    start = next((i for i, (name, other) in enumerate(pairs) if name != other), min(len(names), len(others)))
    some = names[start : start + NAMED]
    return f"(from number {start} on {', '.join(some)}{', ...' if start + len(some) < len(names) else ''})"


def _start_from(model: Network, source: Network) -> None:
    """Load the weights of another network, which reads images by its mean and deviation from then on.

    A head for other classes, or for another order of them, stays new.
    """
    weights, own = source.state_dict(), model.state_dict()
    if source.num_classes != model.num_classes or _unlike(source.classes, model.classes):
        weights |= {name: own[name] for name in own if name.startswith("head.")}
    if odd := [name for name in own if weights[name].shape != own[name].shape]:
        raise Error(f"the initial weights do not fit: {odd[0]} differs in shape, the images have other channels")
    model.load_state_dict(weights)
    model.mean, model.std = source.mean, source.std


def _say_repeats(setup: Setup) -> None:
    """Say that images are compared with themselves, where a batch that contrasts images holds some several times."""
    images, count = len(setup.data.x), setup.config.batch
    if setup.method.sampling == "all" and not setup.method.trains_head and count > images:
        warnings.warn(
            f"batch={count} is more than the {images:,} training images: a batch holds images several times, and what "
            f"contrasts images takes these for different ones (false negatives); give batch={images} or less",
            stacklevel=2,
        )
