"""Curves: one experiment at growing lengths, what moves with the steps, and where it is settled."""

import math

import numpy as np
import pandas as pd
import pytest
from making import TINY

from kdlab import STUDIES, Config, Error, Question, Study, plots
from kdlab.cli.app import app
from kdlab.engine.report import interval
from kdlab.studies.control import PIXELS, against_pixels, pixels
from kdlab.studies.curves import compared
from kdlab.studies.lengths import longer, stretched

SIMCLR = Config(**{**TINY, "model": "resnet18"}, method="simclr")
TEACHER = Config(**{**TINY, "model": "resnet18"}, init=SIMCLR)
STUDENT = Config(**TINY, method="kd", teacher=TEACHER)
ALONE = Config(**TINY)
TWO, FOUR = "2 times the steps", "4 times the steps"
SCORES = {  # of KD and of labels only, by how many times the steps, seed by seed
    "KD": [60.0, 62.0, 64.0],
    f"KD, {TWO}": [70.0, 71.0, 75.0],
    f"KD, {FOUR}": [72.0, 74.0],
    "labels only": [50.0, 51.0, 52.0],
    f"labels only, {TWO}": [52.0, 53.0, 55.0],
    f"labels only, {FOUR}": [54.0, 55.5],
    PIXELS: [58.0, 59.0, 60.0],
}


@pytest.fixture
def study(monkeypatch):
    """A study of a taught and a plain student at three lengths, with rows of its own."""
    base = {"KD": STUDENT, "labels only": ALONE, PIXELS: pixels(ALONE)}
    systems, curves = stretched(base, ["KD", "labels only"])
    questions = [
        Question("Does KD help?", "KD", "labels only"),
        Question("And longer?", f"KD, {TWO}", f"labels only, {TWO}"),
        Question("As much as longer training?", "KD", f"labels only, {FOUR}"),
        Question("Does longer training?", f"KD, {FOUR}", "KD"),
        *against_pixels(systems, ["KD"]),
    ]
    rows = [
        {"system": name, "seed": seed, "test/accuracy": score, "test/nll": score / 100}
        for name, scores in SCORES.items()
        for seed, score in enumerate(scores)
    ]
    monkeypatch.setattr(Study, "rows", lambda self: pd.DataFrame(rows))
    return Study("small", "Does it?", systems, questions, curves=curves)


# What a curve is


def test_a_curve_may_grow_in_a_stage_below():
    pre = [SIMCLR.replace(epochs=epochs) for epochs in (3, 6)]
    systems = {f"after {each.epochs}": STUDENT.replace(teacher=TEACHER.replace(init=each)) for each in pre}
    Study("s", "?", systems, curves={"student": list(systems)})
    with pytest.raises(Error, match="'after 3' is no longer than 'after 6'"):
        Study("s", "?", systems, curves={"student": ["after 6", "after 3"]})
    mixed = {"a": systems["after 6"], "b": systems["after 3"].replace(epochs=30)}
    with pytest.raises(Error, match="'b' is no longer than 'a'"):
        Study("s", "?", mixed, curves={"student": ["a", "b"]})


@pytest.mark.parametrize(
    "other, message",
    [
        (STUDENT, "'b' is no longer than 'a'; name the shortest first"),
        (STUDENT.replace(epochs=2), "'b' is no longer than 'a'"),
        (longer(STUDENT, 2).replace(width=0.25), "'a' and 'b' differ in width; on a curve"),
        (longer(STUDENT, 2).replace(labels=30, batch=4), "'a' and 'b' differ in batch, labels"),
        (STUDENT.replace(epochs=6, teacher=TEACHER.replace(width=0.25, init=None)), r"teacher\.init, teacher\.width"),
        (STUDENT.replace(steps=None, epochs=50), "'a' and 'b' differ in steps"),
        (STUDENT.replace(epochs=0), "'a' and 'b' differ in epochs"),
    ],
)
def test_systems_of_a_curve_are_one_experiment_at_growing_lengths(other, message):
    with pytest.raises(Error, match=f"curve 'KD' of study s: .*{message}"):
        Study("s", "?", {"a": STUDENT, "b": other}, curves={"KD": ["a", "b"]})
    free = longer(STUDENT, 2).replace(lr=0.1, steps=3)
    Study("s", "?", {"a": STUDENT, "b": free}, curves={"KD": ["a", "b"]})


def test_a_curve_names_systems():
    with pytest.raises(Error, match="unknown system of study s 'b': choose from a"):
        Study("s", "?", {"a": STUDENT}, curves={"KD": ["a", "b"]})
    with pytest.raises(Error, match="'a' is no longer than 'a'"):
        Study("s", "?", {"a": STUDENT}, curves={"KD": ["a", "a"]})
    with pytest.raises(Error, match="curve 'KD' of study s names no systems"):
        Study("s", "?", {"a": STUDENT}, curves={"KD": []})


