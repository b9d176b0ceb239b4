"""Studies: systems, evidence by identity, answers, tuning on other seeds."""

import math
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from making import ON_DIGITS, TINY

import kdlab
from kdlab import STUDIES, Config, Error, Question, Study
from kdlab.engine.identity import hash_of, identity, reseeded
from kdlab.engine.process import process_of
from kdlab.engine.report import interval
from kdlab.experiment.device import processor
from kdlab.experiment.setup import chain_images
from kdlab.studies.verdicts import seeds_needed, verdict

TEACHER = Config(**{**TINY, "model": "resnet18"})


@pytest.fixture
def study(runs, monkeypatch):
    """A small study whose tables lie in a folder of its own."""
    monkeypatch.setenv("KDLAB_FIGURES", str(runs / "figures"))
    systems = {
        "teacher": TEACHER,
        "alone": Config(**TINY),
        "taught": Config(method="kd", teacher=TEACHER, **TINY),
    }
    questions = [
        Question("Does a teacher help?", "taught", "alone"),
        Question("And in nats?", "taught", "alone", "test/nll"),
    ]
    return Study("small", "Does it?", systems, questions, seeds=[0, 1])


# Values


def test_names_must_be_systems():
    for fields in ({"questions": [Question("?", "a", "b")]}, {"grid": {"b": {"lr": [1]}}}, {"published": {"b": 1.0}}):
        with pytest.raises(Error, match="unknown system of study s 'b': choose from a"):
            Study("s", "?", {"a": Config(**TINY)}, **fields)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("budget", ["smoke", "lab"])
def test_every_study_is_put_together_on_digits(name, budget):
    study = STUDIES[name](**ON_DIGITS.get(name, {}), budget=budget)
    assert study.name == name and study.question.endswith("?") and study.questions
    for config in study.systems.values():
        kdlab.assemble(config)


def test_the_published_sskd_study_is_the_published_chain():
    systems = STUDIES["sskd"](dataset="cifar100", budget="paper").systems
    published = Config(method="sskd", preset="paper", model="resnet8x4", teacher={"model": "resnet32x4"})
    assert systems["SSKD"] == published and systems["head"] == published.teacher
    assert systems["teacher"] == published.teacher.init and systems["KD"].teacher == systems["teacher"]


def test_questions_ask_for_metrics_that_there_are_and_seeds_that_did_not_choose():
    with pytest.raises(Error, match="unknown metric 'accuray': did you mean 'accuracy'"):
        Question("?", "a", "b", "test/accuray")
    with pytest.raises(Error, match="unknown part of a metric 'accuracy'"):
        Question("?", "a", "b", "accuracy")
    with pytest.raises(Error, match="seed 100 is one of those that choose settings"):
        Study("s", "?", {"a": Config(**TINY)}, seeds=range(200))


# Evidence


def test_runs_become_rows_and_only_what_is_missing_is_trained(study, monkeypatch):
    results = study.run()
    rows = study.rows()
    assert len(rows) == 6 and set(rows.system) == set(study.systems) and {"test/ece", "val/accuracy"} <= set(rows)
    first = rows.set_index(["system", "seed"]).loc[("taught", 1)]
    assert first["test/accuracy"] == pytest.approx(results["taught"][1]["test/accuracy"])
    trained = []
    original = kdlab.engine.run._train
    monkeypatch.setattr(
        kdlab.engine.run, "_train", lambda setup, *a: trained.append(setup.config) or original(setup, *a)
    )
    more = Study("small", "?", {**study.systems, "smoothed": Config(method="label_smoothing", **TINY)}, seeds=[0, 1])
    more.run()
    assert [config.method for config in trained] == ["label_smoothing"] * 2 and len(more.rows()) == 8
    more.run([2], only=["alone"])
    assert len(trained) == 3 and list(more.rows().query("seed == 2").system) == ["alone"]
    with pytest.raises(Error, match="unknown system of study small 'allone': did you mean 'alone'"):
        more.run(only=["allone"])


