"""Fit the head of a network that stays as it is, in place of epochs."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ..core.errors import Error
from ..core.moving import to_device
from ..experiment.setup import Setup
from ..metrics import due, evaluate
from ..metrics.probes import linear_layer, linear_probe
from ..models import evaluating
from .store import RunFolder


def fit_head(
    setup: Setup,
    folder: RunFolder | None = None,
    measures: Sequence[Callable[[int, Setup], Mapping[str, float]]] = (),
) -> dict[str, Any]:
    """Fit the head of `setup.method` on its labelled images; return what it took.

    `linear_probe` does it, with the method's C. The log gets one line, as of an epoch; a run that is killed before that
    begins anew. With `config.epochs` 0 the head stays untrained.
    """
    if folder is not None:
        folder.load()
    began, cpu_began = time.perf_counter(), time.process_time()
    trained = {"epochs": 0, "seconds": 0.0, "cpu_seconds": 0.0, "images_seen": 0}
    if not setup.config.epochs:
        return trained
    method, y = setup.method, setup.part("train")[1]
    if len(y.unique()) < 2:
        raise Error("a probe tells classes apart: give it labelled images of two or more")
    features, head = setup.features("train").pooled, method.model.head
    probe = linear_probe(features, y, features, y, strengths=(method.hp["C"],))
    with torch.no_grad():
        for parameter, values in zip((head.weight, head.bias), linear_layer(probe, head.out_features), strict=True):
            parameter.copy_(values)
        inputs, answers = (to_device(each, head.weight.device) for each in (features, y))
        loss = F.cross_entropy(head(inputs), answers).item()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    line: dict[str, Any] = {"epoch": 1, "loss": round(loss, 6), "loss/ce": round(loss, 6)}
    line |= evaluate(setup, "test" if setup.config.select == "test" else "val", due(setup, "validation"))
    with evaluating(method):
        for measure in measures:
            line |= measure(1, setup)
    if folder is not None:
        folder.log({**line, "seconds": round(seconds, 4)})
    return {**trained, "epochs": 1, "seconds": seconds, "cpu_seconds": cpu_seconds, "images_seen": len(y)}
