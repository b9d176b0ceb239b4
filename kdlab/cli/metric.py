"""The metric that `kdlab sweep` compares: which a run can have, which a table has."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ..core.errors import Error, known

if TYPE_CHECKING:  # they take seconds to load
    import pandas as pd

    from ..experiment.config import Config

USUAL = ("test/accuracy", "test/knn")  # the first that all runs have is compared
COSTS = (
    "seconds",
    "cpu_seconds",
    "epochs",
    "best_epoch",
    "labels",
    "images_seen",
    "parameters",
    "trained_parameters",
    "macs",
)


def check_metric(metric: str, configs: Sequence["Config"]) -> None:
    """Refuse a column of results that no run of these Configs can have."""
    from ..experiment.setup import PARTS, assemble
    from ..metrics import DIAGNOSTICS, METRICS, always

    part, _, name = metric.partition("/")
    name = name.partition("/")[0]
    columns = [f"{each}/{one}" for each in PARTS for one in METRICS] + [f"train/{one}" for one in DIAGNOSTICS]
    if metric in COSTS or (part == "track" and any(config.track_test for config in configs)):
        return
    if known("metric", f"{part}/{name}" if name else part, columns) and name not in METRICS:
        return
    suits, unfit = METRICS[name].suits, dict[str, list[str]]()
    for config in configs if suits is not always else ():
        if config.method in unfit or config.seed != configs[0].seed:
            continue
        try:
            method = assemble(config).method
        except Error:  # that run fails, others of its method may not
            continue
        if suits(method):
            return
        unfit[config.method] = [one for one, each in METRICS.items() if each.suits(method)]
    if unfit:
        whose, fitting = ", ".join(unfit), ", ".join(dict.fromkeys(one for each in unfit.values() for one in each))
        raise Error(f"--metric {metric} cannot be measured on {whose}: choose {fitting}")


def numbers_of(frame: "pd.DataFrame", apart: Collection[str]) -> list[str]:
    """Return the columns of numbers that a table has, but those `apart`."""
    numeric = map(str, frame.select_dtypes("number"))
    return [name for name in numeric if name not in apart and frame[name].notna().any()]


def usual_metric(frame: "pd.DataFrame", numbers: Sequence[str]) -> str:
    """Return what is compared unless a metric is chosen.

    A usual one, else the only number. Empty where there are several, as in a table of a notebook's results.
    """
    usual = [name for name in USUAL if name in numbers]
    everywhere = [name for name in usual if frame[name].notna().all()]
    return [*everywhere, *usual, *(numbers if len(numbers) == 1 else []), ""][0]
