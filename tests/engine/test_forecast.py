"""What is stored is known, and what is not takes as long as runs like it did."""

import os

import pytest
from making import TINY

from kdlab import Config, grid, run
from kdlab.engine.forecast import forecast


def test_runs_of_like_kind_say_how_long_others_take(runs):
    assert forecast([Config(**TINY)]) == {Config(**TINY): (False, None)}
    result = run(Config(**TINY))
    began = result.folder.joinpath("config.json").stat().st_mtime
    os.utime(result.folder / "result.json", (began, began + 100))  # validations and all took longer than training
    longer = Config(**{**TINY, "epochs": 6, "seed": 1})
    student = Config(method="kd", teacher=longer, **{**TINY, "seed": 1})
    expected = forecast([*grid({**TINY, "seed": "0-1"}), student])
    assert expected[Config(**TINY)] == (True, None)
    assert expected[longer].seconds == pytest.approx(3 + 2 * 97), "all but three seconds grow with its length"
    assert expected[student] == (False, None), "no run of kd is stored"
    assert len(expected) == 4, "the student's teacher too"
    os.utime(result.folder / "result.json", (began, began - 100))
    assert forecast([longer])[longer].seconds == pytest.approx(2 * result["seconds"]), "copied at another time"


def test_a_long_run_is_not_as_many_starts_of_a_short_one(runs):
    short = run(Config(**TINY))
    began = short.folder.joinpath("config.json").stat().st_mtime
    os.utime(short.folder / "result.json", (began, began + short["seconds"] + 2))
    long = Config(**{**TINY, "epochs": 100 * TINY["epochs"], "seed": 1})
    assert forecast([long])[long].seconds == pytest.approx(2 + 100 * short["seconds"], abs=0.1)
