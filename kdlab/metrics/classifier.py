"""Metrics of logits: accuracy, accuracy by class, likelihood, calibration."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..experiment.setup import Setup


def accuracy(logits: Tensor, y: Tensor, k: int = 1) -> float:
    """Return how often the `k` largest logits (n, K) hold the right class, in percent."""
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices if k > 1 else logits.argmax(1, keepdim=True)
    return 100.0 * (best == y[:, None]).any(1).double().mean().item()


def confusion(logits: Tensor, y: Tensor) -> Tensor:
    """Count which class is taken for which: (K, K), int64, from logits (n, K).

    Row i holds those of class y = i, column j those whose largest logit is the j-th: the diagonal counts what is right,
    the sums of the rows how many each class has.
    """
    K = logits.shape[1]
    return torch.bincount(y * K + logits.argmax(1), minlength=K * K).view(K, K)


def distinct(classes: Sequence[str]) -> list[str]:
    """Make names of classes unique.

    Where several classes share a name, each has its number behind it, counted from 0.
    """
    count = Counter(classes)
    names = [f"{name} ({k})" if count[name] > 1 else name for k, name in enumerate(classes)]
    return names if len(set(names)) == len(names) else distinct(names)


def nll(logits: Tensor, y: Tensor) -> float:
    """Return the mean negative log-likelihood of the right classes, in nats.

    The mean of -log softmax(logits)[y] over rows (n, K). Uniform logits give log K.
    """
    return F.cross_entropy(logits.double(), y).item()


def calibration_error(logits: Tensor, y: Tensor, bins: int = 15, adaptive: bool = False) -> float:
    """Return how far confidence is from accuracy, in percent.

    The sum over bins of (share of rows) |accuracy - mean confidence|. The confidence of a row of logits (n, K) is its
    largest probability. The bins divide (0, 1] into equal widths (the expected calibration error of Guo et al. 2017, 15
    bins), or, `adaptive`, the rows sorted by confidence into equal numbers (Nguyen & O'Connor 2015), which does not
    leave most bins to a few rows when a network is sure of nearly all. A network that is always sure and half the time
    right has 50; one that is as often right as it says has 0.
    """
    confidence, guess = logits.double().softmax(1).max(1)
    gap = (guess == y).double() - confidence
    if adaptive:
        groups = gap[confidence.argsort(stable=True)].tensor_split(bins)
        return 100.0 * sum(group.sum().abs().item() for group in groups) / len(y)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    index = torch.bucketize(confidence, edges)  # (low, high], as in the authors' code
    return 100.0 * torch.zeros(bins, dtype=torch.float64).index_add_(0, index, gap).abs().sum().item() / len(y)


def of_logits(measure: Callable[..., float], setup: Setup, part: str, **options: Any) -> float:
    """Measure the logits of a part of the data beside its classes."""
    return measure(setup.features(part).logits, setup.part(part)[1], **options)


def of_accuracy(setup: Setup, part: str) -> float:
    """How often the largest logit is that of the right class."""
    return accuracy(setup.features(part).logits, setup.part(part)[1])


def of_per_class(setup: Setup, part: str) -> dict[str, float]:
    """How often the network is right on the images of each class, by name.

    A class without images has no number.
    """
    counts = confusion(setup.features(part).logits, setup.part(part)[1]).double()
    images = counts.sum(1)
    shares = zip(distinct(setup.images.classes), (100 * counts.diag() / images).tolist(), images.tolist(), strict=True)
    return {name: share for name, share, n in shares if n}


def of_omitted(setup: Setup, part: str) -> float | None:
    """How often the network is right on classes that `omit` kept out of training.

    Runs that omit no class have no such number.
    """
    if part == "train" or not setup.config.omit:
        return None
    y = setup.part(part)[1]
    rows = torch.isin(y, torch.tensor(setup.config.omit))
    return accuracy(setup.features(part).logits[rows], y[rows]) if rows.any() else None
