"""`assemble(config) -> Setup`: data, networks, method and batches of a run.

Nothing is written or trained.
"""

import copy
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from ..core.errors import Error, known
from ..core.moving import to_device, to_host
from ..core.places import installed_memory, memory_limit
from ..core.seeds import derive
from ..data import (
    Batches,
    Images,
    ImageSet,
    Normalise,
    Pixels,
    Split,
    files_of,
    load,
    load_for_frozen,
    origin,
    pick,
    same_images,
    split,
)
from ..data.augment import AUGMENTATIONS
from ..data.listing import Shared, shared
from ..methods import METHODS, Method
from ..models import Features, Network, build, evaluating, own_numbers, reading_as
from .config import Config
from .device import device_of, layout
from .frozen import FrozenFeatures, FrozenTeacher, dry_run, teach

T = TypeVar("T")
PARTS = ("train", "val", "test")  # the labelled training images, the validation images, the test images
SMALLEST = 8  # pixels a side that every network takes
NAMED = 12  # classes of which a sentence names all
MANY = 10_000  # training images; below them no table of a method is large


class Foundation(NamedTuple):
    """What a run takes from its teacher run or its initial run."""

    network: Network
    parts: dict[str, nn.Module]  # heads and branches that the method of that run keeps


class Kept(NamedTuple):
    """What a frozen teacher at another size answers from."""

    features: FrozenFeatures
    rows: Tensor  # (n,), where the training images of the run stand in the data set


@dataclass
class Setup:
    """What training and evaluation of a run need.

    `kdlab.assemble(config)` makes it.

    `nested` holds the setups of the teacher run and the initial run, by role ("teacher", "init").
    """

    config: Config
    data: Split
    method: Method
    batches: Batches
    nested: "dict[str, Setup]" = field(default_factory=dict)
    frozen: FrozenFeatures | None = None  # of a network that stays as it is
    _cache: dict[Any, Any] | None = field(default=None, repr=False)

    @property
    def images(self) -> ImageSet:
        """The data set, at the size of the run."""
        return self.data.images

    @property
    def normalise(self) -> Normalise:
        """The module that turns uint8 images (n, C, H, W) into what the network sees."""
        return self.batches.normalise

    @property
    def device(self) -> torch.device:
        """The device that the run trains on."""
        return self.batches.device

    @property
    def foundation(self) -> Foundation:
        """What a run takes that stands on this one."""
        return Foundation(self.method.model, self.method.parts)

    def part(self, name: str) -> tuple[Pixels, Tensor]:
        """Return uint8 images (n, C, H, W) and labels (n,) of one of PARTS.

        "train" has the images with a label.
        """
        match known("part", name, PARTS):
            case "train":
                rows = self.data.labelled
                return pick(self.data.x, rows), self.data.y[rows]
            case "val":
                return self.data.val_x, self.data.val_y
        return self.images.test_x, self.images.test_y

    def features(self, part: str, *, stay: bool = False) -> Features:
        """Compute pooled features (n, D) and logits (n, classes) of a part's images.

        They are in order, and `maps` is empty. With `stay` they are on the device of the run, else on the host.
        """
        return self._features("features", self.method.model, part, stay)

    def teacher_features(self, part: str, *, stay: bool = False) -> Features:
        """Compute the teacher's features of a part's images."""
        if self.method.teacher is None:
            raise ValueError(f"method {self.config.method!r} has no teacher")
        return self._features("teacher", self.method.teacher, part, stay)

    def _features(self, name: str, net: Network, part: str, stay: bool) -> Features:
        features = self.once((name, part), lambda: self._extract(net, part))
        return features if stay else self.once((name, part, "host"), lambda: to_host(features))

    def _extract(self, net: Network, part: str) -> Features:
        """Return the features of a part on the network's device.

        Those of a frozen teacher at another size, and of pre-trained weights that everybody shares, are kept.
        """
        shared = self.frozen if self.config.pretrained and self.config.init is None else None
        kept = net.kept if isinstance(net, FrozenTeacher) else shared
        if kept is None:
            return extract(net, self.part(part)[0], self.normalise, stay=True)
        with evaluating(net) as device:
            pooled = to_device(kept.pooled(*self._where(part)), device)
            return Features((), pooled, net.head(pooled).float())

    def _where(self, part: str) -> tuple[str, Tensor]:
        """Return which images of the data set a part holds: the data set's part, and rows."""
        match known("part", part, PARTS):
            case "train":
                return "train", self.data.rows[self.data.labelled]
            case "val" if self.data.val_rows is not None:
                return "train", self.data.val_rows
        return part, torch.arange(len(self.part(part)[1]))

    def rebuilt(self) -> "Setup":
        """Return the same setup with its method built anew, on what its stages are now."""
        foundations = {role: stage.foundation for role, stage in self.nested.items()}
        kept = _kept(self.config, self.data, self.nested)
        method = build_method(self.config, self.images, self.data.y, foundations, self.device, kept)
        return replace(self, method=method, frozen=_frozen(method, self.images, self.normalise))

    @contextmanager
    def cached(self) -> "Iterator[Setup]":
        """Cache results of `once` inside this context, where weights do not change."""
        outer, self._cache = self._cache, {} if self._cache is None else self._cache
        try:
            yield self
        finally:
            self._cache = outer

    def once(self, key: Any, compute: Callable[[], T]) -> T:
        """Return `compute()`, or what it gave for the same key inside the same `cached()`."""
        if self._cache is None:
            return compute()
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]


