"""A published experiment as a table: what was printed is that of published.csv, and what was measured stands apart."""

import math
import re
from functools import cache
from html import unescape

import pandas as pd
import pytest

from kdlab import PUBLISHED
from kdlab.engine.report import interval
from kdlab.studies.papers import Replication
from kdlab.studies.papers.page import FEW
from kdlab.studies.papers.published import TABLES, published

PRINTED = [name for name in PUBLISHED if name in TABLES]
HERE = "here, digits, scaled down"
SHOWN = [  # cells in lines and in grids, several metrics, several sources in a row, nothing printed
    "litenet-ssd/main",
    "litenet-ssd/ordering",
    "ss-kd/5000",
    "sskd/cross",
    "lsskd/table-2",
    "lsskd/table-3",
    "lsskd/table-4",
    "lsskd/figure-6",
]
each = pytest.mark.parametrize("name", SHOWN)
LOW = 1000.0  # what is measured in these tests is larger than all that was printed


@cache
def made(name, budget="lab"):
    return PUBLISHED[name](budget=budget)


@pytest.fixture(params=[False, True], ids=["nothing measured", "measured"])
def seeds(request, monkeypatch):
    """So many seeds of every system, none or three, with 1, 2 and 4 more than a number of the system's own."""
    n = 3 if request.param else 0

    def rows(self):
        records = [
            {
                "system": name,
                "seed": seed,
                "test/accuracy": LOW + k + (1, 2, 4)[seed],
                "test/top5": LOW + k,
                "track/accuracy/best_val": LOW + k + 5,
                "track/accuracy/best_test": LOW + k + 6,
                "seconds": 1.0,
            }
            for k, name in enumerate(self.systems)
            for seed in range(n)
        ]
        return pd.DataFrame(records) if records else pd.DataFrame(columns=["system", "seed"])

    monkeypatch.setattr(Replication, "rows", rows)
    return n


def tables(html):
    """The tables of a page, each as rows of cells; what spans several places stands in each of them."""
    grids = []
    for text in re.findall(r"<table.*?</table>", html, re.DOTALL):
        places = {}
        for r, line in enumerate(re.findall(r"<tr>(.*?)</tr>", text)):
            c = 0
            for tag, cell in re.findall(r"<t[dh]([^>]*)>(.*?)</t[dh]>", line):
                while (r, c) in places:
                    c += 1
                down, right = (
                    int((re.search(rf'{what}="(\d+)"', tag) or [0, 1])[1]) for what in ("rowspan", "colspan")
                )
                places |= {(r + i, c + j): unescape(cell) for i in range(down) for j in range(right)}
                c += right
        height, width = (1 + max(place[k] for place in places) for k in (0, 1))
        assert len(places) == height * width, "every row has all columns"
        grids.append([[places[r, c] for c in range(width)] for r in range(height)])
    return grids


# --- as data


@pytest.mark.parametrize("name", PRINTED)
def test_printed_columns_are_those_of_the_file(name, monkeypatch):
    monkeypatch.setattr(Replication, "rows", lambda self: pd.DataFrame(columns=["system", "seed"]))
    frame, rows = made(name).table(), published(name)
    cells = frame["printed"][frame["printed"].value.notna()]
    assert cells.value.tolist() == rows["value"].tolist()
    assert cells.metric.tolist() == rows.metric.tolist() and cells.protocol.tolist() == rows.protocol.tolist()
    assert cells.whose.tolist() == rows.provenance.tolist()
    assert all(text.startswith(note) for text, note in zip(cells.note, rows.note, strict=True))


@each
def test_measured_columns_hold_what_was_measured_and_nothing_else(name, seeds):
    study = made(name)
    frame = study.table()
    assert list(dict.fromkeys(frame.columns.get_level_values(0))) == ["printed", HERE]
    assert frame.index.names == ["group", "row"] and len(frame) == len(study.cells)
    here, systems = frame[HERE], list(study.systems)
    run = [bool(cell.system) for cell in study.cells]
    assert here.n.tolist() == [seeds * is_run for is_run in run]
    accuracies = [cell.column == "test/accuracy" for cell in study.cells]
    for cell, (_, row), is_one in zip(study.cells, here.iterrows(), accuracies, strict=True):
        if not (seeds and cell.system and is_one):
            continue
        at = LOW + systems.index(cell.system)
        sign, base = (-1, 100) if cell.metric == "error" else (1, 0)
        assert row["last"] == pytest.approx(base + sign * (at + 7 / 3))
        assert row["± 95 %"] == pytest.approx(interval([1, 2, 4])[1])
        assert (row["best val"], row["best test"]) == (base + sign * (at + 5), base + sign * (at + 6))
    if not seeds:
        assert here.drop(columns="n").isna().all().all()


def test_the_published_experiment_is_named_so(seeds):
    heads = {head for head, _ in made("lsskd/table-2", "paper").table().columns}
    assert heads == {"printed", "here, cifar100, as published"}


@pytest.mark.parametrize("seeds", [True], indirect=True)
def test_with_a_metric_it_is_the_table_of_every_study(seeds):
    study = made("ss-kd/2500")
    table = study.table("test/accuracy", "labels only")
    assert table.columns.tolist() == ["mean", "± 95 %", "n", "minus labels only", "± 95 % "]
    assert study.table(systems=iter(["labels only"])).index.tolist() == ["labels only"]


