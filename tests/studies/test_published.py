"""The published numbers: well formed, as printed, and what follows from them and what does not."""

import math
import re

import pytest

from kdlab import DATASETS, METHODS, MODELS, Error
from kdlab.studies.papers.published import ABSENT, DOES_NOT_FOLLOW, TABLES, UNITS, published

ALL = published()
CELL = ["table", "dataset", "teacher", "student", "method", "condition", "metric"]
# What kdlab does not have, under the names that the papers give
NETWORKS = {"pyramidnet200", "googlenet", "shufflenet_v2 of tf-kd"}
RIVALS = {
    "teacher",
    "tf-kd",
    "row without a name",
    "reviewkd",
    "dist",
    "wttm",
    "kd+lskd",
    "dkd+lskd",
    "mlkd",
    "skd",
    "barlow twins",
    "simsiam",
    "supcon",
    "all4one",
    "fixmatch",
    "freematch",
}


def cells(table, **wanted):
    """Rows of a table with these values in these columns; what is not named may be anything."""
    rows = published(table)
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def value(table, **wanted):
    (value,) = cells(table, **wanted).value
    return value


def scores(table, method, **wanted):
    """The values of a method by pair of networks."""
    return cells(table, method=method, **wanted).set_index(["teacher", "student"]).value


def test_every_row_has_a_table_and_every_table_rows():
    assert list(dict.fromkeys(ALL.table)) == list(TABLES) and not set(TABLES) & set(ABSENT)
    assert sum(len(published(table)) for table in TABLES) == len(ALL) == 808
    assert all(each.title and each.paper for each in TABLES.values())


def test_no_cell_twice_and_no_cell_empty():
    assert not ALL.duplicated(CELL).any()
    for column in ("table", "method", "metric", "provenance", "protocol", "source"):
        assert (ALL[column] != "").all(), column
    assert ALL.value.notna().all() and (ALL.n.dropna() > 1).all() and (ALL.spread.dropna() > 0).all()
    assert not ALL.drop(columns=["value", "spread", "n"]).apply(lambda text: text != text.str.strip()).any(axis=None)


def test_values_are_in_their_range():
    percent = ALL[ALL.metric.map(UNITS) == "%"]
    assert set(ALL.metric) == set(UNITS) and percent.value.between(0, 100).all() and len(percent) > 700
    assert ALL[ALL.dataset.isin(["cifar100", "imagenet"]) & (ALL.metric == "top-1")].value.between(40, 90).all()
    assert ALL[ALL.metric == "gain"].value.between(0, 10).all()
    wide = percent.pivot_table(index=CELL[:-1], columns="metric", values="value")
    assert (wide["top-5"] > wide["top-1"]).sum() == wide["top-5"].notna().sum() == 12 + 5


def test_names_are_those_of_kdlab_or_listed_here():
    assert (set(ALL.teacher) | set(ALL.student)) - set(MODELS) - {""} == NETWORKS
    assert set(ALL.method) - set(METHODS) == RIVALS
    assert set(ALL.dataset) - set(DATASETS) <= {"", "imagenet"}
    nameless = {"lsskd/table-1", "lsskd/averages", "lsskd/coc", "sskd/averages", "hsakd/averages", "usb/cifar10"}
    assert set(ALL[ALL.student == ""].table) == nameless and set(cells("lsskd/table-1", student="").method) == {"mokd"}


def test_provenance_is_one_of_four():
    assert ALL.provenance.str.fullmatch(r"own|unknown|copied from \S+|re-run by .+").all()
    assert set(published("lsskd/table-2").query("method == 'lsskd'").provenance) == {"own"}


@pytest.mark.parametrize(
    "name, message",
    [
        ("lsskd/tabel-2", "unknown published table 'lsskd/tabel-2': did you mean 'lsskd/table-2'"),
        ("lsskd/figure-5", "no numbers in lsskd/figure-5: 25, 50 and 75 %"),
    ],
)
def test_a_table_that_is_not_there(name, message):
    with pytest.raises(Error, match=message):
        published(name)


def test_what_is_changed_by_a_reader_stays_with_them():
    for rows in (published(), published("lsskd/coc")):
        rows["value"] = 0.0
    assert value("lsskd/coc") == 2.58


# --- copied numbers are those that they were copied from


def test_rows_that_lsskd_copied_from_hsakd():
    copied = cells("lsskd/table-2", provenance="copied from HSAKD")
    assert len(copied) == 11 * 6
    for row in copied.itertuples():
        assert row.value == value("hsakd/table-1", student=row.student, teacher=row.teacher, method=row.method)
    for metric in ("top-1", "top-5"):
        for method, condition in (("teacher", "frozen teacher"), ("supervised", ""), ("hsakd", "frozen teacher")):
            theirs = value("hsakd/imagenet", method=method, condition=condition, metric=metric)
            assert value("lsskd/table-1", method=method, metric=metric) == theirs
    assert value("lsskd/table-1", method="sskd", metric="top-1") == value("sskd/imagenet")


