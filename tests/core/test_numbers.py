"""Numbers of numpy and torch are numbers wherever one is taken, and True and False are none."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from making import TINY

import kdlab
from kdlab import Config, Error, run, run_seeds, transfer
from kdlab.cli import app as cli
from kdlab.data import load, split
from kdlab.engine.identity import identity
from kdlab.experiment.setup import chain_images

SHORT = {**TINY, "epochs": 1, "steps": 1}


def made(fields):
    """The Config of these fields, or what was said of them."""
    try:
        return Config(**fields)
    except (Error, TypeError, ValueError) as error:
        return str(error)


KINDS = {
    "numpy": lambda value: np.asarray(value)[()],
    "an array without dimensions": np.asarray,
    "torch": torch.tensor,
    "single precision": lambda value: np.asarray(
        value, {"i": np.int32, "f": np.float32, "b": np.bool_}[np.asarray(value).dtype.kind]
    )[()],
}
VALUES = {
    "labels": 100,
    "validation": 0.25,
    "size": 16,
    "split": 3,
    "seed": 2,
    "omit": [2, 3],
    "epochs": 7,
    "steps": 3,
    "batch": 32,
    "width": 0.5,
    "lr": 0.125,
    "milestones": [0.25, 0.5],
    "patience": 2,
    "cutout": 4,
    "noise": 0.5,
    "normalise": False,
    "decay_all": False,
    "imbalance": 2.0,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_takes_numbers_of_every_kind(kind):
    for name, value in VALUES.items():
        typed, given = Config(**{name: value}), made({name: KINDS[kind](value)})
        assert given == typed
        for text in (Config.model_dump_json, hash, repr):
            assert text(given) == text(typed)


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": np.float32(0.5)},
        {"labels": np.float64(0.5)},
        {"method": np.str_("simclr")},
        {"omit": [np.int64(2), np.int8(3)]},
        {"milestones": (np.float32(0.5), torch.tensor(0.75))},
        {"weights": {"ce": np.float32(0.5)}},
        {"optimizer_hp": {"beta2": np.float32(0.5)}},
        {"optimizer_hp": {"eps": torch.tensor(0.5)}},
        {"method": "simclr", "hp": {"T": np.float32(0.5)}},
        {"method": "simclr", "hp": {"dim": np.int64(8), "T": torch.tensor(0.5)}},
        {"method": "kd", "teacher": {"labels": np.int64(30), "seed": torch.tensor(0)}, "labels": np.int64(20)},
        {"preset": "smoke", "labels": np.int64(100), "seed": np.int64(3)},
    ],
)
def test_numbers_in_lists_and_dicts_are_plain_in_a_config_and_in_its_identity(fields):
    def plainly(value):
        if isinstance(value, dict):
            return {name: plainly(each) for name, each in value.items()}
        return (
            [plainly(each) for each in value]
            if isinstance(value, list | tuple)
            else getattr(value, "item", lambda: value)()
        )

    plain, given = Config(**plainly(fields)), made(fields)
    assert given == plain
    try:
        text = given.model_dump_json()
        facts = json.dumps(identity(given, chain_images(given)))
    except (TypeError, ValueError) as error:
        pytest.fail(f"{error} of {fields}")
    assert text == plain.model_dump_json() and facts == json.dumps(identity(plain, chain_images(plain)))


def test_a_run_of_numpys_numbers_is_the_run(runs):
    config = made({"method": "simclr", "hp": {"T": np.float32(0.5)}, **SHORT, "labels": np.int64(20)})
    assert isinstance(config, Config), config
    try:
        folder = run(config).folder
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}")
    assert folder == run(Config(method="simclr", hp={"T": 0.5}, **SHORT)).folder


@pytest.mark.parametrize("typed, kept", [({"dim": "12"}, 12), ({"T": "0.5"}, 0.5)])
def test_a_config_keeps_the_values_that_were_checked(typed, kept):
    assert list(Config(method="simclr", hp=typed).hp.values()) == [kept]


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"labels": True}, "labels"),
        ({"labels": np.True_}, "labels"),
        ({"labels": False}, "labels"),
        ({"epochs": True}, "epochs"),
        ({"width": True}, "width"),
        ({"size": True}, "size"),
        ({"batch": True}, "batch"),
        ({"lr": False}, "lr"),
        ({"seed": torch.tensor(True)}, "seed"),
        ({"split": False}, "split"),
        ({"omit": [True]}, "omit"),
        ({"weights": {"ce": True}}, "weights"),
        ({"optimizer_hp": {"eps": True}}, "eps"),
        ({"method": "simclr", "hp": {"T": True}}, "T"),
        ({"method": "simclr", "hp": {"T": False}}, "T"),
        ({"method": "kd", "teacher": {"epochs": True}}, "teacher.epochs"),
    ],
)
def test_true_and_false_are_no_numbers(fields, name):
    said = made(fields)
    assert isinstance(said, str), f"{said} was made"
    assert f"{name}=" in said and "give a number" in said and "\n" not in said


@pytest.mark.parametrize(
    "words, message",
    [
        (["labels=true"], "labels=True: give a number"),
        (["epochs=true"], "epochs=True: give a number"),
        (["width=true"], "width=True: give a number"),
        (["method=kd", "teacher.model=5"], "teacher.model=5: must be a valid string"),
        (["method=kd", "teacher.lr=-1"], "teacher.lr=-1: must be greater than 0"),
        (["method=kd", "teacher.init.model=5"], "teacher.init.model=5: must be a valid string"),
        (["method=kd", "teacher.modle=resnet8"], "teacher: unknown field of Config 'modle': did you mean 'model'"),
        (["init.epochs=-1"], "init.epochs=-1: must be at least 0"),
    ],
)
def test_a_mistake_is_named_where_it_was_made(words, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["kdlab", "run", *words])
    with pytest.raises(SystemExit) as stop:
        cli.call()
    said = capsys.readouterr().err
    assert stop.value.code == 2 and message in said and said.count("\n") == 1


def test_seeds_sizes_shots_and_splits_take_them(runs):
    config = Config(**SHORT)
    assert [r.folder for r in run_seeds(config, np.arange(2))] == [r.folder for r in run_seeds(config, [0, 1])]
    assert torch.equal(load("digits", np.int64(10)).train_x, load("digits", 10).train_x)
    digits = load("digits")
    for wanted, given in ((20, np.int64(20)), (0.5, np.float32(0.5))):
        mine, theirs = (split(digits, each, seed=seed) for each, seed in ((wanted, 3), (given, np.int64(3))))
        assert torch.equal(mine.y, theirs.y) and torch.equal(mine.x, theirs.x), "one seed, however it is written"
    result = run(config)

    def scores(shots, seeds):
        try:
            return transfer(result, "digits", shots=shots, seeds=seeds).to_csv()
        except Error as error:
            return str(error)

    assert scores(np.int64(2), np.arange(2)) == scores(2, [0, 1])
    assert "shots=True: give a number" in scores(True, [0, 1])


def test_means_and_classes_of_a_set_are_plain():
    digits = load("digits")
    same = replace(
        digits, mean=np.array(digits.mean), std=[np.float64(s) for s in digits.std], classes=list(digits.classes)
    )
    assert same.fingerprint() == digits.fingerprint() and same.classes == digits.classes


def test_parameters_of_a_notebook_are_plain():
    given = kdlab.parameters({"labels": np.int64(20), "seeds": [np.int64(0)]}, ["labels", "seeds"])
    assert given == {"labels": 20, "seeds": [0]} and type(given["labels"]) is int and type(given["seeds"][0]) is int
