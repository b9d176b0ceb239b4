"""Tables in the forms that others read: text, CSV, JSON, Markdown, LaTeX."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .errors import known
from .hyper import plain

FORMS = ("text", "csv", "json", "markdown", "latex")
HALF = " ± 95 %"  # ends the name of the column with the half-widths of another one's means
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
LATEX |= {"|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}"}
LATEX |= {"[": "{[}", "*": "{*}"}  # at the beginning of a row they would belong to the \\ of the one above
LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
DIGITS = 3  # of a typical mean where no half-width says how many
NOISE = 1e-9  # half-widths below this share of their mean are rounding


def render(frame: pd.DataFrame, form: str) -> str:
    r"""Render a table in one of FORMS.

    Columns NAME and NAME ± 95 % are two in CSV and JSON, and one else: 91.2 ± 0.8, in LaTeX $91.2 \pm 0.8$.
    """
    if known("form of a table", form, FORMS) == "csv":
        return _whole(frame).to_csv(index=False, lineterminator="\n").rstrip("\n")
    if form == "json":
        return json.dumps(records(frame), ensure_ascii=False, indent=1)
    names = [name for name in frame if not str(name).endswith(HALF)]
    cells = pd.DataFrame({_one_line(name): list(map(_one_line, _cells(frame, str(name)))) for name in names})
    right = {_one_line(name) for name in names if _is_numeric(frame[name])}
    if form == "text":
        return cells.to_string(index=False)
    if form == "markdown":
        bare = {name: str(name).replace("|", r"\|") for name in cells}
        header = " | ".join(f"{text}:" if name in right else text for name, text in bare.items())
        return markdown(header, cells.replace(r"\|", r"\\|", regex=True).to_numpy().tolist())
    return _latex(cells, right)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON has them, with every digit."""
    return [{str(name): jsonable(value) for name, value in row.items()} for row in _whole(frame).to_dict("records")]


def jsonable(value: Any) -> Any:
    """Return a value as JSON has it, None for infinity and NaN."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(name): jsonable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, int | float | str | None) else str(value)


def markdown(header: str, lines: Iterable[list[str]]) -> str:
    """Return a table in Markdown; a column whose header ends with : holds numbers."""
    names = header.split(" | ")
    rule = "|".join("---:" if name.endswith(":") else "---" for name in names)
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(name.removesuffix(":") for name in names) + " |", f"|{rule}|", *body])


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with 4, not 4.0, in columns where some numbers are missing."""
    return frame.convert_dtypes()


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _one_line(text: object) -> str:
    return " ".join(str(text).splitlines())


def _latex(cells: pd.DataFrame, right: set[str]) -> str:
    """Return a tabular, with the rules of the package booktabs."""

    def line(texts: Iterable[str]) -> str:
        return f"{' & '.join(texts)} \\\\"

    columns = {str(name): cells[name].tolist() for name in cells}
    for name, texts in columns.items():
        columns[name] = [_in_mathematics(text) if name in right else _escaped(text) for text in texts]
    kinds = "".join("r" if name in right else "l" for name in columns)
    body = [line(row) for row in zip(*columns.values(), strict=True)]
    head = line(map(_escaped, columns))
    rows = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(rows)


def _in_mathematics(text: str) -> str:
    power = re.sub(r"e([-+]\d+)", lambda exponent: rf" \cdot 10^{{{int(exponent[1])}}}", text)
    return f"${power}$".replace("±", r"\pm").replace("inf", r"\infty") if text else ""


def _escaped(text: str) -> str:
    return re.sub(r"[\\~^±&%$#_{}|<>\[*]", lambda sign: LATEX[sign[0]], text)


def _cells(frame: pd.DataFrame, name: str) -> list[str]:
    """Return a column as texts, blank where there is nothing, with its half-widths."""
    column, halves = frame[name], frame.get(f"{name}{HALF}")
    if halves is not None and _is_numeric(column):
        means, widths = column.to_numpy(float, na_value=np.nan), halves.to_numpy(float, na_value=np.nan)
        decimals = _decimals(means, widths)
        return [
            "" if np.isnan(mean) else f"{mean:.{decimals}f}" + (f" ± {half:.{decimals}f}" if half >= 0 else "")
            for mean, half in zip(means, widths, strict=True)
        ]
    if not pd.api.types.is_float_dtype(column):
        return ["" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value) for value in column]
    texts = ["" if pd.isna(value) else f"{value:.6g}" for value in column]
    if any("e" in text or "n" in text for text in texts):  # 1e-05, inf
        return texts
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [f"{value:.{decimals}f}" if text else "" for value, text in zip(column, texts, strict=True)]


def _decimals(means: np.ndarray, halves: np.ndarray) -> int:
    """Return the decimals of means (n,) with half-widths (n,).

    Down to the first digit of most half-widths. Where all of these are 0, infinite or missing, DIGITS digits of most
    means; at least 1.
    """
    sizes = halves[np.isfinite(halves) & (halves > NOISE * np.abs(np.nan_to_num(means)))]
    digits = 1
    if not sizes.size:
        sizes, digits = np.abs(means[np.isfinite(means) & (means != 0)]), DIGITS
    return max(1, digits - 1 - math.floor(math.log10(np.median(sizes)))) if sizes.size else 1


__all__ = ["FORMS", "HALF", "jsonable", "markdown", "records", "render"]
