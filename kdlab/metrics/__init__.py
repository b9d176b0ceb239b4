"""What a trained network is worth, by name. A new metric is one function and one line in METRICS."""

import math
from collections.abc import Callable, Collection, Mapping

from ..core.errors import Error, lookup
from ..experiment.config import Config
from ..experiment.setup import Setup, extract
from ..methods import METHODS
from ..models import evaluating
from . import branches, classifier, embeddings, probes, teacher
from .base import Measured, Metric, always, classifies, has_features_only
from .branches import branch_accuracy
from .classifier import accuracy, calibration_error, confusion, distinct, nll
from .embeddings import collapse
from .probes import knn, linear_probe, nearest_centroid
from .teacher import agreement, cka, divergence

METRICS: dict[str, Metric] = {
    # of a classifier
    "accuracy": Metric(classifier.of_accuracy, "%", due="validation"),
    "top5": Metric(classifier.of_top5, "%"),
    "per_class": Metric(classifier.of_per_class, "%", due="request"),
    "nll": Metric(classifier.of_nll, "nats", "lower"),
    "omitted": Metric(classifier.of_omitted, "%"),
    "ece": Metric(classifier.of_ece, "%", "lower"),
    "adaptive_ece": Metric(classifier.of_adaptive_ece, "%", "lower"),
    # of features
    "knn": Metric(probes.of_knn, "%", due="validation", suits=always, due_for=has_features_only),
    "probe": Metric(probes.of_probe, "%", suits=always, due_for=has_features_only),
    # of embeddings
    "std": Metric(embeddings.of_std, "", due="validation", suits=embeddings.embeds),
    "alignment": Metric(embeddings.of_alignment, "", "lower", "validation", embeddings.embeds),
    "uniformity": Metric(embeddings.of_uniformity, "", "lower", "validation", embeddings.embeds),
    # of branches, and of a student beside its teacher
    "branch": Metric(branches.of_branches, "%", suits=branches.has_joint_branches),
    "agreement": Metric(teacher.of_agreement, "%", suits=teacher.has_a_teacher),
    "kl_1": Metric(teacher.of_kl_1, "nats", "lower", suits=teacher.has_a_teacher),
    "kl_4": Metric(teacher.of_kl_4, "nats", "lower", suits=teacher.has_a_teacher),
    "cka": Metric(teacher.of_cka, "", due="request", suits=teacher.has_a_teachers_features),
}


def weight_norm(epoch: int, setup: Setup) -> float:
    """Length of the vector of all the network's weights: with batch norm, the larger it is the less a step changes."""
    weights = (p.detach().cpu().double() for p in setup.method.model.parameters())  # Apple's GPUs have no float64
    return math.sqrt(sum(p.square().sum().item() for p in weights))


# Looked at before training ends, after every epoch: (epoch, setup) -> a number, or several by name; columns train/NAME
Diagnostic = Callable[[int, Setup], Measured]
DIAGNOSTICS: dict[str, Diagnostic] = {"weight_norm": weight_norm}


def evaluate(setup: Setup, part: str, names: Collection[str]) -> dict[str, float]:
    """The metrics `names` on a part of the data, as columns "part/name" or "part/name/key", with four decimals.

    A metric that does not suit the method is left out, and so is everything of a part without images.
    """
    columns: dict[str, float] = {}
    if not len(setup.part(part)[1]):
        return columns
    with setup.cached():
        for name in names:
            metric = lookup("metric", name, METRICS)
            if metric.suits(setup.method):
                columns |= named(f"{part}/{name}", metric.measure(setup, part))
    return columns


def named(column: str, value: Measured) -> dict[str, float]:
    """What a metric or a diagnostic gave, as columns."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {f"{column}/{key}": round(float(number), 4) for key, number in value.items()}
    return {column: round(float(value), 4)}


def due(setup: Setup, *moments: str) -> list[str]:
    """The metrics that the run computes by itself at "validation" or at the "end"."""
    method = setup.method
    return [name for name, m in METRICS.items() if m.due in moments and m.suits(method) and m.due_for(method)]


def monitored(config: Config) -> str:
    """The metric that early stopping watches: the config's `monitor`, else accuracy, or kNN without a classifier."""
    return config.monitor or ("accuracy" if METHODS[config.method].trains_head else "knn")


def check_monitor(setup: Setup) -> None:
    """Refuse a `monitor` that is no metric, or cannot be measured on the run."""
    name, method = monitored(setup.config), setup.method
    if setup.config.patience is None and setup.config.monitor is None:
        return
    if not lookup("metric", name, METRICS).suits(method):
        fitting = ", ".join(n for n, m in METRICS.items() if m.suits(method))
        raise Error(f"monitor={name!r} cannot be measured on method {setup.config.method!r}: choose {fitting}")


def diagnose(epoch: int, setup: Setup) -> dict[str, float]:
    """All DIAGNOSTICS after an epoch, as columns."""
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
    "has_features_only",
    "knn",
    "linear_probe",
    "monitored",
    "named",
    "nearest_centroid",
    "nll",
]