def extract(net: Network, images: Pixels, normalise: Normalise, batch: int = 512, *, stay: bool = False) -> Features:
    """Compute pooled features and logits of uint8 images (n, C, H, W) in eval mode.

    They are on the host, or with `stay` on the network's device; `maps` is empty.
    """
    with evaluating(net) as device:
        chunks = [net.features(normalise(to_device(x, device)))[1:] for x in images.split(batch)]
    pooled, logits = (torch.cat(part).float() for part in zip(*chunks, strict=True))
    return Features((), pooled, logits) if stay else to_host(Features((), pooled, logits))


def assemble(config: Config, images: Images | None = None) -> Setup:
    """Put a run and the runs that it stands on together, with untrained networks.

    What cannot work is refused here, but for a `monitor` (see `check_monitor`): data that are not there, networks that
    do not fit, a label budget that is too small; and images that somebody has written into since they were loaded. Give
    `images` to use others than those that the names in the config stand for.
    """
    for each in (images or {}).values():
        if each.changed():
            raise Error(
                f"somebody has written into the images or labels of {each.name} since they were loaded: run or load "
                "again reads them anew, and changes belong into a copy, images.train_x.clone()"
            )
    return _assemble(config, images or chain_images(config), {})


def chain_images(config: Config) -> Images:
    """Load the images of all runs of a chain.

    This is the only place where a run reads data.
    """
    if not isinstance(config, Config):
        raise Error(f"{config!r} describes no run: give a Config, such as Config(method='supervised', labels=100)")
    wanted: dict[tuple[str, int | None], bool] = {}  # and whether all runs that want it read each image once
    for each in config.chain():
        once = METHODS[each.method].fits_head and each.pretrained and each.init is None
        wanted[each.dataset, each.size] = once and wanted.get((each.dataset, each.size), True)
    return {key: (load_for_frozen if once else load)(*key).settled() for key, once in wanted.items()}


