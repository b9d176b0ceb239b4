"""Tables in the forms that others read."""

import io
import json
import math

import pandas as pd
import pytest

from kdlab import Error
from kdlab.core.formats import HALF, render

FRAME = pd.DataFrame(
    {
        "model": ["wrn_16_2", "a|b & c"],
        "steps": [10, None],
        "lr": [0.002, 1e-5],
        "test/accuracy": [91.23, 89.5],
        f"test/accuracy{HALF}": [0.81, None],
        "val/nll": [0.25, 0.5],
    }
)


def test_markdown_keeps_its_columns():
    header, rule, *body = render(FRAME, "markdown").split("\n")
    assert header == "| model | steps | lr | test/accuracy | val/nll |" and rule == "|---|---:|---:|---:|---:|"
    assert body == ["| wrn_16_2 | 10 | 0.002 | 91.2 ± 0.8 | 0.25 |", r"| a\|b & c |  | 1e-05 | 89.5 | 0.50 |"]


def test_latex_escapes_names_and_sets_numbers_in_mathematics():
    lines = render(FRAME, "latex").split("\n")
    assert lines[0] == r"\begin{tabular}{lrrrr}" and lines[-1] == r"\end{tabular}"
    assert r"wrn\_16\_2 & $10$ & $0.002$ & $91.2 \pm 0.8$ & $0.25$ \\" in lines
    assert r"a\textbar{}b \& c &  & $1 \cdot 10^{-5}$ & $89.5$ & $0.50$ \\" in lines


def test_csv_and_json_keep_all_digits_and_whole_numbers():
    rows = json.loads(render(FRAME, "json"))
    assert rows[0] == {"steps": 10, **FRAME.iloc[0].drop("steps").to_dict()}
    assert rows[1]["steps"] is None and rows[1][f"test/accuracy{HALF}"] is None
    text = render(FRAME, "csv")
    assert "wrn_16_2,10,0.002," in text
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text)), FRAME)


def test_half_widths_say_how_many_digits_a_mean_has():
    frame = pd.DataFrame(
        {"a": [0.01234, 0.5], f"a{HALF}": [0.0042, 0.0067], "b": [250.4, 3.1], f"b{HALF}": [31.0, 12.0]}
    )
    assert render(frame, "markdown").split("\n")[2:] == [
        "| 0.012 ± 0.004 | 250.4 ± 31.0 |",
        "| 0.500 ± 0.007 | 3.1 ± 12.0 |",
    ]


def test_what_was_not_measured_is_blank_and_infinity_a_sign():
    halves = {"accuracy": [91.2, None], f"accuracy{HALF}": [0.8, None], "nll": [math.inf, 0.5]}
    frame = pd.DataFrame({"method": ["kd", "simclr"], **halves})
    assert render(frame, "markdown").split("\n")[2:] == ["| kd | 91.2 ± 0.8 | inf |", "| simclr |  | 0.5 |"]
    assert r"kd & $91.2 \pm 0.8$ & $\infty$ \\" in render(frame, "latex").split("\n")


def test_another_form_is_refused():
    with pytest.raises(Error, match="unknown form of a table 'latec': did you mean 'latex'"):
        render(FRAME, "latec")


def test_a_group_without_the_metric_is_blank_and_no_half_width_takes_the_format_away():
    frame = pd.DataFrame(
        {
            "a": [float("nan"), 91.23],
            f"a{HALF}": [float("nan"), 0.81],
            "b": [10.0, 10.0],
            f"b{HALF}": [0.0, 1e-15],
            "c": [9.8827, 10.0],
            f"c{HALF}": [None, None],
            "d": [1.5, float("inf")],
            f"d{HALF}": [float("inf"), float("nan")],
            "e": [0.012345, 0.01],
            f"e{HALF}": [0.0, 0.0],
        }
    )
    row, other = written_rows(frame)
    assert row == ["", "10.0 ± 0.0", "9.88", "1.50 ± inf", "0.0123 ± 0.0000"]
    assert other == ["91.2 ± 0.8", "10.0 ± 0.0", "10.00", "inf", "0.0100 ± 0.0000"]
    assert "nan" not in render(frame, "text") and r"$1.50 \pm \infty$" in render(frame, "latex")


def written_rows(frame):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in render(frame, "markdown").split("\n")[2:]]


def test_json_keeps_every_digit_of_small_and_large_numbers():
    values = [0.1 + 0.2, 1e-20 / 3, 1e300, float("nan"), float("inf")]
    rows = json.loads(render(pd.DataFrame({"a": values, "b": [1, None, 3, 4, 5], "c": [(0.5, 1e-17)] * 5}), "json"))
    assert [row["a"] for row in rows] == [*values[:3], None, None]
    assert [row["b"] for row in rows] == [1, None, 3, 4, 5] and rows[0]["c"] == [0.5, 1e-17]


def test_signs_lines_and_truth_values_leave_the_columns_of_a_page_as_they_are():
    frame = pd.DataFrame({"on": [True, False], "a | b": ["[1]\n2", "*<|>"], "n": [1, 2]})
    assert render(frame, "latex").split("\n") == [
        r"\begin{tabular}{llr}",
        r"\toprule",
        r"on & a \textbar{} b & n \\",
        r"\midrule",
        r"True & {[}1] 2 & $1$ \\",
        r"False & {*}\textless{}\textbar{}\textgreater{} & $2$ \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert render(frame, "markdown").split("\n") == [
        r"| on | a \| b | n |",
        "|---|---|---:|",
        "| True | [1] 2 | 1 |",
        r"| False | *<\|> | 2 |",
    ]