def test_rows_that_lsskd_copied_from_self_distillation():
    nets = {"resnet18": "preact_resnet18"}  # in PS-KD
    for row in cells("lsskd/table-3", provenance="copied from PS-KD").itertuples():
        error = value("pskd/cifar100", student=nets.get(row.student, row.student), method=row.method, metric="error")
        assert row.value == pytest.approx(100 - error)
    for row in cells("lsskd/table-3", provenance="copied from Tf-KD").itertuples():
        assert row.value == value("tfkd/baselines", student=row.student)


def test_the_row_that_sskd_copied_from_crd():
    for part in ("similar", "cross"):
        for row in cells(f"sskd/{part}", provenance="copied from CRD").itertuples():
            assert row.value == value(f"crd/{part}", teacher=row.teacher, student=row.student, method=row.method)
        for row in cells(f"sskd/{part}", method="crd").itertuples():
            assert row.value != value(f"crd/{part}", teacher=row.teacher, student=row.student, method="crd")


# --- what the papers state beside their tables

TOP1, JOINT = {"metric": "top-1"}, {"condition": "joint teacher"}
PAIRS, ALONE, IMAGENET = (scores(f"lsskd/table-{i}", "lsskd", **TOP1) for i in (2, 3, 1))
# Table, condition, data set of a stated gain -> what its tables give, by pair
GIVEN = {
    ("sskd/averages", "over crd; sskd/cross", "cifar100"): scores("sskd/cross", "sskd") - scores("sskd/cross", "crd"),
    ("hsakd/averages", "over sskd; joint teacher", "cifar100"): scores("hsakd/table-1", "hsakd", **JOINT)
    - scores("hsakd/table-1", "sskd"),
    ("hsakd/averages", "over sskd; joint teacher", "imagenet"): scores("hsakd/imagenet", "hsakd", **JOINT, **TOP1)
    - scores("sskd/imagenet", "sskd"),
    ("lsskd/averages", "over hsakd; section I", "cifar100"): PAIRS
    - scores("hsakd/table-1", "hsakd", condition="frozen teacher"),
    ("lsskd/averages", "over a rival without a name; section IV-B", "imagenet"): IMAGENET
    - scores("lsskd/table-1", "hsakd", **TOP1),
    ("lsskd/averages", "over supervised; section IV-D", "cifar100"): ALONE
    - scores("lsskd/table-3", "supervised", student="mobilenet_v2_cifar"),
    **{
        ("lsskd/averages", f"over pskd; {where}", "cifar100"): ALONE - scores("lsskd/table-3", "pskd")
        for where in ("abstract", "section I", "section IV-D")
    },
    **{
        ("lsskd/averages", f"over sskd; {where}", "cifar100"): PAIRS - scores("lsskd/table-2", "sskd")
        for where in ("abstract", "section I", "section IV-B")
    },
    **{
        ("lsskd/averages", f"over hsakd; {where}", "imagenet"): IMAGENET - scores("lsskd/table-1", "hsakd", **TOP1)
        for where in ("abstract", "section I")
    },
}
STATED = ALL[ALL.metric == "gain"]


def given(row):
    """The mean gain that a paper's own tables give, NaN where they give none."""
    if row.table == "lsskd/table-4":
        ours, labels = (value(row.table, method=m, student=row.student, **TOP1) for m in ("lsskd", "supervised"))
        return ours - labels
    return math.nan if row.table == "lsskd/coc" else GIVEN[row.table, row.condition, row.dataset].mean()


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{row.table} {row.student} {row.condition}") for row in STATED.itertuples()]
)
def test_a_stated_gain_follows_from_the_tables_or_is_said_not_to(row):
    gain = given(row)
    digits = len(str(row.value).partition(".")[2])
    follows = round(gain, digits) == row.value
    assert follows != row.note.startswith(DOES_NOT_FOLLOW)
    assert follows or math.isnan(gain) or f" {gain:.2f}" in row.note


def test_which_stated_gains_do_not_follow():
    wrong = ALL[ALL.note.str.startswith(DOES_NOT_FOLLOW)]
    assert set(wrong.metric) == {"gain"} and len(wrong) == 13
    assert sorted(wrong[wrong.table != "lsskd/averages"].value) == [2.58, 3.96, 6.22]
    assert STATED[STATED.table == "lsskd/averages"].drop(wrong.index, errors="ignore").value.tolist() == [5.6]
    averages = STATED[STATED.table.str.endswith("/averages")]
    assert set(GIVEN) == set(averages[["table", "condition", "dataset"]].itertuples(index=False, name=None))
    assert (PAIRS - scores("hsakd/table-1", "hsakd", **JOINT)).mean() == pytest.approx(-1.353, abs=5e-4)


