"""Every study has the control `pixels`, for all its label budgets, in its tables and figures, and asks about it."""

import pandas as pd
import pytest
from making import ON_DIGITS, TINY

from kdlab import STUDIES, Config, Error, Question, Study
from kdlab.core.places import shipped_only
from kdlab.studies.control import PIXELS, against_pixels, control_of, is_control, pixels
from kdlab.studies.study import study as registered

KD = Config(method="kd", teacher=Config(**TINY), **TINY)


@pytest.fixture
def register(monkeypatch):
    """Register a study "mine" of systems and questions, and make it."""

    def make(systems, questions):
        def mine(budget: str = "lab") -> Study:
            return Study("mine", "Does it?", systems, questions)

        monkeypatch.setitem(STUDIES, "mine", None)
        return registered(mine)()

    return make


def test_a_study_without_it_is_refused(register):
    systems = {"KD": KD, "KD, 30 labels": KD.replace(labels=30)}
    message = r"study mine has no control for 'KD': add pixels\(config\) to its systems"
    with pytest.raises(Error, match=message):
        register(systems, [])
    systems[PIXELS] = pixels(KD)
    with pytest.raises(Error, match="study mine has no control for 'KD, 30 labels'"):
        register(systems, against_pixels(systems, ["KD"]))
    systems["pixels, 30 labels"] = pixels(systems["KD, 30 labels"])
    with pytest.raises(Error, match="study mine does not ask whether anything is better than its pixels"):
        register(systems, [Question("?", "KD", "KD, 30 labels")])
    assert register(systems, against_pixels(systems, ["KD"])).questions[0].baseline == PIXELS


def test_the_control_has_the_images_and_labels_of_its_system():
    config = KD.replace(labels=30, noise=0.2, omit=(3,), split=5, teacher=Config(**TINY, split=5))
    control = pixels(config)
    fields = ("dataset", "labels", "noise", "omit", "split", "seed", "validation")
    assert all(getattr(control, name) == getattr(config, name) for name in fields)
    assert is_control(control) and not is_control(config) and pixels(control) == control
    assert pixels(config.replace(lr=0.5, epochs=1)) == control != pixels(config.replace(labels=31))
    assert pixels(config.seeded(7)) == control.seeded(7)


def test_questions_are_about_the_control_of_each_system():
    systems = {
        "KD": KD,
        "few": KD.replace(labels=10),
        "pixels": pixels(KD),
        "pixels, few": pixels(KD.replace(labels=10)),
    }
    asked = against_pixels(systems, ["KD", "few"], "test/knn", "kNN")
    assert [(q.text, q.baseline, q.metric) for q in asked] == [
        ("KD: better than its pixels, by kNN?", "pixels", "test/knn"),
        ("few: better than its pixels, by kNN?", "pixels, few", "test/knn"),
    ]


@pytest.mark.parametrize("alone, verdict", [([90.0, 91.0, 92.0], "yes"), ([85.0, 84.0, 87.0], "yes, not above pixels")])
def test_what_is_not_above_pixels_gets_no_plain_yes(monkeypatch, alone, verdict):
    scores = {"KD": alone, "few": [70.0, 69.0, 72.0], "pixels": [85.0, 86.0, 87.0], "pixels, few": [60.0] * 3}
    systems = {
        "KD": KD,
        "few": KD.replace(labels=10),
        "pixels": pixels(KD),
        "pixels, few": pixels(KD.replace(labels=10)),
    }
    questions = [Question("Is KD better?", "KD", "few"), Question("few: better?", "few", "pixels, few")]
    rows = [
        {"system": name, "seed": seed, "test/accuracy": value}
        for name, values in scores.items()
        for seed, value in enumerate(values)
    ]
    monkeypatch.setattr(Study, "rows", lambda self: pd.DataFrame(rows))
    study = Study("small", "?", systems, questions)
    assert study.answers().verdict.tolist() == [verdict, "yes"]
    both = Question("Are both better?", "KD", "few", also=[("few", "pixels, few")])
    assert Study("small", "?", systems, [both]).answers().verdict.tolist() == ["yes"], "KD and few, on the mean"


def test_a_frozen_network_at_its_own_size_has_the_control_of_smaller_images():
    student = Config(**{**TINY, "size": 16})
    frozen = Config(method="probe", model="efficientnet_lite0", pretrained=True, size=32, labels=TINY["labels"])
    systems = {"student": student, "frozen": frozen, "pixels": pixels(student)}
    assert [control_of(systems, each) for each in systems.values()] == ["pixels"] * 3
    assert control_of(systems, frozen.replace(labels=10)) is control_of(systems, student.replace(size=32)) is None


def test_it_stands_last_in_every_table_and_figure(runs, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(runs / "figures"))
    few = KD.replace(labels=10)
    systems = {"pixels": pixels(KD), "pixels, few": pixels(few), "KD": KD, "few": few}
    study = Study("small", "?", systems, against_pixels(systems, ["KD", "few"]), seeds=[0, 1])
    study.run()
    assert list(study.table().index) == list(study.groups()) == ["KD", "few", "pixels", "pixels, few"]
    assert list(study.table(systems=["few"]).index) == list(study.groups(["few"])) == ["few", "pixels, few"]
    assert study.answers().n.tolist() == [2, 2]


@pytest.mark.parametrize("name", STUDIES)
def test_what_a_study_calls_better_it_compares_with_pixels(name):
    """Of the two systems of a question about accuracy or features the first is compared with its pixels, too."""
    study = STUDIES[name](**ON_DIGITS.get(name, {}))
    controls = {system for system, config in study.systems.items() if is_control(config)}
    compared = {question.system for question in study.questions if question.baseline in controls}
    assert controls and compared
    if not name.startswith("ablate_"):
        plain = {q.system for q in study.questions if q.metric.startswith(("test/accuracy", "test/knn", "test/probe"))}
        assert plain - compared <= {"linear, chosen on test", "linear, to the end"}


@pytest.mark.parametrize("labels, mean", [(20, 74.4), (50, 85.0), (200, 91.8)])
def test_committed_pixels_are_those_that_were_measured_apart(labels, mean):
    """kNN on pixels of the digits, seeds 0 to 19, as an analysis of its own found it."""
    with shipped_only():
        scores = STUDIES["label_budgets"]().scores("test/knn")[f"pixels, {labels} labels"].dropna()
    assert len(scores) == 20 and scores.mean() == pytest.approx(mean, abs=0.05)


def test_controls_that_were_not_measured_are_computed_beside_what_is_run(runs, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(runs / "figures"))
    alone = Config(**TINY)
    systems = {"alone": alone, "few": alone.replace(labels=10), "pixels": pixels(alone)}
    study = Study("small", "?", systems, against_pixels(systems, ["alone"]), seeds=[0, 1])
    assert list(study.run([0], ["alone"])) == ["alone"] and list(study.table().index) == ["alone", "pixels"]
    assert list(study.run([0], ["few"])) == ["few"]
    assert list(study.run_missing([1])) == ["alone", "few"]
    assert study.rows().groupby("system").seed.agg(list).to_dict() == {"alone": [0, 1], "few": [0, 1], "pixels": [0, 1]}
