"""Many runs as one graph: stages once, rows as one after another, failures and deaths that stop nothing else."""

import pytest
from making import TEACHER, TINY

import kdlab
from kdlab import Config, Error
from kdlab.engine import sweep
from kdlab.engine.sweep import Failed, results_of, run_all

STUDENTS = [Config(method=name, teacher=TEACHER, **TINY) for name in ("kd", "at")]
DIVERGES = Config(**{**TINY, "lr": 1e20})
TIMES = ("seconds", "cpu_seconds")


def numbers(result):
    return {name: value for name, value in result.metrics.items() if name not in TIMES}


def test_workers_give_the_numbers_of_one_process_in_order(runs, tmp_path, monkeypatch):
    configs = [config.seeded(seed) for seed in range(2) for config in [*STUDENTS, DIVERGES]]
    outcomes = []
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "several"))
    several = run_all(configs, workers=2, each=lambda index, outcome: outcomes.append((index, outcome)))
    assert [index for index, _ in outcomes] == list(range(6)) and [each for _, each in outcomes] == several
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "one"))
    single = run_all(configs, workers=1)
    for some, one in zip(several, single, strict=True):
        assert some == one if isinstance(one, Failed) else numbers(some) == numbers(one)
    assert [type(each) for each in single] == [kdlab.Result, kdlab.Result, Failed] * 2
    for root in ("several", "one"):
        assert len(list((tmp_path / root).glob("digits-resnet18-supervised-*"))) == 2, "a teacher is trained once"
        assert not list((tmp_path / root).glob(".*")), "nothing is left"


def test_what_stands_on_a_failed_run_fails_and_the_others_go_on(runs):
    above = Config(method="kd", teacher=DIVERGES, **TINY)
    outcomes = run_all([above, STUDENTS[0], Config(**{**TINY, "labels": 5000})], workers=1)
    assert "its teacher run (supervised litenet_dsc seed 0) failed: the loss term ce became nan" in outcomes[0].message
    assert isinstance(outcomes[1], kdlab.Result)
    assert "more than the 1,080 training images" in outcomes[2].message
    with pytest.raises(Error, match=r"2 of 3 runs failed, the others are stored: kd litenet_dsc seed 0 .*again"):
        results_of(outcomes)


@pytest.mark.parametrize("config", [*STUDENTS, Config(dataset="folder:/a b", labels=1.0, milestones=(0.5,), hp={})])
def test_the_command_of_a_run_is_read_as_that_run(config):
    import shlex

    from kdlab.core.settings import parse

    assert Config(**parse(shlex.split(sweep.command(config))[2:])) == config


def test_what_a_notebook_defined_is_refused_before_anything_starts(runs, monkeypatch):
    method = type("Own", (kdlab.METHODS["supervised"],), {"__module__": "__main__"})
    monkeypatch.setitem(kdlab.METHODS, "own", method)
    configs = [Config(method="own", **TINY).seeded(seed) for seed in range(2)]
    with pytest.raises(Error, match="'own' is defined in this notebook or script.*run with workers=1"):
        run_all(configs, workers=2)
