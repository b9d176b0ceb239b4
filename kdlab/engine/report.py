"""Tables: all runs, and groups of runs with confidence intervals."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import Error, known, machine_errors
from ..metrics import METRICS
from .identity import changed_rooms, metric_code
from .reading import Stored, read_runs, warn_of
from .result import Result, trusted
from .store import runs_root

# What the table of all runs shows of each config, left to right
FIELDS = ("dataset", "labels", "method", "model", "width", "seed", "epochs", "lr")


def table(root: Path | str | None = None) -> pd.DataFrame:
    """All finished runs under `root` (default: the runs folder), a row each, newest last.

    `kdlab` is the version that trained it; runs of version 0.1, whose identity said nothing of the package's code, are
    shown but never returned by `run`. `other code` names rooms of the package that have changed since. Folders whose
    files are damaged are left out, and named in a warning.
    """
    place, now = Path(root or runs_root()), metric_code()
    with machine_errors(place):
        runs, unreadable = read_runs(place)
    warn_of(unreadable)
    return pd.DataFrame([_row(each, now) for each in runs])


def brief(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Of `table`: what says which run it is, and `columns`, by default the metrics that are due at every validation."""
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


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of its confidence interval (Student's t, n - 1 degrees of freedom); NaN width for n = 1."""
    from scipy.special import stdtrit  # of scipy.stats, which would call it, the import takes a second

    numbers = np.asarray(values, dtype=float)
    n = len(numbers)
    half = stdtrit(n - 1, 0.5 + level / 2) * numbers.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(numbers.mean()), float(half)


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Ends of the confidence interval of a share of which `right` of `n` were counted, in percent (Wilson 1927).

    It says what other images of the same kind might give; unlike mean ± width it stays within 0 and 100.
    """
    from scipy.stats import binomtest

    low, high = binomtest(right, n).proportion_ci(level, method="wilson")
    return 100 * float(low), 100 * float(high)


def difference(
    system: Sequence[Result], baseline: Sequence[Result], metric: str = "test/accuracy"
) -> tuple[float, float]:
    """Mean of system - baseline paired by seed, and the half-width of its 95 % interval."""
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
    """Mean, 95 % interval and n of `metric` for groups of runs, a row each.

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


def summary(
    scores: Mapping[str, Sequence[float]],
    gained: Mapping[str, Sequence[float]] | None = None,
    baseline: str | None = None,
) -> pd.DataFrame:
    """A row a system: mean, 95 % interval, n of its scores; mean and interval of what it `gained` over `baseline`."""
    rows: dict[str, dict[str, float]] = {}
    for name, values in scores.items():
        rows[name] = {**dict(zip(("mean", "± 95 %"), interval(values), strict=True)), "n": len(values)}
        if gained and name in gained:
            rows[name] |= dict(zip((f"minus {baseline}", "± 95 % "), interval(gained[name]), strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("system")


def tidy(frame: pd.DataFrame, digits: int = 1) -> pd.DataFrame:
    """For reading: integers with thousands apart, other numbers with `digits` decimals, blanks for nothing."""
    columns = {}
    for name, column in frame.items():
        decimals = 0 if pd.api.types.is_integer_dtype(column) else digits
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        columns[name] = column.map(
            lambda v, d=decimals, n=numeric: "" if pd.isna(v) else f"{v:,.{d}f}" if n else str(v)
        )
    return pd.DataFrame(columns, index=frame.index)
