"""What frozen features are worth on another data set, with few labels or all."""

from collections.abc import Callable, Iterable, Mapping

import pandas as pd
import torch
from torch import Tensor

from ..core.errors import Error, known, lookup
from ..core.hyper import plain
from ..core.seeds import generator
from ..data import ImageSet, pick
from ..experiment.config import Config
from ..experiment.setup import Setup, chain_images
from ..metrics import extract, linear_probe, nearest_centroid
from .report import summary
from .result import Result


def logistic(train: Tensor, train_y: Tensor, queries: Tensor) -> Tensor:
    """Predict classes (m,) of queries (m, D): `linear_probe` at strength 1."""
    probe = linear_probe(train, train_y, train[:0], train_y[:0])  # no label is left to choose another strength
    return torch.from_numpy(probe.predict(queries.numpy()))


# (labelled features (n, D), their classes (n,), features (m, D)) -> predicted classes (m,)
HEADS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"logistic": logistic, "centroid": nearest_centroid}


def transfer(
    results: Result | Mapping[str, Result],
    dataset: str,
    size: int | None = None,
    shots: int | None = 5,
    seeds: Iterable[int] = range(10),
    head: str = "logistic",
    baseline: str | None = None,
) -> pd.DataFrame:
    """Tabulate `transfer_scores` of a run, or of several by name.

    A row each: mean, 95 % interval over draws, n. With a `baseline` (one of the names) also the mean difference to
    it, paired by draw, with its own interval. An interval tells what other labelled images would give, not what another
    training of the network would.
    """
    named = results if isinstance(results, Mapping) else {_checked(results).folder.name: results}
    if baseline is not None:
        known("network", baseline, named)
    seeds = _seeds(seeds)
    scores = {name: transfer_scores(result, dataset, size, shots, seeds, head) for name, result in named.items()}
    if baseline is None:
        return summary(scores)
    others = {name: values for name, values in scores.items() if name != baseline}
    gained = {name: [a - b for a, b in zip(values, scores[baseline], strict=True)] for name, values in others.items()}
    return summary(scores, gained, baseline)


def transfer_scores(
    result: Result,
    dataset: str,
    size: int | None = None,
    shots: int | None = 5,
    seeds: Iterable[int] = range(10),
    head: str = "logistic",
) -> list[float]:
    """Return how often a classifier on frozen features is right, in percent, by draw.

    It is measured on the test images of another data set. The features are the pooled ones of the run's trained
    network, of images brought to `size` x `size` pixels (None: those that it was trained at) and normalised as it knows
    it, with the mean and deviation of its own data set. The classifier, key of HEADS, learns from `shots` labelled
    training images a class; each of `seeds` draws others, the same ones for every network, and those of fewer shots are
    among those of more.

    `shots=None`: from all labelled training images, one score. That is linear transfer as Tian et al. (ICLR 2020, CRD)
    and Xu et al. (ECCV 2020, SSKD) have it, networks of CIFAR-100 on STL-10 and Tiny-ImageNet at 32 pixels, but for the
    classifier: theirs is trained by SGD, this one until it converges.
    """
    classify, seeds, shots = lookup("head", head, HEADS), _seeds(seeds), plain(shots)
    if shots is not None and (not isinstance(shots, int) or isinstance(shots, bool) or shots < 1):
        raise Error(f"shots={shots!r}: give a number of images a class, 1 or more, or None for all")
    setup = _checked(result).setup(teacher=False)
    images = _images(setup, dataset, size)
    draws = _draws(images, dataset, shots, seeds)
    rows = torch.cat(draws).unique()
    parts = pick(images.train_x, rows), images.test_x
    train, test = (extract(setup.method.model, x, setup.normalise).pooled for x in parts)
    scores = []
    for draw in draws:
        guess = classify(train[torch.searchsorted(rows, draw)], images.train_y[draw], test)
        scores.append(100 * (guess == images.test_y).double().mean().item())
    return scores


def _checked(result: Result) -> Result:
    if not isinstance(result, Result):
        raise Error(f"{result!r} is no Result: give run(config), or several by name, {{'student': run(config), ...}}")
    return result


def _seeds(seeds: Iterable[int]) -> list[int]:
    seeds = plain(seeds)
    if isinstance(seeds, str) or not isinstance(seeds, Iterable) or not (listed := plain(list(seeds))):
        raise Error(f"seeds={seeds!r}: give several, such as range(10)")
    if odd := [seed for seed in listed if not isinstance(seed, int) or isinstance(seed, bool)]:
        raise Error(f"seeds={listed!r}: {odd[0]!r} is no whole number")
    if len(set(listed)) < len(listed):
        raise Error(f"seeds={listed} holds a draw twice, which would pass for evidence: give each seed once")
    return listed


def _images(setup: Setup, dataset: str, size: int | None) -> ImageSet:
    """Load the data set at the image size of the run, or another."""
    *_, height, width = setup.images.train_x.shape
    if size is None and height != width:
        raise Error(f"the network was trained on images of {height} x {width} pixels: give size=, in pixels per side")
    wanted = Config(dataset=dataset, size=height if size is None else size)
    images = chain_images(wanted)[wanted.dataset, wanted.size]
    if (channels := setup.images.channels) != images.channels:
        raise Error(f"the network sees {channels} channels and {dataset} has {images.channels}: they must be the same")
    return images


def _draws(images: ImageSet, dataset: str, shots: int | None, seeds: Iterable[int]) -> list[Tensor]:
    """Draw rows of labelled images: for each seed `shots` a class, or once all."""
    if shots is None:
        return [(images.train_y >= 0).nonzero()[:, 0]]
    members = [(images.train_y == label).nonzero()[:, 0] for label in range(len(images.classes))]
    for name, rows in zip(images.classes, members, strict=True):
        if len(rows) < shots:
            raise Error(f"shots={shots}: class {name} of {dataset} has {len(rows)} labelled training images")
    draws = []
    for seed in seeds:
        draw = generator(seed, "shots")
        draws.append(torch.cat([rows[torch.randperm(len(rows), generator=draw)[:shots]] for rows in members]))
    return draws
