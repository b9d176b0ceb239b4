"""Tables of groups of runs."""

import pytest
from making import TINY

import kdlab
from kdlab import Config, Error


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
    with pytest.raises(Error, match=message) as told:
        call(result)
    offered = str(told.value).partition("choose from ")[2].split(", ")
    assert len(offered) == len(set(offered))


def test_a_run_that_is_given_twice_is_no_evidence(runs):
    result = kdlab.run(Config(**TINY))
    with pytest.raises(Error, match="group 'a' holds a run twice"):
        kdlab.compare({"a": [result, result]})
