"""What features are worth: nearest neighbours, a linear probe, nearest centroids."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.moving import to_device, to_host
from ..experiment.setup import Setup

if TYPE_CHECKING:  # scikit-learn takes a second to load, and most runs need no probe
    from sklearn.pipeline import Pipeline

COSINES = 2**26  # a quarter of a gigabyte
NEVER = -100.0  # the logit of a class without a labelled image, below those of all others
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # scikit-learn's C: the inverse of the L2 penalty
OF_PIXELS = (
    1e-4,
    1e-3,
    0.01,
    0.1,
    1.0,
)  # of photographs the best of STRENGTHS would be its smallest


def knn(bank: Tensor, bank_y: Tensor, queries: Tensor, k: int = 20, T: float = 0.07, same: bool = False) -> Tensor:
    """Predict classes (n,) of queries (n, D) by their nearest labelled neighbours.

    The k rows of the bank (m, D) with the largest cosine vote with weight exp(cos / T) (Wu et al. 2018; solo-learn's
    defaults). A bank with fewer rows than k votes as a whole; k=1 does not depend on T. `same`: the queries are the
    bank, and no row votes for itself. Of the cosines at most `COSINES` are in memory at a time. All is computed where
    the features are; labels on the host spare it a wait.
    """
    queries, unit, predictions = F.normalize(queries, dim=1), F.normalize(bank, dim=1).T, []
    classes, bank_y = int(bank_y.max()) + 1, to_device(bank_y, bank.device)
    for start in range(0, len(queries), step := max(1, COSINES // len(bank))):
        similarity = queries[start : start + step] @ unit
        if same:
            similarity.diagonal(start).fill_(-float("inf"))
        near, rows = similarity.topk(min(k, len(bank)), dim=1)
        votes = near.new_zeros(len(rows), classes).scatter_add_(1, bank_y[rows], ((near - 1) / T).exp())
        predictions.append(votes.argmax(1))
    return torch.cat(predictions) if predictions else bank_y[:0]


def linear_probe(
    train: Tensor, train_y: Tensor, val: Tensor, val_y: Tensor, strengths: Sequence[float] = STRENGTHS
) -> "Pipeline":
    """Fit logistic regression on frozen features (n, D), standardised.

    Its regularisation is chosen on the validation rows among `strengths`; without validation rows it is 1. Returns the
    fitted scikit-learn pipeline.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    def fitted(C: float) -> "Pipeline":
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
        # For few rows the threads of a linear-algebra library cost far more than they save
        with threadpool_limits(1 if train.numel() < 1e6 else None, user_api="blas"):
            return probe.fit(train.numpy(), train_y.numpy())

    if not len(val):
        return fitted(1.0)
    probes = [fitted(C) for C in strengths]
    return max(probes, key=lambda probe: probe.score(val.numpy(), val_y.numpy()))


def linear_layer(probe: "Pipeline", classes: int) -> tuple[Tensor, Tensor]:
    """Return weights (K, D) and biases (K,) that give a fitted probe's logits.

    Its standardisation is part of them. Of two classes scikit-learn has one logit z, the log of their odds; here they
    have -z / 2 and z / 2. A class that it never saw has weights 0 and bias -100.
    """
    scaler, regression = probe[0], probe[-1]
    coefficients, intercepts = (torch.from_numpy(each).double() for each in (regression.coef_, regression.intercept_))
    if len(regression.classes_) == 2:
        coefficients, intercepts = (torch.cat([-each, each]) / 2 for each in (coefficients, intercepts))
    mean, scale = (torch.from_numpy(each).double() for each in (scaler.mean_, scaler.scale_))
    known = torch.from_numpy(regression.classes_)
    weight = torch.zeros(classes, coefficients.shape[1], dtype=torch.float64)
    bias = torch.full((classes,), NEVER, dtype=torch.float64)
    weight[known] = coefficients / scale
    bias[known] = intercepts - weight[known] @ mean
    return weight.float(), bias.float()


def nearest_centroid(train: Tensor, train_y: Tensor, queries: Tensor) -> Tensor:
    """Predict classes (m,) of queries (m, D) by the nearest mean of labelled features.

    Means and Euclidean distances (Snell et al. 2017) of features that are brought to unit length before (Wang et al.
    2019, SimpleShot's L2N). Classes without a row are never said.
    """
    train, queries = (F.normalize(z, dim=1) for z in (train, queries))
    classes, row = train_y.unique(return_inverse=True)
    sums = torch.zeros(len(classes), train.shape[1]).index_add_(0, row, train)
    return classes[torch.cdist(queries, sums / row.bincount()[:, None]).argmin(1)]


def of_knn(setup: Setup, part: str) -> float:
    """How often the 20 nearest labelled training images vote for the right class."""
    bank, queries = (setup.features(name, stay=True).pooled for name in ("train", part))
    guess = knn(bank, setup.part("train")[1], queries, same=part == "train").cpu()
    return 100 * (guess == setup.part(part)[1]).double().mean().item()


def of_probe(setup: Setup, part: str, strengths: Sequence[float] = STRENGTHS) -> float:
    """How often logistic regression on the frozen features is right.

    It is fitted on the labelled training images.
    """

    labels = {name: setup.part(name)[1] for name in ("train", "val", part)}
    pooled = to_host({name: setup.features(name, stay=True).pooled for name in labels if len(labels[name])})
    val = pooled.get("val", pooled["train"][:0])
    probe = setup.once("probe", lambda: linear_probe(pooled["train"], labels["train"], val, labels["val"], strengths))
    return 100 * float(probe.score(pooled[part].numpy(), labels[part].numpy()))


probe_of_pixels = partial(of_probe, strengths=OF_PIXELS)


def of_better(setup: Setup, part: str) -> float:
    """How often the better of kNN and logistic regression on pixels is right.

    The validation images choose it; where both are equally good, or without validation images, it is kNN.
    """

    def choose() -> Callable[[Setup, str], float]:
        if len(setup.part("val")[1]) and probe_of_pixels(setup, "val") > of_knn(setup, "val"):
            return probe_of_pixels
        return of_knn

    return setup.once("better", choose)(setup, part)
