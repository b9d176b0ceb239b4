"""Tables: all runs, and groups of runs with confidence intervals."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .errors import Error
from .experiment import Result
from .store import runs_root

# What the table of all runs shows of each config, left to right
FIELDS = ("dataset", "labels", "method", "model", "width", "seed", "epochs", "lr")


def table(root: Path | str | None = None) -> pd.DataFrame:
    """All finished runs under `root` (default: the runs folder), a row each, newest last."""
    rows = []
    for file in sorted(Path(root or runs_root()).glob("*/result.json"), key=lambda f: f.stat().st_mtime):
        config, result = (json.loads((file.parent / name).read_text()) for name in ("config.json", "result.json"))
        stages = {role: config[role]["method"] for role in ("teacher", "init") if config[role]}
        numbers = {name: value for name, value in result.items() if not isinstance(value, dict)}
        rows.append({**{name: config[name] for name in FIELDS}, **stages, **numbers, "labels": result["labels"], "folder": file.parent.name})
    return pd.DataFrame(rows)


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of its confidence interval (Student's t, n - 1 degrees of freedom); NaN width for n = 1."""
    from scipy.stats import t

    values = np.asarray(values, dtype=float)
    n = len(values)
    half = t.ppf(0.5 + level / 2, n - 1) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(values.mean()), float(half)


def compare(
    groups: Mapping[str, Sequence[Result]], metric: str = "test_accuracy", baseline: str | None = None
) -> pd.DataFrame:
    """Mean, 95 % interval and n of `metric` for groups of runs, a row each.

    With a `baseline` (the name of a group) also the mean difference to it, paired by seed, with its own interval: that
    one tells whether a difference is established, the overlap of the two others does not.
    """
    rows = {}
    for name, results in groups.items():
        mean, half = interval([result[metric] for result in results])
        rows[name] = {"mean": mean, "±95 %": half, "n": len(results)}
        if baseline is not None:
            other = {result.config.seed: result[metric] for result in groups[baseline]}
            if {r.config.seed for r in results} != set(other):
                raise Error(f"{name} and {baseline} have different seeds: a paired comparison needs the same ones")
            mean, half = interval([result[metric] - other[result.config.seed] for result in results])
            rows[name] |= {"difference": mean, "±95 % ": half} if name != baseline else {}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("system")
