"""Tables: all runs, and groups of runs with confidence intervals."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import Error, known, machine_errors
from ..core.places import runs_root
from ..core.statistics import interval, summary, tidy, wilson
from ..metrics import METRICS
from .identity import changed_rooms, metric_code
from .reading import Stored, read_runs
from .result import Result, trusted

# What the table of all runs shows of each config, left to right
FIELDS = ("dataset", "labels", "method", "model", "width", "seed", "epochs", "lr")


def table(root: Path | str | None = None) -> pd.DataFrame:
    """Tabulate all finished runs under `root`, a row each, newest last.

    `root` is the runs folder unless you give another. `kdlab` is the version that trained it; runs of version 0.1,
    whose identity said nothing of the package's code, are shown but never returned by `run`. `other code` names rooms
    of the package that have changed since. Folders whose files are damaged are left out, and named in a warning.
    """
    folder, now = Path(root or runs_root()), metric_code()
    with machine_errors(folder):
        runs = read_runs(folder)
    return pd.DataFrame([_row(each, now) for each in runs])


def brief(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Select columns of `table`: those that name the run, and `columns`.

    By default these are the metrics that are due at every validation.
    """
    scores = [
        f"{part}/{name}" for part in ("val", "test") for name, m in METRICS.items() if m.due == "validation" and m.unit
    ]
    wanted = [known("column", name, list(frame.columns)) for name in columns or ()]
    last = ["kdlab", "other code", "folder"]
    shown = [*FIELDS, "teacher", "init", *(wanted or [*scores, "seconds"]), *last]
    return frame[[name for name in shown if name in frame and (name in wanted or not (frame[name] == "").all())]]


def _row(run: Stored, now: dict[str, str]) -> dict[str, Any]:
    old, config = run.identity is None, run.config  # version 0.1 named columns val_accuracy
    result = run.result if old else trusted(run.result, now)
    numbers = {re.sub("^(val|test)_", r"\1/", c) if old else c: v for c, v in result.items() if not isinstance(v, dict)}
    stages = {role: stage for role in ("teacher", "init") if isinstance(stage := config.get(role), dict)}
    return {
        **{name: config[name] for name in FIELDS if name in config},
        **{role: stage.get("method", "") for role, stage in stages.items()},
        **numbers,
        "labels": result.get("labels", config.get("labels")),
        "kdlab": run.version,
        "other code": "" if old else ", ".join(changed_rooms(result)),
        "folder": run.folder.name,
    }


def difference(
    system: Sequence[Result], baseline: Sequence[Result], metric: str = "test/accuracy"
) -> tuple[float, float]:
    """Return mean and 95 % half-width of system - baseline, paired by seed."""
    return interval(_paired(system, baseline, metric))


def _paired(system: Sequence[Result], baseline: Sequence[Result], metric: str) -> list[float]:
    of_baseline = {result.config.seed: result[metric] for result in baseline}
    if (seeds := {result.config.seed for result in system}) != set(of_baseline):
        raise Error(
            f"seeds {sorted(seeds)} and {sorted(of_baseline)} cannot be paired: run both systems with the same ones"
        )
    return [result[metric] - of_baseline[result.config.seed] for result in system]


def compare(
    groups: Mapping[str, Sequence[Result]], metric: str = "test/accuracy", baseline: str | None = None
) -> pd.DataFrame:
    """Tabulate mean, 95 % interval and n of `metric` for groups of runs, a row each.

    With a `baseline` (the name of a group) also the mean difference to it, paired by seed, with its own interval: that
    one tells whether a difference is established, the overlap of the two others does not.
    """
    if baseline is not None:
        known("group", baseline, groups)
    for name, results in groups.items():
        if isinstance(results, Result):
            raise Error(f"group {name!r} is one Result: give a list of them, [run(config)] or run_seeds(config, seeds)")
        if len({result.folder for result in results}) < len(results):
            raise Error(f"group {name!r} holds a run twice, which would pass for evidence: give each seed once")
    scores = {name: [result[metric] for result in results] for name, results in groups.items()}
    if baseline is None:
        return summary(scores)
    others = {name: results for name, results in groups.items() if name != baseline}
    gained = {name: _paired(results, groups[baseline], metric) for name, results in others.items()}
    return summary(scores, gained, baseline)


__all__ = ["brief", "compare", "difference", "interval", "summary", "table", "tidy", "wilson"]