def test_numbers_that_a_note_finds_elsewhere():
    light = cells("hsakd/table-1", student="mobilenet_v2_half_highres")
    hsakd = light.set_index(["teacher", "method", "condition"]).value
    table2 = published("lsskd/table-2").set_index(["student", "method"]).value
    assert table2["shufflenet_v1", "lsskd"] == hsakd["vgg13_by_resolution", "hsakd", "frozen teacher"]
    assert table2["shufflenet_v2", "lsskd"] == hsakd["resnet50", "hsakd", "joint teacher"]
    assert table2["wrn_16_2", "lsskd"] == hsakd["resnet50", "crd", ""]
    assert table2["wrn_40_1", "semckd"] == value("crd/similar", student="wrn_40_1", method="kd")
    table4 = cells("lsskd/table-4", **TOP1).set_index(["student", "method"]).value
    for student, method, twin, theirs in (
        ("resnet18", "supervised", "wrn_16_2", "supervised"),
        ("resnet18", "lsskd", "wrn_16_2", "lsskd"),
        ("wrn_40_2", "supervised", "wrn_16_2", "lsskd"),
        ("resnet56", "supervised", "resnet20", "crd"),
        ("resnet50", "supervised", "wrn_16_2", "crd"),
    ):
        assert table4[student, method] == table2[twin, theirs]
    assert table4["wrn_16_2", "lsskd"] == value("lsskd/table-3", student="resnet18", method="lsskd")
    assert table4["resnet56", "lsskd"] == hsakd["resnet50", "hsakd", "frozen teacher"]
    slip = value("pskd/cifar100", student="densenet121", method="cskd", metric="error")
    assert value("lsskd/table-3", student="resnet101", method="cskd") == pytest.approx(100 - slip)


# --- cells typed from the papers: table, teacher, student, method, condition, metric, value, spread

