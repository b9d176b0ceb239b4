"""A grid is every combination of values, and refuses what no run could be."""

import pytest

from kdlab import Config, Error, grid
from kdlab.core.settings import parse


def of(*words):
    return grid(parse(list(words), several=True))


def test_every_combination_seed_by_seed():
    configs = of("method=supervised,lsskd", "labels=20,0.5", "seed=3-4,9", "lr=1e-3")
    assert [(c.seed, c.method, c.labels) for c in configs] == [
        (seed, method, labels) for seed in (3, 4, 9) for method in ("supervised", "lsskd") for labels in (20, 0.5)
    ]
    assert {c.lr for c in configs} == {0.001}
    assert list(configs.values())[1] == {"method": "supervised", "labels": 0.5, "seed": 3}


def test_a_list_that_is_a_value_stands_in_a_list():
    cuts = [c.milestones for c in of("milestones=[[0.5,0.75],[0.9]]", "schedule=step")]
    assert cuts == [(0.5, 0.75), (0.9,)]
    assert [c.milestones for c in of("milestones=[0.5,0.75],[0.9]")] == cuts
    assert [c.omit for c in grid({"omit": [[1, 2], []]})] == [(1, 2), ()]
    assert [*of('dataset="folder:/a,b"')] == [Config(dataset="folder:/a,b")]


def test_dotted_and_nested_names_are_the_same():
    dotted = grid({"method": "kd", "hp.T": [1, 4], "teacher.model": "resnet20"})
    assert list(dotted) == list(grid({"method": "kd", "hp": {"T": [1, 4]}, "teacher": {"model": "resnet20"}}))
    assert list(dotted.values()) == [{"hp.T": 1}, {"hp.T": 4}]
    whole = grid({"method": "kd", "teacher": [{"model": "resnet20"}, {"model": "resnet8", "width": 0.5}]})
    assert [c.teacher.width for c in whole] == [0.25, 0.5]


def test_the_task_reaches_all_stages_that_have_none_of_their_own():
    configs = of(
        "method=kd",
        "labels=20,50",
        "seed=0-1",
        "teacher.model=resnet20",
        "teacher.init.method=simclr",
        "teacher.init.model=resnet20",
    )
    for config in configs:
        for stage in config.chain():
            assert (stage.seed, stage.labels) == (config.seed, config.labels)
    assert len(configs) == 4
    (config,) = of("method=kd", "labels=20", "teacher.labels=100", "seed=5", "teacher.seed=7", "split=0")
    assert (config.teacher.labels, config.teacher.seed, config.teacher.split) == (100, 7, 0)


def test_a_method_without_a_teacher_does_without_beside_one_that_has():
    configs = of("method=supervised,kd", "teacher.model=resnet20,resnet8")
    assert [c.teacher and c.teacher.model for c in configs] == [None, "resnet20", "resnet8"], "and counts once"
    assert next(iter(configs.values())) == {"method": "supervised", "teacher.model": ""}
    assert list(of("method=supervised,kd", "teacher.model=resnet20").values()) == [
        {"method": "supervised"},
        {"method": "kd"},
    ]
    with pytest.raises(Error, match="'supervised' uses no teacher"):
        of("teacher.model=resnet20")


@pytest.mark.parametrize(
    "words, message",
    [
        (["methd=kd,crd"], "did you mean 'method'"),
        (["method=kd,sup"], "unknown method 'sup'"),
        (["method=supervised,kd", "teacher.modle=resnet20"], "did you mean 'model'"),
        (["method=kd", "teacher.model=resnet20", "hp.TT=1,2"], "did you mean 'T'"),
        (["lr=0.1,x"], "lr='x'"),
        (["seed=5-2"], "smaller number first"),
        (["seed=0-999999"], "at most 100,000"),
        (["seed=0-999", "split=0-999"], "1,000,000 combinations"),
        (["lr=[]"], "one value or more"),
        (["lr"], "field=value"),
    ],
)
def test_what_no_run_could_be_is_refused(words, message):
    with pytest.raises(Error, match=message):
        of(*words)
