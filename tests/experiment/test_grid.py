"""A grid is every combination of values, and refuses what no run could be."""

import numpy as np
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
    for wrong in ({"milestones": [0.5, 0.75]}, {"omit": [3]}):
        with pytest.raises(
            Error, match=r"its value is itself a list, and a list holds values to try: \[\[...\], \[...\]\]"
        ):
            grid({**wrong, "schedule": "step"})
    assert [*of('dataset="folder:/a,b"')] == [Config(dataset="folder:/a,b")]


def test_no_teacher_is_a_value_in_a_file_too():
    configs = [*grid({"method": ["supervised", "kd"], "teacher": {"model": "resnet20"}}), *grid({"teacher": "none"})]
    assert [c.teacher and c.teacher.model for c in configs] == [None, "resnet20", None]


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


def test_a_method_does_without_what_it_lacks_beside_one_that_has_it():
    configs = of("method=supervised,kd,crd", "hp.T=1,4", "teacher.model=resnet20")
    assert [(c.method, c.hp) for c in configs] == [
        ("supervised", {}),
        *((method, {"T": T}) for method in ("kd", "crd") for T in (1, 4)),
    ]
    assert next(iter(configs.values())) == {"method": "supervised", "hp.T": ""}
    weighted = of("method=supervised,kd", "weights.kd=1,2", "teacher.model=resnet20")
    assert [c.weights for c in weighted] == [{}, {"kd": 1}, {"kd": 2}]
    stages = of("method=kd", "teacher.method=supervised,label_smoothing", "teacher.hp.eps=0.1,0.2")
    assert [c.teacher.hp for c in stages] == [{}, {"eps": 0.1}, {"eps": 0.2}]


def test_values_from_python_are_taken_or_refused_in_a_sentence():
    teachers = [Config(labels=20), Config(labels=20, width=0.5)]
    configs = grid({"method": "kd", "labels": np.array([20, 50]), "teacher": teachers})
    assert [(c.labels, c.teacher) for c in configs] == [(n, teacher) for n in (20, 50) for teacher in teachers]
    assert {each["teacher"] for each in configs.values()} == set(map(str, teachers))
    assert [c.labels for c in grid({"method": "kd", "labels": [20, 50], "teacher": Config()})] == [20, 50]
    with pytest.raises(Error, match="a set has no order, give the values in a list"):
        grid({"method": {"kd", "crd"}, "teacher": Config()})


@pytest.mark.parametrize(
    "words, message",
    [
        (["methd=kd,crd"], "did you mean 'method'"),
        (["method=kd,sup"], "unknown method 'sup'"),
        (["method=supervised,kd", "teacher.modle=resnet20"], "did you mean 'model'"),
        (["method=kd", "teacher.model=resnet20", "hp.TT=1,2"], "did you mean 'T'"),
        (["lr=0.1,x"], "lr='x'"),
        (["method=supervised,kd", "teacher.model=resnet20", "hp.TT=1"], "unknown hyper-parameter"),
        (["method=supervised,kd", "teacher.method=supervised", "teacher.hp.T=1"], "unknown hyper-parameter"),
        (["seed=0-1", "seed=3"], "seed is given twice"),
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
