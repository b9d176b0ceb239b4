"""Tables in the forms that others read: text, CSV, JSON, Markdown, LaTeX."""

import json
import re
from collections.abc import Iterable

import pandas as pd

from .errors import known

FORMS = ("text", "csv", "json", "markdown", "latex")
HALF = " ± 95 %"  # ends the name of the column with the half-widths of another one's means
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


def written(frame: pd.DataFrame, form: str) -> str:
    r"""Write a table in one of FORMS.

    Columns NAME and NAME ± 95 % are two in CSV and JSON, and one else: 91.2 ± 0.8, in LaTeX $91.2 \pm 0.8$.
    """
    if known("form of a table", form, FORMS) in ("csv", "json"):
        whole = frame.convert_dtypes()  # 4, not 4.0, where others are missing
        if form == "csv":
            return whole.to_csv(index=False, lineterminator="\n").rstrip("\n")
        rows = json.loads(whole.to_json(orient="records", double_precision=15))
        return json.dumps(rows, ensure_ascii=False, indent=1)
    cells = pd.DataFrame({name: _cells(frame, str(name)) for name in frame if not str(name).endswith(HALF)})
    right = {str(name) for name in cells if pd.api.types.is_numeric_dtype(frame[name])}
    if form == "text":
        return cells.to_string(index=False)
    if form == "markdown":
        header = " | ".join(f"{name}:" if name in right else str(name) for name in cells)
        return markdown(header, cells.replace(r"\|", r"\\|", regex=True).to_numpy().tolist())
    return _latex(cells, right)


def markdown(header: str, lines: Iterable[list[str]]) -> str:
    """Return a table in Markdown; a column whose header ends with : holds numbers."""
    names = header.split(" | ")
    rule = "|".join("---:" if name.endswith(":") else "---" for name in names)
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(name.rstrip(":") for name in names) + " |", f"|{rule}|", *body])


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
    return re.sub(r"[\\~^±&%$#_{}]", lambda sign: LATEX[sign[0]], text)


def _cells(frame: pd.DataFrame, name: str) -> list[str]:
    """Return a column as texts, blank where there is nothing, with its half-widths."""
    column, halves = frame[name], frame.get(f"{name}{HALF}")
    if halves is not None and (positive := halves[halves > 0]).size:
        decimals = max(1, -int(f"{positive.median():e}".partition("e")[2]))  # as the first digit of most half-widths
        pairs = zip(column, halves, strict=True)
        texts = [f"{mean:.{decimals}f}" + (f" ± {half:.{decimals}f}" if half >= 0 else "") for mean, half in pairs]
        return ["" if pd.isna(mean) else text for mean, text in zip(column, texts, strict=True)]
    if not pd.api.types.is_float_dtype(column):
        return [
            "" if value is None or (isinstance(value, float) and pd.isna(value)) else str(value) for value in column
        ]
    texts = ["" if pd.isna(value) else f"{value:.6g}" for value in column]
    if any("e" in text or "n" in text for text in texts):  # 1e-05, inf
        return texts
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [f"{value:.{decimals}f}" if text else "" for value, text in zip(column, texts, strict=True)]


__all__ = ["FORMS", "HALF", "markdown", "written"]
