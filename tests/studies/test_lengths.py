"""Lengths of training: longer chains, curves of one experiment, what moves with the steps."""

import pytest
from making import TINY

from kdlab import Config, Error, Study
from kdlab.studies.control import PIXELS, pixels
from kdlab.studies.lengths import longer, steps_of, stretched

SIMCLR = Config(**{**TINY, "model": "resnet18"}, method="simclr")
TEACHER = Config(**{**TINY, "model": "resnet18"}, init=SIMCLR)
STUDENT = Config(**TINY, method="kd", teacher=TEACHER)


def test_steps_are_those_of_the_own_stage():
    assert steps_of(STUDENT) == 6 and steps_of(STUDENT.replace(epochs=7, steps=5)) == 35
    assert steps_of(STUDENT.replace(steps=None)) is None, "one pass over the images"
    untrained = SIMCLR.replace(epochs=0, steps=None)
    head = TEACHER.replace(method="probe")
    assert steps_of(untrained) == steps_of(pixels(STUDENT)) == steps_of(head) == 0


def test_a_longer_chain_is_longer_at_every_stage_that_trains():
    long = longer(STUDENT, 4)
    assert [stage.epochs for stage in long.chain()] == [12, 12, 12]
    assert long.replace(epochs=3, teacher=TEACHER) == STUDENT
    head = TEACHER.replace(method="probe", epochs=5)
    assert [stage.epochs for stage in longer(head, 2).chain()] == [5, 6]
    untrained = TEACHER.replace(init=SIMCLR.replace(epochs=0))
    assert [stage.epochs for stage in longer(untrained, 2).chain()] == [6, 0]
    for factor in (0, -1, 1.5, True):
        with pytest.raises(Error, match=r"factor=.*: give how many times the steps, a whole number"):
            longer(STUDENT, factor)


def test_stretched_systems_share_their_stages_and_take_their_rates():
    base = {"SimCLR": SIMCLR, "teacher": TEACHER, "student": STUDENT, PIXELS: pixels(STUDENT)}
    rates = {"SimCLR, 4 times the steps": 0.5, "student, 4 times the steps": 0.25}
    systems, curves = stretched(base, ["SimCLR", "teacher", "student"], (2, 4), rates)
    assert {name: systems[name] for name in base} == base and len(systems) == 4 + 6
    assert curves["student"] == ["student", "student, 2 times the steps", "student, 4 times the steps"]
    two, four = (systems[name] for name in curves["student"][1:])
    assert two == longer(STUDENT, 2) and two.teacher == systems["teacher, 2 times the steps"]
    assert four.teacher == systems["teacher, 4 times the steps"]
    assert four.teacher.init == systems["SimCLR, 4 times the steps"]
    assert (four.lr, four.teacher.lr, four.teacher.init.lr) == (0.25, TEACHER.lr, 0.5)
    assert Study("s", "?", systems, curves=curves).curves == curves
    with pytest.raises(Error, match="'pixels' trains nothing"):
        stretched(base, [PIXELS])
    with pytest.raises(Error, match="unknown system 'studnet': did you mean 'student'"):
        stretched(base, ["studnet"])


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