# What moves


def test_a_curve_has_a_row_for_each_length_and_controls_last(study):
    table = study.curve()
    lengths = [6, 12, 24]
    assert list(table.columns) == ["label", "system", "steps", "mean", "± 95 %", "n", "metric"]
    assert list(table.label) == ["KD"] * 3 + ["labels only"] * 3 + [PIXELS]
    assert list(table.system) == list(SCORES) and table.steps.isna().tolist() == [False] * 6 + [True]
    assert table.steps.dropna().tolist() == lengths * 2 and list(table.n) == [3, 3, 2, 3, 3, 2, 3]
    expected = [interval(scores) for scores in SCORES.values()]
    np.testing.assert_allclose(table[["mean", "± 95 %"]], expected)
    assert set(table.metric) == {"test/accuracy"}
    one = study.curve("test/nll", ["labels only"])
    assert list(one.label) == ["labels only"] * 3 + [PIXELS] and one["mean"].iloc[0] == pytest.approx(0.51)


def test_what_was_not_measured_is_left_out(study, monkeypatch):
    rows = study.rows()
    monkeypatch.setattr(Study, "rows", lambda self: rows[~rows.system.isin([PIXELS, f"KD, {TWO}"])])
    assert list(study.curve().system) == [name for name in SCORES if name not in (PIXELS, f"KD, {TWO}")]
    table = study.by_length("KD", "labels only")
    assert list(table.n) == [3, 0, 2] and list(table["n, change"]) == [0, 0, 0] and not table.settled.any()
    monkeypatch.setattr(Study, "rows", lambda self: rows[rows.system == PIXELS])
    with pytest.raises(Error, match="no evidence of its curves in 'test/accuracy': kdlab study run small"):
        study.curve()


def test_differences_and_their_changes_are_paired_by_seed(study):
    table = study.by_length("KD", "labels only")
    assert list(table.steps) == [6, 12, 24] and list(table.n) == [3, 3, 2] and list(table["n, change"]) == [0, 3, 2]
    gained = [[10.0, 11.0, 12.0], [18.0, 18.0, 20.0], [18.0, 18.5]]
    changes = [[8.0, 7.0, 8.0], [0.0, 0.5]]
    np.testing.assert_allclose(table[["difference", "± 95 %"]], [interval(values) for values in gained])
    np.testing.assert_allclose(table[["change", "± 95 %, change"]][1:], [interval(values) for values in changes])
    assert math.isnan(table.change[0]) and not table.settled.any(), "0.25 ± 3.2: too wide to say"


@pytest.mark.parametrize(
    "changes, lengths, first",
    [
        ({1: [0.5, 0.9, 0.7]}, [100, 200], 100),
        ({1: [-0.5, -0.9, -0.7]}, [100, 200], 100),
        ({1: [0.5, 0.9, 0.7]}, [100, 150], None),  # not even twice as long
        ({1: [1.0, 1.2, 1.1]}, [100, 200], None),
        ({1: [-3.0, 4.0, 0.0]}, [100, 200], None),  # 0.3 ± 8.7
        ({1: [0.5], 2: [0.1]}, [100, 200, 400], None),  # one seed
        ({1: [5.0, 5.1, 5.2], 2: [0.5, 0.6, 0.7]}, [100, 200, 400], 200),
        ({1: [0.5, 0.6, 0.7], 2: [5.0, 5.1, 5.2]}, [100, 200, 400], None),  # it moved again
        ({1: [0.5, 0.6, 0.7], 2: [5.0]}, [100, 200, 400], 100),  # of one seed, which says nothing
        ({1: [0.5, 0.6, 0.7], 2: [3.0, -3.0, 0.0]}, [100, 200, 400], 100),
        ({1: [0.5, 0.6, 0.7], 2: [0.1, 0.2, 0.3]}, [1000, 3000, 10_000], 1000),
    ],
)
def test_a_difference_is_settled_where_twice_the_steps_no_longer_move_it(changes, lengths, first):
    gained = [pd.Series([10.0, 20.0, 15.0])]
    for change in changes.values():
        gained.append((gained[-1] + pd.Series(change)).dropna())
    table = compared(dict(zip(lengths, gained, strict=True)), "steps", "test/accuracy")
    settled = table.steps[table.settled].tolist()
    assert settled == ([] if first is None else lengths[lengths.index(first) :])
    assert not compared(dict(zip(lengths, gained, strict=True)), "steps", "test/nll").settled.any(), (
        "nats are no points"
    )


