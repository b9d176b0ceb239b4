"""Tables in the forms that others read."""

import io
import json
import math

import pandas as pd
import pytest

from kdlab import Error
from kdlab.core.formats import HALF, written

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
    header, rule, *body = written(FRAME, "markdown").split("\n")
    assert header == "| model | steps | lr | test/accuracy | val/nll |" and rule == "|---|---:|---:|---:|---:|"
    assert body == ["| wrn_16_2 | 10 | 0.002 | 91.2 ± 0.8 | 0.25 |", r"| a\|b & c |  | 1e-05 | 89.5 | 0.50 |"]


def test_latex_escapes_names_and_sets_numbers_in_mathematics():
    lines = written(FRAME, "latex").split("\n")
    assert lines[0] == r"\begin{tabular}{lrrrr}" and lines[-1] == r"\end{tabular}"
    assert r"wrn\_16\_2 & $10$ & $0.002$ & $91.2 \pm 0.8$ & $0.25$ \\" in lines
    assert r"a|b \& c &  & $1 \cdot 10^{-5}$ & $89.5$ & $0.50$ \\" in lines


def test_csv_and_json_keep_all_digits_and_whole_numbers():
    rows = json.loads(written(FRAME, "json"))
    assert rows[0] == {"steps": 10, **FRAME.iloc[0].drop("steps").to_dict()}
    assert rows[1]["steps"] is None and rows[1][f"test/accuracy{HALF}"] is None
    text = written(FRAME, "csv")
    assert "wrn_16_2,10,0.002," in text
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text)), FRAME)


def test_half_widths_say_how_many_digits_a_mean_has():
    frame = pd.DataFrame(
        {"a": [0.01234, 0.5], f"a{HALF}": [0.0042, 0.0067], "b": [250.4, 3.1], f"b{HALF}": [31.0, 12.0]}
    )
    assert written(frame, "markdown").split("\n")[2:] == [
        "| 0.012 ± 0.004 | 250.4 ± 31.0 |",
        "| 0.500 ± 0.007 | 3.1 ± 12.0 |",
    ]


def test_what_was_not_measured_is_blank_and_infinity_a_sign():
    halves = {"accuracy": [91.2, None], f"accuracy{HALF}": [0.8, None], "nll": [math.inf, 0.5]}
    frame = pd.DataFrame({"method": ["kd", "simclr"], **halves})
    assert written(frame, "markdown").split("\n")[2:] == ["| kd | 91.2 ± 0.8 | inf |", "| simclr |  | 0.5 |"]
    assert r"kd & $91.2 \pm 0.8$ & $\infty$ \\" in written(frame, "latex").split("\n")


def test_another_form_is_refused():
    with pytest.raises(Error, match="unknown form of a table 'latec': did you mean 'latex'"):
        written(FRAME, "latec")
