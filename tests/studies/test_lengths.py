"""Lengths of training: steps of a run, longer chains, the length at which a difference is read."""

import pytest
from making import TINY

from kdlab import Config, Error, Study
from kdlab.studies.control import PIXELS, pixels
from kdlab.studies.lengths import length_text, longer, steps_of, stretched

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


def test_the_length_of_a_difference_is_said():
    short, passes = STUDENT.replace(epochs=1, steps=1), STUDENT.replace(steps=None, epochs=240)
    long, early = STUDENT.replace(epochs=2000), STUDENT.replace(epochs=50, patience=3)
    untrained = SIMCLR.replace(epochs=0)
    pairs = {
        "6 steps": (STUDENT, STUDENT),
        "4,000 / 6 steps": (long, STUDENT),
        "6 steps / 1 step": (STUDENT, short),
        "1 step": (short, pixels(short)),
        "240 epochs": (passes, passes),
        "240 epochs / 6 steps": (passes, STUDENT),
        "up to 100 steps": (early, early),
        "up to 100 / 6 steps": (early, STUDENT),
        "4,000 steps": (untrained, long),
        "no steps": (untrained, pixels(STUDENT)),
    }
    assert {length_text(*pair): pair for pair in pairs.values()} == pairs
