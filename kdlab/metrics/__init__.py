"""Metrics of trained networks by name: a new one is a function and a line here."""

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial

from ..core.errors import Error, lookup
from ..core.moving import to_host
from ..experiment.config import Config
from ..experiment.setup import Setup, extract
from ..methods import METHODS
from ..models import evaluating
from . import branches, classifier, embeddings, probes, teacher
from .base import Measured, Metric, always, classifies, is_rated
from .branches import branch_accuracy
from .classifier import accuracy, calibration_error, confusion, distinct, nll
from .embeddings import collapse
from .probes import knn, linear_probe, nearest_centroid
from .teacher import agreement, cka, divergence

RATED = "methods that train a classifier; of `pixels` that of the better of kNN and logistic regression"
ANY = {"suits": always, "for_": "all methods"}
EMBEDDINGS = {"suits": embeddings.embeds, "for_": "methods with embeddings that their loss compares"}
BRANCHES = {"suits": branches.has_joint_branches, "for_": "methods that keep branches for class and rotation"}
TEACHER = {"suits": teacher.teaches_a_classifier, "for_": "methods that train a classifier with a teacher"}
FEATURES = {"suits": teacher.has_a_teacher, "for_": "methods with a teacher"}

METRICS: dict[str, Metric] = {
    # of a classifier
    "accuracy": Metric(
        classifier.of_accuracy, "%", due="validation", suits=is_rated, for_=RATED, untrained=probes.of_better
    ),
    "top5": Metric(
        partial(classifier.of_logits, accuracy, k=5),
        "%",
        about="How often the right class is among the five largest logits.",
    ),
    "per_class": Metric(classifier.of_per_class, "%", due="request"),
    "nll": Metric(
        partial(classifier.of_logits, nll),
        "nats",
        "lower",
        about="Mean negative log-likelihood of the right classes.",
    ),
    "omitted": Metric(classifier.of_omitted, "%"),
    "ece": Metric(
        partial(classifier.of_logits, calibration_error),
        "%",
        "lower",
        about="Expected calibration error of the confidence, 15 bins of equal width.",
    ),
    "adaptive_ece": Metric(
        partial(classifier.of_logits, calibration_error, adaptive=True),
        "%",
        "lower",
        about="Expected calibration error, 15 bins of equally many images.",
    ),
    # of features
    "knn": Metric(probes.of_knn, "%", due="validation", **ANY, features_only=True),
    "probe": Metric(probes.of_probe, "%", **ANY, features_only=True, untrained=probes.probe_of_pixels),
    # of embeddings
    "std": Metric(
        partial(embeddings.of_two_views, "std"),
        due="validation",
        **EMBEDDINGS,
        about="Spread of the embeddings of different images.",
    ),
    "alignment": Metric(
        partial(embeddings.of_two_views, "alignment"),
        better="lower",
        due="validation",
        **EMBEDDINGS,
        about="Mean squared distance of the embeddings of two views of an image.",
    ),
    "uniformity": Metric(
        partial(embeddings.of_two_views, "uniformity"),
        better="lower",
        due="validation",
        **EMBEDDINGS,
        about="Log of the mean of exp(-2 d^2) over pairs of different images.",
    ),
    # of branches, and of a student beside its teacher
    "branch": Metric(branches.of_branches, "%", **BRANCHES),
    "agreement": Metric(
        partial(teacher.beside_teacher, agreement),
        "%",
        **TEACHER,
        about="How often student and teacher predict the same class.",
    ),
    "kl_1": Metric(
        partial(teacher.beside_teacher, divergence),
        "nats",
        "lower",
        **TEACHER,
        about="KL divergence of the student's probabilities from the teacher's.",
    ),
    "kl_4": Metric(
        partial(teacher.beside_teacher, divergence, T=4.0),
        "nats",
        "lower",
        **TEACHER,
        about="KL divergence of both, softened at T = 4.",
    ),
    "cka": Metric(
        partial(teacher.beside_teacher, cka, output="pooled"),
        due="request",
        **FEATURES,
        about="Linear centred kernel alignment of the pooled features of student and teacher.",
    ),
}


def weight_norm(epoch: int, setup: Setup) -> float:
    """Length of the vector of all the network's weights.

    With batch norm a step changes the less, the larger it is.
    """
    weights = to_host(list(setup.method.model.parameters()))  # Apple's GPUs have no float64
    return math.sqrt(sum(p.detach().double().square().sum().item() for p in weights))


# Computed after every epoch of training: (epoch, setup) -> a number, or several by name; columns train/NAME
Diagnostic = Callable[[int, Setup], Measured]
DIAGNOSTICS: dict[str, Diagnostic] = {
    "weight_norm": weight_norm,
    "teacher_entropy": teacher.teacher_entropy,
    "constant_answer": teacher.constant_answer,
}


def evaluate(setup: Setup, part: str, names: Collection[str]) -> dict[str, float]:
    """Measure the metrics `names` on a part of the data.

    Returns columns "part/name" or "part/name/key", with four decimals. A metric that does not suit the method is left
    out, and so is everything of a part without images.
    """
    columns: dict[str, float] = {}
    if not len(setup.part(part)[1]):
        return columns
    with setup.cached():
        for name in names:
            metric = lookup("metric", name, METRICS)
            if metric.suits(setup.method):
                columns |= named(f"{part}/{name}", metric.value(setup, part))
    return columns


def named(column: str, value: Measured) -> dict[str, float]:
    """Return the number, or numbers, of a metric or a diagnostic as columns."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {f"{column}/{key}": round(float(number), 4) for key, number in value.items()}
    return {column: round(float(value), 4)}


def due(setup: Setup, *moments: str) -> list[str]:
    """Return the metrics that are due by themselves at "validation" or at the "end"."""
    method = setup.method
    return [
        name
        for name, metric in METRICS.items()
        if metric.due in moments and metric.suits(method) and not (metric.features_only and method.trains_head)
    ]


def monitored(config: Config) -> str:
    """Return the metric that early stopping watches.

    `config.monitor`, else accuracy, or kNN where no classifier is trained.
    """
    return config.monitor or ("accuracy" if METHODS[config.method].trains_head else "knn")


def check_monitor(setup: Setup) -> None:
    """Refuse a `monitor` that is no metric or does not suit the method."""
    name, method = monitored(setup.config), setup.method
    if setup.config.patience is None and setup.config.monitor is None:
        return
    if not lookup("metric", name, METRICS).suits(method):
        fitting = ", ".join(n for n, m in METRICS.items() if m.suits(method))
        raise Error(f"monitor={name!r} cannot be measured on method {setup.config.method!r}: choose {fitting}")


def diagnose(epoch: int, setup: Setup) -> dict[str, float]:
    """Compute all DIAGNOSTICS after an epoch, as columns."""
    columns: dict[str, float] = {}
    with evaluating(setup.method), setup.cached():
        for name, look in DIAGNOSTICS.items():
            columns |= named(f"train/{name}", look(epoch, setup))
    return columns


__all__ = [
    "DIAGNOSTICS",
    "METRICS",
    "Diagnostic",
    "Metric",
    "accuracy",
    "agreement",
    "always",
    "branch_accuracy",
    "calibration_error",
    "check_monitor",
    "cka",
    "classifies",
    "collapse",
    "confusion",
    "diagnose",
    "distinct",
    "divergence",
    "due",
    "evaluate",
    "extract",
    "knn",
    "linear_probe",
    "monitored",
    "named",
    "nearest_centroid",
    "nll",
]
