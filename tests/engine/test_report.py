"""Tables of all runs, and of groups of runs."""

import json
import math
import shutil

import pytest
from making import TINY

import kdlab
from kdlab import Config, Error
from kdlab.core.formats import HALF
from kdlab.engine.report import brief, interval, means

STUDENT = {**TINY, "method": "kd", "epochs": 1}


def student(seed, **fields):
    """A tiny run of KD, with a teacher of its own seed."""
    return Config(**{**STUDENT, **fields, "seed": seed, "teacher": Config(**{**TINY, "epochs": 1, "seed": seed})})


def values_of(column):
    """The cells of a column, None where there is nothing."""
    return [None if isinstance(value, float) and math.isnan(value) else value for value in column]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda result: kdlab.run_seeds(result.config, 3), r"seeds=3: give several, such as \[0, 1, 2\]"),
        (lambda result: kdlab.run_seeds(result.config, "012"), "seeds='012': give several"),
        (lambda result: kdlab.run("kd"), "'kd' describes no run: give a Config"),
        (lambda result: kdlab.assemble({"method": "kd"}), "describes no run: give a Config"),
        (lambda result: kdlab.compare({"a": result}), "group 'a' is one Result: give a list"),
        (lambda result: kdlab.compare({"kd": [result]}, baseline="kb"), "unknown group 'kb': did you mean 'kd'"),
        (lambda result: result["loss/ce"], r"unknown part 'loss'.*columns by epoch, such as losses, are in log\(\)"),
        (lambda result: result["nonsense"], "unknown column 'nonsense'.*choose from "),
    ],
)
def test_arguments_of_the_wrong_kind(call, message, runs):
    result = kdlab.run(Config(**TINY))
    with pytest.raises(Error, match=message) as caught:
        call(result)
    offered = str(caught.value).partition("choose from ")[2].split(", ")
    assert len(offered) == len(set(offered))


def test_a_run_that_is_given_twice_is_no_evidence(runs):
    result = kdlab.run(Config(**TINY))
    with pytest.raises(Error, match="group 'a' holds a run twice"):
        kdlab.compare({"a": [result, result]})


def test_the_table_has_every_field_of_a_config_and_of_its_stages(runs):
    results = [
        kdlab.run(student(0, hp={"T": 2})),
        kdlab.run(student(0)),
        kdlab.run(student(0, labels=0.05, patience=1)),
    ]
    frame = kdlab.table().set_index("folder").loc[[result.folder.name for result in results]]
    fields = [name for name in Config.model_fields if name not in ("teacher", "init", "weights", "optimizer_hp", "hp")]
    shown = [name for name in frame if "." not in name]
    assert shown[: len(fields)] == fields, "in Config's order, and metrics after"
    for name in fields:
        if name != "labels":
            values = [getattr(result.config, name) for result in results]
            assert values_of(frame[name]) == values, name
            teachers = [getattr(result.config.teacher, name) for result in results]
            assert values_of(frame[f"teacher.{name}"]) == teachers, name
    assert frame["hp.T"].tolist() == [2.0, 4.0, 4.0], "of a run that leaves it, the default of its method"
    assert frame["labels"].tolist() == [20, 20, results[2].metrics["labels"]] and frame["labels"].iloc[2] > 1
    assert frame["trained_epochs"].tolist() == [1, 1, 1] and "weights.kd" not in frame


def test_a_default_of_code_that_has_changed_is_not_claimed(runs):
    kdlab.run(student(0, hp={"T": 2}))
    file = kdlab.run(student(0)).folder / "config.json"
    about = json.loads(file.read_text())
    about["identity"]["code"]["method"] = "another"
    file.write_text(json.dumps(about))
    frame = kdlab.table().set_index("folder")
    assert frame["hp.T"].dropna().tolist() == [2.0]
    assert frame["other code"].to_dict() == {**dict.fromkeys(frame.index, ""), file.parent.name: "loss"}


def test_a_brief_table_shows_what_differs(runs):
    for T in (2, 4):
        kdlab.run(student(0, hp={"T": T}))
    shown = list(brief(kdlab.table()))
    scores = ["val/accuracy", "test/accuracy", "seconds"]
    assert shown == ["method", "model", "hp.T", "teacher.method", *scores, "folder"]
    assert list(brief(kdlab.table(), ["test/nll", "lr"])) == [
        *("method", "model", "lr", "hp.T", "teacher.method"),
        *("test/nll", "folder"),
    ]
    with pytest.raises(Error, match="unknown column 'teacher.modl': did you mean 'teacher.model'"):
        brief(kdlab.table(), ["teacher.modl"])


def test_means_are_over_runs_that_differ_in_seeds_alone(runs):
    accuracies = [kdlab.run(student(seed, hp={"T": 4}))["test/accuracy"] for seed in (0, 1, 2)]
    kdlab.run(student(0, hp={"T": 2}))
    folder = kdlab.run(student(1, hp={"T": 4})).folder
    shutil.copytree(folder, folder.with_name("a copy is no second measurement"))
    frame = means(kdlab.table(), ["test/accuracy"])
    by_key = brief(frame, ["test/accuracy"]).set_index(["method", "hp.T"])
    assert by_key.loc[("kd", 4.0), "n"] == 3 and by_key.loc[("kd", 2.0), "n"] == 1
    assert by_key.loc[("kd", 4.0), ["test/accuracy", f"test/accuracy{HALF}"]].tolist() == list(interval(accuracies))
    assert frame.n.tolist() == [3, 3, 1] and "seed" not in frame and "teacher.seed" not in frame
    assert "test/nll" in means(kdlab.table())


def test_a_table_of_nothing(runs):
    assert not len(kdlab.table()) and not len(means(kdlab.table())) and not len(brief(kdlab.table()))
