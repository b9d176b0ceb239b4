"""Statistics of runs: means, confidence intervals, and tables of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .errors import Error, known


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Return a mean and the half-width of its confidence interval.

    Student's t with n - 1 degrees of freedom; the width is NaN for n = 1.
    """
    from scipy.special import stdtrit  # scipy.stats calls it, and takes a second to import

    numbers = np.asarray(values, dtype=float)
    n = len(numbers)
    half = stdtrit(n - 1, 0.5 + level / 2) * numbers.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(numbers.mean()), float(half)


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return both ends of the confidence interval of `right / n`, in percent.

    Wilson 1927: what other images of the same kind might give. Unlike mean ± width it stays within 0 and 100.
    """
    from scipy.stats import binomtest

    low, high = binomtest(right, n).proportion_ci(level, method="wilson")
    return 100 * float(low), 100 * float(high)


def summary(
    scores: Mapping[str, Sequence[float]],
    gained: Mapping[str, Sequence[float]] | None = None,
    baseline: str | None = None,
) -> pd.DataFrame:
    """Return a row for each system: mean, 95 % interval and n of its scores.

    With what it `gained` over the `baseline`, seed by seed, also the mean and the interval of that.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, values in scores.items():
        rows[name] = {**dict(zip(("mean", "± 95 %"), interval(values), strict=True)), "n": len(values)}
        if gained and name in gained:
            rows[name] |= dict(zip((f"minus {baseline}", "± 95 % "), interval(gained[name]), strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("system")


def by_group(frame: pd.DataFrame, fields: Sequence[str], metric: str) -> dict[tuple, list[float]]:
    """Return the numbers of a metric for each combination of values of fields.

    Rows are runs; those of a group differ in their seed alone, where there is a column of that name. "" stands for a
    value that is not there.
    """
    for name in (*fields, metric):
        known("column", name, list(frame.columns))
    rows, groups = frame.dropna(subset=metric), dict[tuple, list[float]]()
    for key, group in rows.groupby(list(fields), sort=False, dropna=False) if fields else [((), rows)]:
        values = tuple("" if pd.isna(value) else value for value in key)
        if "seed" in group and group.seed.duplicated().any():
            where = " ".join(f"{name}={value}" for name, value in zip(fields, values, strict=True))
            raise Error(f"{where or 'the table'} has several runs of one seed: name the field in which they differ")
        groups[values] = group[metric].tolist()
    return groups


def tidy(frame: pd.DataFrame, digits: int = 1) -> pd.DataFrame:
    """Format a table for reading: 12,345, or `digits` decimals, or blanks for nothing."""
    return pd.DataFrame({name: _texts(column, digits) for name, column in frame.items()}, index=frame.index)


def _texts(column: pd.Series, digits: int) -> list[str]:
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    decimals = 0 if pd.api.types.is_integer_dtype(column) else digits
    texts = []
    for value in column:
        if pd.isna(value):
            texts.append("")
        else:
            texts.append(f"{value:,.{decimals}f}" if numeric else str(value))
    return texts