TYPED = """
litenet-ssd/main   | resnet18 | litenet_dsc | litenet_ssd | 10000 labels and 35000 images without | top-1 | 93.1
litenet-ssd/main   | | litenet_dsc | litenet_ssd | one image | latency | 0.50
ss-kd/2500         | mobilenet_v2 | efficientnet_b0 | scheduled_kd | 2500 labels | top-1 | 72.71
ss-kd/5000         | mobilenet_v2 | efficientnet_b0 | scheduled_kd | 5000 labels | top-1 | 83.00
lsskd/table-1      | resnet34_imagenet | resnet18_imagenet | teacher | | top-1 | 73.31
lsskd/table-1      | resnet34_imagenet | resnet18_imagenet | rkd | | top-1 | 71.34
lsskd/table-1      | resnet34_imagenet | resnet18_imagenet | cc | | top-5 | 89.17
lsskd/table-1      | | | mokd | | top-5 | 90.9
lsskd/table-1      | resnet34_imagenet | resnet18_imagenet | lsskd | | top-5 | 91.15
lsskd/table-2      | wrn_40_2 | wrn_16_2 | supervised | | top-1 | 73.57
lsskd/table-2      | wrn_40_2 | wrn_16_2 | ab | | top-1 | 71.26
lsskd/table-2      | wrn_40_2 | wrn_40_1 | cc | | top-1 | 74.46
lsskd/table-2      | wrn_40_2 | wrn_40_1 | lsskd | | top-1 | 78.35
lsskd/table-2      | resnet56 | resnet20 | sskd | | top-1 | 70.80
lsskd/table-2      | resnet32x4 | resnet8x4 | sp | | top-1 | 75.44
lsskd/table-2      | wrn_40_2 | shufflenet_v1 | semckd | | top-1 | 77.39
lsskd/table-2      | wrn_40_2 | shufflenet_v1 | at | | top-1 | 76.51
lsskd/table-2      | resnet32x4 | shufflenet_v2 | fitnet | | top-1 | 76.91
lsskd/table-2      | resnet32x4 | shufflenet_v2 | lsskd | | top-1 | 79.43
lsskd/table-3      | | resnet18 | cskd | | top-1 | 78.7
lsskd/table-3      | | resnet101 | tf-kd | | top-1 | 77.36
lsskd/table-3      | | resnet18 | row without a name | | top-1 | 77.11
lsskd/table-3      | | mobilenet_v2_cifar | pskd | | top-1 | 69.89
lsskd/table-3      | | mobilenet_v2_cifar | lsskd | | top-1 | 73.95
lsskd/table-4      | | resnet56 | lsskd | | top-1 | 78.79
lsskd/table-4      | | wrn_40_2 | lsskd | | top-1 | 85.68
lsskd/table-4      | | wrn_16_2 | supervised | | top-1 | 76.77
lsskd/table-4      | | resnet50 | lsskd | over supervised | gain | 6.22
lsskd/averages     | | | lsskd | over hsakd; section I | gain | 1.63 0.32
lsskd/averages     | | | lsskd | over pskd; section IV-D | gain | 4.56
lsskd/coc          | | | lsskd | with Cutout and CutMix over without | gain | 2.58
sskd/similar       | resnet56 | resnet20 | sskd | | top-1 | 71.49
sskd/similar       | wrn_40_2 | wrn_16_2 | ab | | top-1 | 68.89
sskd/similar       | vgg13 | vgg8 | teacher | | top-1 | 75.38
sskd/similar       | resnet32x4 | resnet8x4 | crd | | top-1 | 75.90
sskd/cross         | vgg13 | mobilenet_v2_half | supervised | | top-1 | 65.79
sskd/cross         | resnet32x4 | shufflenet_v1 | sskd | | top-1 | 78.44
sskd/cross         | wrn_40_2 | shufflenet_v1 | ft | | top-1 | 75.18
sskd/imagenet      | resnet34_imagenet | resnet18_imagenet | sskd | | top-1 | 71.62
crd/similar        | wrn_40_2 | wrn_16_2 | vid | | top-1 | 74.11
crd/similar        | resnet110 | resnet32 | crd | | top-1 | 73.48
crd/similar        | resnet32x4 | resnet8x4 | pkt | | top-1 | 73.64
crd/similar        | vgg13 | vgg8 | fsp | | top-1 | 70.23
crd/cross          | wrn_40_2 | shufflenet_v1 | rkd | | top-1 | 72.21
crd/cross          | resnet32x4 | shufflenet_v2 | cc | | top-1 | 71.29
crd/cross          | vgg13 | mobilenet_v2_half | pkt | | top-1 | 67.13
crd/re-runs        | resnet56 | resnet20 | kd | | top-1 | 71.54
hsakd/table-1      | wrn_40_2 | wrn_16_2 | ab | | top-1 | 71.26 | 1.32
hsakd/table-1      | resnet56 | resnet20 | hsakd | joint teacher | top-1 | 73.73 | 0.10
hsakd/table-1      | vgg13_by_resolution | mobilenet_v2_half_highres | supervised | | top-1 | 73.51 | 0.26
hsakd/table-1      | resnet50 | mobilenet_v2_half_highres | teacher | joint teacher | top-1 | 83.85
hsakd/few-shot     | resnet56 | resnet20 | hsakd | 50 % of the labels | top-1 | 72.18 | 0.41
hsakd/online       | | resnet32x4 | hsakd_online | | top-1 | 84.91 | 0.19
hsakd/imagenet     | resnet34_imagenet | resnet18_imagenet | hsakd | joint teacher | top-5 | 91.00
after-crd/cifar100 | resnet32x4 | shufflenet_v1 | reviewkd | | top-1 | 77.45
after-crd/cifar100 | wrn_40_2 | wrn_40_1 | wttm | | top-1 | 74.58
after-crd/cifar100 | vgg13 | vgg8 | skd | | top-1 | 75.75
pskd/cifar100      | | preact_resnet18 | cskd | | error | 21.30
pskd/cifar100      | | densenet121 | tf-kd | | error | 19.88
pskd/cifar100      | | preact_resnet18 | pskd | | ece | 1.77
tfkd/baselines     | | shufflenet_v2 of tf-kd | supervised | | top-1 | 70.34
byot/paper         | | resnet18 | byot | classifier 2 of 4 | top-1 | 74.57
moco/demo          | | resnet18 | moco | asymmetric loss; 400 epochs | knn | 86.3
fixmatch/paper     | | wrn_28_8 | fixmatch | 10000 labels | top-1 | 77.40 | 0.12
usb/cifar10        | | | freematch | 40 labels | top-1 | 95.0
"""


@pytest.mark.parametrize("line", TYPED.strip().splitlines(), ids=lambda line: re.sub(r"[\s|]+", " ", line))
def test_cells_typed_from_the_papers(line):
    table, *names, values, spread = [part.strip() for part in (line + " |" * (line.count("|") == 6)).split("|")]
    rows = cells(table, **dict(zip(CELL[2:], names, strict=True)))
    assert rows.value.tolist() == [float(number) for number in values.split()]
    assert rows.spread.dropna().tolist() == ([float(spread)] if spread else [])


@pytest.mark.parametrize(
    "dataset, method, probe, top5",
    [
        ("cifar10", "simclr", 90.74, 99.75),
        ("cifar10", "moco", 92.94, 99.79),
        ("cifar100", "byol", 70.46, 91.96),
    ],
)
def test_probes_typed_from_the_documentation(dataset, method, probe, top5):
    assert value("solo-learn/online", dataset=dataset, method=method, metric="probe") == probe
    assert value("solo-learn/online", dataset=dataset, method=method, metric="probe top-5") == top5