def test_what_was_measured_with_all_seeds_is_not_run_for_one_more(study):
    both = ["alone", "taught"]
    study.run(only=["alone"])
    assert list(study.run_missing([0], both)) == ["taught"] and list(study.run_missing([1], both)) == ["taught"]
    assert study.run_missing([2], both) == {}
    elsewhere = Study("small", "?", {"alone": Config(**{**TINY, "labels": 30})})
    assert [list(elsewhere.run_missing([1])) for _ in range(2)] == [["alone"]] * 2, "one seed of twenty"


def test_what_a_second_process_has_begun_is_waited_for_without_a_word(study, monkeypatch):
    config = Config(**{**TINY, "epochs": 60, "steps": 10, "evaluate_every": 1000})
    monkeypatch.setattr("kdlab.engine.lock.SILENT_SECONDS", 0.1)
    study = Study("small", "?", {"long": config})
    monkeypatch.setattr("kdlab.studies.study.processors", lambda: 1)
    study.begin("long", 0)
    process = process_of(config)
    assert process.child is None, "no processor is free"
    monkeypatch.setattr("kdlab.studies.study.processors", lambda: 2)
    study.begin("long", 0)
    while not process.folders[-1].lock.owner():
        assert process.alive, process.failure
        time.sleep(0.05)
    monkeypatch.setattr("kdlab.engine.run._train", lambda *_: pytest.fail("the other process trains it"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = study.run([0])["long"][0]
    assert result["epochs"] == 60 and len(study.rows()) == 1
    child = process.child
    child.wait()
    study.begin("long", 0)
    assert process.child is child, "it is stored"


def test_rows_of_other_settings_are_set_apart(study):
    study.run([0])
    changed = Study("small", "?", {**study.systems, "alone": Config(**{**TINY, "lr": 0.1})}, study.questions)
    assert set(changed.rows().system) == {"teacher", "taught"} and list(changed.stale().system) == ["alone"]
    assert len(study.stale()) == 0


def test_evidence_that_came_with_the_package_and_ones_own(study, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    monkeypatch.setattr("kdlab.core.places.SHIPPED", shipped)
    monkeypatch.setattr("kdlab.engine.tables.SHIPPED", shipped)
    monkeypatch.setenv("KDLAB_FIGURES", str(shipped))
    study.run([0], only=["alone"])
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path / "own"))
    study.run([1], only=["alone"])
    assert sorted(study.rows().seed) == [0, 1] and len(pd.read_csv(tmp_path / "own" / "data" / "small.csv")) == 1
    study.run([0, 1], only=["alone"])
    assert len(study.rows()) == 2, "measured twice counts once"


def test_the_first_measurement_of_an_experiment_stands(study):
    result = study.run([0], only=["alone"])["alone"][0]
    row = kdlab.studies.evidence.row("alone", result)
    kdlab.studies.evidence.add("small", {**row, "test/accuracy": 99.0})
    assert study.rows()["test/accuracy"].tolist() == [pytest.approx(result["test/accuracy"])]
    kdlab.studies.evidence.add("small", {**row, "test/accuracy": 99.0, "test/new": 7.0})
    again = study.rows().iloc[0]
    assert again["test/new"] == 7 and again["test/accuracy"] == pytest.approx(result["test/accuracy"]), "new ones join"
    kdlab.studies.evidence.add("small", {**row, "test/accuracy": 99.0, "identity": "0123456789ab"})
    assert len(study.rows()) == 0 and study.stale()["test/accuracy"].tolist() == [99.0], "of other code: replaced"


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_an_identity_with_another_seed(seed):
    config = Config(method="litenet_ssd", teacher=TEACHER.replace(init=TEACHER.replace(method="simclr")), **TINY)
    images = chain_images(config)
    assert reseeded(identity(config, images), seed) == identity(config.seeded(seed), images)
    assert hash_of(reseeded(identity(config.seeded(3), images), 0)) == hash_of(identity(config, images))


def stamped(study, shift=0.0, seeds=(0, 1)):
    """The table of a study as if other code had written it, its accuracies off by `shift` for `seeds`."""
    rows = kdlab.studies.evidence.load(study.name)
    rows["identity"] = rows["code"] = "0123456789ab"
    rows.loc[rows.seed.isin(seeds), "test/accuracy"] += shift
    rows.loc[rows.seed.isin(seeds), "code"] = "ba9876543210" if shift else "0123456789ab"
    kdlab.engine.tables.save_table(rows.set_index("system"), study.name)


def test_evidence_counts_again_where_no_digit_moved(study, monkeypatch):
    study.run([0, 1])
    before = study.rows()
    stamped(study)
    trained = []
    original = kdlab.engine.run._train
    monkeypatch.setattr(
        kdlab.engine.run, "_train", lambda setup, *a: trained.append(setup.config) or original(setup, *a)
    )
    assert len(study.rows()) == 0 and len(study.stale()) == 6
    frame = study.verify()
    assert list(frame.system) == list(study.systems) and frame.holds.all() and set(frame.seed) == {0}
    columns = sorted(before.columns)
    ordered = [rows[columns].sort_values(["system", "seed"]).reset_index(drop=True) for rows in (before, study.rows())]
    assert ordered[0].equals(ordered[1]) and len(study.stale()) == 0
    assert len(trained) == 3 and {config.seed for config in trained} == {0}, "anew, each once, teachers too"
    assert len(study.verify()) == 0 and len(trained) == 3


def test_rows_of_each_older_code_are_judged_by_themselves(study):
    study.run([0, 1], only=["alone"])
    stamped(study, shift=1.0, seeds=[1])
    frame = study.verify().set_index("seed")
    assert frame.holds.to_dict() == {0: True, 1: False} and study.rows().seed.tolist() == [0]


def test_code_further_away_is_verified_too(study, monkeypatch):
    study.run([0], only=["alone"])
    assert len(study.verify()) == 0
    monkeypatch.setattr("kdlab.studies.verifying.far_code", lambda: {"models": "other"})
    frame = study.verify()
    assert frame.holds.tolist() == [True] and len(study.rows()) == 1 and len(study.verify()) == 0


def test_evidence_that_moved_stays_stale(study):
    study.run([0])
    stamped(study, shift=1.0)
    frame = study.verify()
    assert not frame.holds.any() and frame.moved.str.contains("test/accuracy").all() and len(study.stale()) == 3
    other = Study("small", "?", {"alone": study.systems["alone"].replace(lr=0.1)})
    assert len(other.verify()) == 0, "other settings are no matter of code"


def test_rows_are_repeated_though_no_code_has_changed(study, runs):
    study.run([0, 1, 2], only=["alone"])
    folder = runs / "checks"
    frame = study.verify(repeat=2, folder=folder)
    assert frame.seed.tolist() == [0, 1] and frame.holds.all() and set(frame.rows) == {3}
    assert set(frame.processor) == {processor()} and folder.is_dir()
    rows = kdlab.studies.evidence.load(study.name)
    rows.loc[rows.seed == 1, ["test/accuracy", "processor"]] = [1.0, "another"]
    kdlab.engine.tables.save_table(rows.set_index("system"), study.name)
    frame = study.verify(repeat=2, folder=folder).set_index("seed")
    assert frame.holds.to_dict() == {0: True, 1: False} and frame.processor[1] == "another"
    assert frame.moved[1].startswith("test/accuracy 1 -> ")


# Answers


def test_tables_and_answers_by_hand(study, monkeypatch):
    scores = {"teacher": [90.0, 92.0, 91.0], "alone": [60.0, 62.0, 61.0], "taught": [64.0, 67.0, 63.0]}
    rows = [
        {"system": name, "seed": seed, "test/accuracy": value, "test/nll": value / 100}
        for name, values in scores.items()
        for seed, value in enumerate(values)
    ]
    monkeypatch.setattr(Study, "rows", lambda self: pd.DataFrame(rows))
    table = study.table(baseline="alone")
    assert table.loc["taught", "mean"] == pytest.approx(64.6667, rel=1e-4) and table.loc["alone", "n"] == 3
    gained = interval([4.0, 5.0, 2.0])
    assert (table.loc["taught", "minus alone"], table.loc["taught", "± 95 % "]) == pytest.approx(gained)
    first, second = study.answers().to_dict("records")
    assert (first["difference"], first["± 95 %"], first["n"]) == pytest.approx((*gained, 3))
    assert first["verdict"].startswith("open: ") and second["difference"] > 0
    assert second["verdict"] != "yes", "more nats are worse"


@pytest.mark.parametrize(
    "mean, half, said",
    [
        (5.0, 4.9, "yes"),
        (-5.0, 4.9, "no, worse"),
        (0.3, 1.6, "at most 1.9"),
        (-0.3, 1.6, "at most 1.9"),
        (0.9, 1.049, "at most 2.0"),
        (0.0, 0.0, "the same in every seed"),
        (0.3, 1.8, "open"),
        (1.0, math.nan, "open: one seed"),
        (0.5, 0.4, "yes"),
    ],
)
def test_verdicts(mean, half, said):
    assert verdict(mean, half, 5, matters=2.0).startswith(said)


def test_the_number_of_seeds_is_one_that_settles_it():
    draw = np.random.default_rng(0)
    for true, spread in ((1.5, 6.0), (0.0, 8.0), (4.0, 9.0)):
        values = draw.normal(true, spread, 5)
        mean, half = interval(values.tolist())
        if (needed := seeds_needed(mean, half, 5, 2.0)) is None:
            continue
        scaled = (values - mean) / values.std(ddof=1)
        for n, settled in ((needed, True), (needed - 1, False)):
            many = np.resize(scaled, n)
            many = mean + values.std(ddof=1) * (many - many.mean()) / many.std(ddof=1)
            said = verdict(*interval(many.tolist()), n, 2.0)
            assert said.startswith("open") is not settled, (true, n, said)


def test_a_study_without_evidence_says_how_to_get_it(study):
    with pytest.raises(Error, match="study small has no evidence in 'test/accuracy': kdlab study run small"):
        study.table()
    assert set(study.answers().verdict) == {"open: no seed was run"} and set(study.answers().n) == {0}


# On the command line


def test_commands(study, monkeypatch, capsys):
    from typer.testing import CliRunner

    from kdlab.cli.study import app

    monkeypatch.setitem(STUDIES, "small", lambda budget="lab", lr=2e-3: study)

    def said(*words):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    assert "small                    Does it?" in said("list")
    assert "small: 6 runs done" in said("run", "small", "--seeds", "0-1", "--workers", "1")
    assert "write the smaller one first" in str(CliRunner().invoke(app, ["run", "small", "--seeds", "3-1"]).exception)
    assert "taught (n = 2)\n    Config(method='kd'" in said("show", "small")
    assert "minus alone" in said("table", "small", "--baseline", "alone")
    text = " ".join(said("answers", "small").split())
    assert "Does a teacher help?" in text and "at most x: there may" in text
    assert "small: 6 rows count, 0 are stale; 3 of 3" in said("verify", "small", "--repeat", "1", "--workers", "1")
    for words, message in (
        (("verify",), "give a study, or --all"),
        (("answers",), "give a study, or --all"),
        (("run", "smal"), "unknown study 'smal': did you mean 'small'"),
        (("run", "small", "--seeds", "a-b"), "seeds 'a-b': write 0-19"),
        (("show", "small", "-p", "lrr=1"), "unknown parameter of study small 'lrr': did you mean 'lr'"),
        (("show", "small", "-p", "budget=lab"), "unknown parameter of study small 'budget'"),
        (("tune", "small"), "study small has no grid"),
        (("run", "small", "--seeds", "99-101"), "seed 100 is one of those that choose settings"),
        (("table", "small", "--metric", "test/knn"), "no evidence in 'test/knn': choose from val/accuracy"),
    ):
        assert message in str(CliRunner().invoke(app, list(words)).exception)