# --- as a page


def numbers(rows):
    """The numbers of a table's body, without letters of notes: (row, column, number)."""
    for r, row in enumerate(rows[2:], start=2):
        for c, cell in enumerate(row[1:], start=1):
            if number := re.match(r"-?\d+\.\d+", re.sub(r"<sup>.*?</sup>", "", cell)):
                yield r, c, float(number[0])


@each
def test_a_column_of_a_page_is_printed_or_measured(name, seeds):
    study = made(name)
    for rows in tables(study.page().html):
        heads, sides = rows[0], {"printed": set(), "measured": set()}
        for _, column, number in numbers(rows):
            kind = "measured" if abs(number) >= LOW / 2 else "printed"
            if not heads[column].startswith("more in"):
                sides[kind].add(heads[column])
        assert not sides["printed"] & sides["measured"]
        assert all(head.startswith("printed") for head in sides["printed"])
        assert all(head.startswith("measured here: digits, scaled down") for head in sides["measured"])


@each
def test_every_printed_number_has_its_source_beside_it(name, seeds):
    study, source, shown = made(name), "", []
    html = unescape(study.page().html)
    for row in tables(html)[0][2:] if tables(html) else []:
        source = row[0] if len(set(row)) == 1 else source
        shown.append((row[0], f"{' '.join(row)} {source}"))
    for cell in study.cells:
        if math.isnan(cell.value):
            continue
        value = re.compile(rf"(^|\s){cell.value:.2f}\b")
        beside = [text for row, text in shown if row.startswith(cell.row) and value.search(text)]
        assert any(cell.whose in text and cell.protocol in text for text in beside), cell
        assert cell.note in html


@each
def test_a_page_says_what_it_is_not(name, seeds):
    study = made(name)
    html, text = study.page().html, repr(study.page())
    assert "nothing compares with what is printed" in html and study.source.note in unescape(html)
    assert f"kdlab study run {name} --budget lab" in html and text == study.tabulated()
    assert ("nothing was measured so far" in html) == (not seeds)
    is_printed = any(not math.isnan(cell.value) for cell in study.cells)
    assert html.count("<table") == (1 if len(study.cells) <= FEW else is_printed + bool(seeds))
    assert ("no number was printed" in text) == (not is_printed)


def test_lines_by_hand(seeds):
    (rows,) = tables(made("ss-kd/2500").page().html)
    here = ["1002.3\xa0±\xa03.8", "1005.0", "1006.0", "3"] if seeds else [*["\u2013"] * 3, "0"]
    protocol = "at most 30 epochs; best epoch on test"
    assert rows[2] == ["scheduled_kd, as released", "72.71<sup>a</sup>", "own", protocol, "\xa0", *here]
    assert rows[5][:5] == ["labels only", "", "", "", "\xa0"]


def test_grids_by_hand(seeds):
    printed, *measured = tables(made("lsskd/table-2").page().html)
    assert printed[1][1] == "wrn_16_2<br>of\xa0wrn_40_2"
    assert printed[2] == ["<i>copied from HSAKD; 240 epochs; best epoch on test</i>"] * 7
    assert printed[4] == ["kd", "75.23", "73.90", "70.91", "73.54", "75.83", "75.43"]
    assert printed[-2][0] == "<i>own; 240 epochs; epoch unstated</i>" and printed[-1][0] == "lsskd"
    if seeds:
        (rows,) = measured
        assert rows[1] == [*printed[1][:7], "n", "best<br>val", "best<br>test"]
        assert rows[2][1] == "1002.3\xa0±\xa03.8" and rows[2][-3:] == ["3", "+2.7", "+3.7"]


def test_cells_that_cannot_be_run_say_why(seeds):
    html = made("sskd/similar").page().html
    for words in ("not run<sup>a</sup>", "at 8 pixels vgg8 ends in one point"):
        assert (words in html) == bool(seeds)
    if seeds:
        assert "not run: at, cc, sp, rkd, crd, hsakd" in made("lsskd/table-1").page().html


# --- as measured


def test_the_last_epoch_is_the_last_though_early_stopping_put_another_one_back(monkeypatch):
    study = made("ss-kd/5000")
    rows = [
        {"system": name, "seed": 0, "test/accuracy": 60.0, "track/accuracy/last": 55.0, "seconds": 1.0}
        for name in study.systems
    ]
    monkeypatch.setattr(Replication, "rows", lambda self: pd.DataFrame(rows))
    assert {scores["last"] for scores in study.measured() if scores} == {55.0}


def test_factor_transfer_runs_where_the_pixels_suffice():
    study = PUBLISHED["crd/cross"](dataset="cifar10")
    ft = [cell for cell in study.cells if cell.row == "ft"]
    assert len(ft) == 6 and sum(cell.system in study.systems for cell in ft) == 4
    assert {cell.why for cell in ft if not cell.system} == {
        "at 16 pixels mobilenet_v2_half ends in one point: no factor to transfer"
    }


def test_a_metric_of_its_own_has_its_unit():
    assert "latency, ms" in made("litenet-ssd/main").text() and "speed-up, times" in made("litenet-ssd/main").text()