def test_questions_are_followed_where_both_systems_stand_at_one_length(study):
    (question,) = study.questions_by_length()
    assert (question.text, question.system, question.baseline) == ("Does KD help?", "KD", "labels only")
    few = Study("s", "?", study.systems, study.questions, curves={"KD": ["KD"], "labels only": ["labels only"]})
    assert few.questions_by_length() == [], "one length is no curve"


def test_lengths_are_compared_with_lengths_of_their_kind(study, monkeypatch):
    passes = {name: longer(ALONE.replace(steps=None), k) for name, k in (("one", 1), ("two", 2))}
    curves = {**study.curves, "passes": list(passes)}
    mixed = Study("small", "?", {**study.systems, **passes}, study.questions, curves=curves)
    with pytest.raises(Error, match="'KD' and 'passes' of study small have no length in common"):
        mixed.by_length("KD", "passes")
    rows = study.rows()
    more = pd.DataFrame([{"system": name, "seed": 0, "test/accuracy": 50.0} for name in passes])
    monkeypatch.setattr(Study, "rows", lambda self: pd.concat([rows, more]))
    with pytest.raises(Error, match="curve 'KD' of study small in steps; .* in epochs: choose labels of one kind"):
        mixed.curve()
    table = mixed.curve(labels=["passes"])
    assert table.epochs[:2].tolist() == [3, 6] and "steps" not in table
    assert plots.plot_curve(table).axes[0].get_xlabel() == "epochs of training"


def test_mistakes_are_refused(study):
    with pytest.raises(Error, match="unknown curve of study small 'kd': choose from KD, labels only"):
        study.curve(labels=["kd"])
    with pytest.raises(Error, match="unknown curve of study small 'KD, 2 times the steps'"):
        study.by_length("KD", f"KD, {TWO}")
    with pytest.raises(Error, match="study s has no curves: none of its systems is run at several lengths"):
        Study("s", "?", study.systems).curve()
    with pytest.raises(Error, match="study s has no curves"):
        Study("s", "?", study.systems).by_length("KD", "labels only")


def test_every_answer_says_its_length(study):
    assert study.answers().length.tolist() == ["6 steps", "12 steps", "6 / 24 steps", "24 / 6 steps", "6 steps"]
    pairs = [(f"KD, {TWO}", f"labels only, {TWO}"), (f"KD, {FOUR}", f"labels only, {FOUR}")]
    several = Study("s", "?", study.systems, [Question("?", "KD", "labels only", also=pairs)])
    assert several.answers().length.tolist() == ["6 steps; 12 steps; 24 steps"]


def test_the_command_prints_curves_and_how_differences_move(study, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.setitem(STUDIES, "small", lambda budget="lab": study)
    done = CliRunner().invoke(app, ["study", "lengths", "small"], terminal_width=200)
    assert done.exit_code == 0, done.output
    curves, question = done.output.split("\n\n")
    assert curves.split("\n")[0].split() == ["label", "system", "steps", "mean", "±", "95", "%", "n", "metric"]
    assert len(curves.split("\n")) == 1 + len(SCORES) and "pixels" in curves.split("\n")[-1]
    text, about, header, *rows = question.rstrip().split("\n")
    assert text == "Does KD help?"
    assert about == "KD, minus labels only, in test/accuracy: not settled at a length that was measured"
    assert "change" in header and rows[1].split() == ["12", "18.7", "2.9", "3", "7.7", "1.4", "3"]
    answers = CliRunner().invoke(app, ["study", "answers", "small"], terminal_width=200).output
    assert "6 / 24 steps" in answers


# In figures


def test_a_figure_of_curves_has_a_line_a_label_and_a_dashed_one_a_control(study):
    axis = plots.plot_curve(study.curve()).axes[0]
    assert axis.get_xscale() == "log" and [t.get_text() for t in axis.get_xticklabels()] == ["6", "12", "24"]
    labels = [text.get_text() for text in axis.figure.legends[0].get_texts()]
    assert labels == ["KD (n = 3, 3, 2)", "labels only (n = 3, 3, 2)"]
    lines = [line for line in axis.lines if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in lines] == [[62.0, 72.0, 73.0], pytest.approx([51.0, 160 / 3, 54.75])]
    (control,) = [line for line in axis.lines if line.is_dashed()]
    assert list(control.get_ydata()) == [59.0, 59.0] and [t.get_text() for t in axis.texts] == ["pixels (n = 3)"]
    assert axis.get_ylabel() == "test accuracy, %"
    many = study.curve().assign(steps=lambda frame: frame.steps * 1000)
    assert [t.get_text() for t in plots.plot_curve(many).axes[0].get_xticklabels()] == ["6,000", "12,000", "24,000"]