def _assemble(config: Config, images: Images, splits: dict[tuple, Split]) -> Setup:
    nested = {role: _assemble(run, images, splits) for role, run in config.nested.items()}
    dataset = images[config.dataset, config.size]
    subset = (
        config.labels,
        config.validation,
        config.split_seed,
        config.noise,
        config.noise_kind,
        config.omit,
        config.imbalance,
    )
    key = (config.dataset, config.size, *subset)
    if key not in splits:  # the runs of one chain mostly share it, and it is a copy of the images
        splits[key] = split(dataset, *subset)
    data = splits[key]
    _check_images(config, dataset, data)
    _check_nested(config, dataset, nested)
    device = device_of(config)
    foundations, kept = {role: setup.foundation for role, setup in nested.items()}, _kept(config, data, nested)
    method = build_method(config, dataset, data.y, foundations, device, kept)
    family, first = AUGMENTATIONS[config.augment or dataset.style], images[config.start.dataset, config.start.size]
    mean, std = _numbers(config, first)
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
        mean=mean,
        std=std,
        device=device,
    )
    if kept is not None:
        shape = len(method.views), sum(pool.count for pool in batches.pools), *data.x.shape[1:]
        with own_generators():
            dry_run(method, torch.empty(shape, device="meta"))
    if method.sampling == "all" and not method.trains_head and config.batch > len(data.x):
        warnings.warn(
            f"batch={config.batch} is more than the {len(data.x):,} training images: a batch holds images several "
            "times, and what contrasts images takes these for different ones (false negatives); give "
            f"batch={len(data.x)} or less",
            stacklevel=2,
        )
    return Setup(config, data, method, batches, nested, _frozen(method, dataset, batches.normalise))


def _frozen(method: Method, images: ImageSet, normalise: Normalise) -> FrozenFeatures | None:
    """Return the features of a network that stays as it is, computed when asked for."""
    return FrozenFeatures(method.model, images, normalise) if method.fits_head else None


def _kept(config: Config, data: Split, nested: Mapping[str, Setup]) -> Kept | None:
    """Return what the teacher answers from, where it sees the images at another size."""
    teacher = nested.get("teacher")
    if teacher is None or teacher.frozen is None or teacher.images.train_x.shape[2:] == data.x.shape[2:]:
        return None
    return Kept(teacher.frozen, data.rows)


def _numbers(config: Config, first: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation by which the images of a chain are normalised.

    `first` are the images that it began with.
    """
    return own_numbers(config.start.model, config.start.pretrained) or (first.mean, first.std)


# Networks and methods


def build_network(config: Config, images: ImageSet, first: ImageSet | None = None) -> Network:
    """Build the network that training starts from without `init`, on the CPU.

    It carries the classes of its images, and the mean and deviation of these or of the `first` in its chain; or the own
    ones of pre-trained weights.
    """
    classes, network = max(1, len(images.classes)), METHODS[config.method].network
    seed = derive(config.seed, "model")
    if network is None:
        net = build(config.model, classes, images.channels, config.width, seed, pretrained=config.pretrained)
    else:
        with own_generators():
            _, C, H, W = images.train_x.shape
            net = network(classes, (C, H, W))
    net.classes = images.classes
    net.mean, net.std = _numbers(config, first or images) if config.normalise else ((0.0,), (1.0,))
    return net


def build_method(
    config: Config,
    images: ImageSet,
    labels: Tensor,
    foundations: Mapping[str, Foundation],
    device: torch.device | str = "cpu",
    kept: Kept | None = None,
) -> Method:
    """Build a run's method on `device`, for images with these labels (-1: none).

    `foundations` are what the teacher run and the initial run left, by role; `kept` is what a frozen teacher at another
    size answers from.
    """
    model = build_network(config, images)
    if "init" in foundations:
        _start_from(model, foundations["init"].network)
    teacher, teacher_parts = foundations.get("teacher", (None, {}))
    if teacher is not None and kept is not None:
        teacher = FrozenTeacher(teacher, *kept)
    elif teacher is not None:  # it sees the batches of this run, and reads them as the images that it was trained on
        teacher = reading_as(teacher, model.mean, model.std)
    _, C, H, W = images.train_x.shape

    def make(model: Network, teacher: Network | None, parts: Mapping[str, nn.Module]) -> Method:
        return METHODS[config.method](
            model,
            teacher,
            weights=config.weights,
            teacher_parts=parts,
            labels=labels,
            batch=config.batch,
            epochs=config.epochs,
            shape=(C, H, W),
            **config.hp,
        )

    with own_generators():
        if len(labels) > MANY and torch.device(device).type != "meta":
            # On the meta device tensors have shapes and take no memory
            copies = copy.deepcopy((model, teacher, teacher_parts))
            for module in filter(None, (*copies[:2], *copies[2].values())):
                module.to("meta")
            blank = None
            with suppress(RuntimeError, NotImplementedError), torch.device("meta"):
                blank = make(*copies)  # a method of yours may read values, which there are none of
            if blank is not None:
                check_room(config.method, blank, device)
        torch.manual_seed(derive(config.seed, "method"))
        method = make(model, teacher, teacher_parts)
    if isinstance(teacher, FrozenTeacher):
        teach(method, teacher)
    for module in filter(None, (method, method.teacher, *method.teacher_parts.values())):
        # Channels last: 1.1 to 1.5 times faster on CPUs, more on tensor cores
        module.to(device, non_blocking=torch.device(device).type != "mps")
        module.to(memory_format=layout(module, max(H, W), device))
    return method


def own_generators() -> AbstractContextManager:
    """Leave torch's global generators as they were."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def check_room(name: str, blank: Method, device: torch.device | str) -> None:
    """Refuse a method whose tables do not fit into memory; warn of large ones.

    `blank` is the method on the meta device, so that nothing is allocated before. The advice is the method's `instead`.
    """
    gpu = torch.device(device).type == "cuda"
    installed = (torch.cuda.get_device_properties(device).total_memory if gpu else installed_memory()) / 1e6
    needed = blank.held_megabytes
    advice = f": {METHODS[name].instead}" if METHODS[name].instead else ""
    message = f"{name} keeps {needed:,.0f} MB beside the network for {blank.samples:,} images"
    if needed > installed:
        raise Error(f"{message}, and {device} has {installed:,.0f}{advice or ', give it fewer images'}")
    if needed > memory_limit() / 1e6:
        warnings.warn(message + advice, stacklevel=2)


def _start_from(model: Network, source: Network) -> None:
    """Load the weights of another network, and its mean and deviation.

    The network reads images by these from then on.

    A head for other classes, or for another order of them, stays new.
    """
    weights, new = source.state_dict(), model.state_dict()
    if source.num_classes != model.num_classes or _difference(source.classes, model.classes):
        weights |= {name: new[name] for name in new if name.startswith("head.")}
    if odd := [name for name in new if weights[name].shape != new[name].shape]:
        raise Error(f"the initial weights do not fit: {odd[0]} differs in shape, the images have other channels")
    model.load_state_dict(weights)
    model.mean, model.std = source.mean, source.std


# What cannot work


def _check_images(config: Config, images: ImageSet, data: Split) -> None:
    """Refuse too few labels, nothing to watch for `patience`, or too small images."""
    method = METHODS[config.method]
    if not len(data.labelled) and (method.sampling != "all" or method.trains_head):
        able = ", ".join(key for key, each in METHODS.items() if each.sampling == "all" and not each.trains_head)
        raise Error(
            f"{config.dataset} has no labelled images, and method {config.method!r} needs them: choose {able}, or sort "
            "images into a folder for each class"
        )
    if config.patience is not None and config.select == "validation" and not len(data.val_y):
        raise Error(f"patience watches the validation images, and validation={config.validation} of them leaves none")
    *_, height, width = images.train_x.shape
    if min(height, width) < SMALLEST:
        raise Error(
            f"the images of {images.name} have {height} x {width} pixels, and networks take {SMALLEST} x {SMALLEST} or "
            f"more: give size={SMALLEST} or more"
        )


def _check_nested(config: Config, images: ImageSet, nested: Mapping[str, Setup]) -> None:
    """Refuse a teacher or initial run whose images do not go with those of the run."""
    if "teacher" in nested:
        _check_teacher(nested["teacher"], images, config)
    kept = "init" in nested and "model" in METHODS[config.method].frozen  # its classifier stays as well
    if kept and (difference := _difference(nested["init"].images.classes, images.classes)):
        raise Error(
            f"method {config.method!r} leaves the network as its init trained it: give it an init of the same classes "
            f"in the same order, {difference}"
        )
    for role, run in config.nested.items():
        for each in run.chain():
            _check_apart(config, each, role)


def _check_teacher(teacher: Setup, images: ImageSet, config: Config) -> None:
    """Refuse a teacher of other classes or channels, which no loss could compare.

    One of another size of the same images is refused too.
    """
    known_images, by_class = teacher.images, not METHODS[config.method].from_features
    if by_class and (difference := _difference(known_images.classes, images.classes)):
        counts = f"{len(known_images.classes)} classes and {config.dataset} has {len(images.classes)}"
        same_count = len(known_images.classes) == len(images.classes)
        what = f"other classes than {config.dataset}" if same_count else counts
        way = "" if teacher.config.dataset == config.dataset else f"; give teacher.dataset={config.dataset}"
        raise Error(f"the teacher knows {what}: they must be the same in the same order, {difference}{way}")
    if known_images.channels != images.channels:
        raise Error(
            f"the teacher sees {known_images.channels} channels and {config.dataset} has {images.channels}: they must "
            "be the same, give the teacher a dataset that fits"
        )
    if teacher.frozen is not None and teacher.config.dataset == config.dataset:
        if not torch.equal(known_images.train_y, images.train_y):
            raise Error(f"{config.dataset} gives other images at the teacher's size: its files changed meanwhile")
        return
    sides = [" x ".join(map(str, each.train_x.shape[2:])) for each in (known_images, images)]
    common = _shared_files(teacher.config.dataset, config.dataset) if sides[0] != sides[1] else None
    if sides[0] != sides[1] and (
        same_images(teacher.config.dataset, config.dataset) or (common is not None and common.train)
    ):
        raise Error(
            f"the teacher was trained on {teacher.config.dataset} at {sides[0]} pixels, and this run sees them at "
            f"{sides[1]}: give both the same size"
        )


def _check_apart(config: Config, earlier: Config, role: str) -> None:
    """Refuse an earlier run that learned labels of images which `config` holds out.

    Data sets of other names count too, where their files are the same.
    """
    common = _shared_files(earlier.dataset, config.dataset) if METHODS[earlier.method].trains_head else None
    if common is None:
        return
    message = f"{role} learns labels of {earlier.dataset} that are those of"
    if common.held:
        raise Error(f"{message} test images of {config.dataset}: give both the same data set")
    one_split = common.alike and (earlier.split_seed, earlier.validation) == (config.split_seed, config.validation)
    if common.labelled and (earlier.validation or config.validation) and not one_split:
        raise Error(f"{message} validation images of {config.dataset}: give both the same data set, or validation=0")


def _shared_files(name: str, other: str) -> Shared | None:
    """Return what two data sets in different folders share; None if no files say it."""
    if origin(name) == origin(other):
        return None
    with suppress(Error, OSError):  # what is wrong with files their reader says
        first, second = files_of(name), files_of(other)
        return shared(first, second) if first is not None and second is not None else None
    return None


def _difference(first: Sequence[str], second: Sequence[str]) -> str:
    """Describe how two lists of classes differ; return "" where they are the same.

    Names are compared as other systems write them, too.
    """
    here, there = ([unicodedata.normalize("NFC", name) for name in names] for names in (second, first))
    if there == here:
        return ""
    permuted = ", the same ones in another order" if sorted(there) == sorted(here) else ""
    return f"there {_listed(there, here)}, here {_listed(here, there)}{permuted}"


def _listed(names: Sequence[str], others: Sequence[str]) -> str:
    """Return the names, or of many those from the first on that differs."""
    if len(names) <= NAMED:
        return f"({', '.join(names)})"
    pairs = zip(names, others, strict=False)
    start = next((i for i, (name, other) in enumerate(pairs) if name != other), min(len(names), len(others)))
    some = names[start : start + NAMED]
    return f"(from number {start} on {', '.join(some)}{', ...' if start + len(some) < len(names) else ''})"
