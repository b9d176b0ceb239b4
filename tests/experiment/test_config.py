"""Config: an experiment is a value."""

import re
import sys

import pytest
from making import TRAINED

from kdlab import METHODS, Config, Error
from kdlab.core.settings import parameters

TEACHER = Config(model="resnet18", labels=20)
STUDENT = Config(method="kd", teacher=TEACHER, labels=20)


def test_equal_values_are_equal_and_print_as_they_are_typed():
    again = eval(repr(STUDENT), {"Config": Config})
    assert again == STUDENT and hash(again) == hash(STUDENT) and Config(**STUDENT.model_dump()) == STUDENT
    assert str(Config(lr=0.1)) == "Config(lr=0.1)"


def test_frozen():
    with pytest.raises(ValueError, match="frozen"):
        STUDENT.lr = 1.0


def test_seeded_reaches_the_whole_pipeline():
    chain = Config(method="kd", teacher=TEACHER.replace(init=Config(model="resnet18", method="simclr")))
    other = chain.seeded(5)
    assert other.seed == other.teacher.seed == other.teacher.init.seed == 5
    assert [each.devices for each in chain.throughout(devices=2).chain()] == [2, 2, 2]


@pytest.mark.parametrize("method", TRAINED)
def test_the_published_experiment_needs_no_further_word(method):
    config = Config(method=method, preset="paper")
    assert config.width == 1.0 and config.epochs >= 25
    for stage in (config.teacher, config.init):
        assert stage is None or stage.width == 1.0
    assert not METHODS[method].needs_teacher or config.teacher is not None


def test_presets_fill_what_is_not_given():
    paper = Config(method="kd", preset="paper", teacher=TEACHER, epochs=3)
    assert (paper.epochs, paper.lr, paper.optimizer, paper.schedule, paper.width) == (3, 0.05, "sgd", "step", 1.0)
    assert Config(preset="smoke").epochs == 2


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"method": "litenet"}, "unknown method 'litenet': did you mean 'litenet_ssd'"),
        ({"model": "resnet19"}, "unknown model 'resnet19': did you mean 'resnet18'"),
        ({"dataset": "digts"}, "unknown data set 'digts': did you mean 'digits'"),
        ({"dataset": "folder"}, "needs a path: folder:PATH"),
        ({"augment": "digit"}, "unknown augmentation 'digit': did you mean 'digits'"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin': did you mean 'cosine'"),
        ({"preset": "papr"}, "unknown preset 'papr': did you mean 'paper'"),
        ({"epoch": 3}, "unknown field of Config 'epoch': did you mean 'epochs'"),
        ({"hp": {"T": 3}}, "unknown hyper-parameter of Supervised 'T': choose from"),
        ({"method": "simclr", "hp": {"T": 0}}, "T=0 of SimCLR: must be greater than 0"),
        ({"method": "simclr", "hp": {"dim": "wide"}}, "dim='wide' of SimCLR: must be a valid integer"),
        ({"weights": {"kd": 1}}, "unknown loss term of Supervised 'kd'"),
        ({"weights": {"ce": 0}}, "all loss weights of Supervised are 0"),
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm': did you mean 'adam'? choose from adam, adamw, lars, sgd"),
        (
            {"optimizer_hp": {"beta3": 1}},
            "unknown hyper-parameter of adamw 'beta3': did you mean 'beta2'? choose from beta1, beta2, eps",
        ),
        ({"optimizer_hp": {"beta2": 1.5}}, "hyper-parameter beta2=1.5 of adamw: must be less than 1"),
        ({"optimizer": "sgd", "optimizer_hp": {"momentum": 0.5}}, "unknown hyper-parameter of sgd 'momentum'"),
        (
            {
                "method": "sskd",
                "dataset": "cifar100",
                "validation": 0.0,
                "teacher": Config(
                    method="sskd_head",
                    dataset="cifar100",
                    validation=0.0,
                    init=Config(dataset="cifar10", validation=0.0),
                ),
            },
            "the teacher's network was trained on cifar10, and 'sskd_head' on cifar100 trains no classifier",
        ),
        ({"labels": float("nan")}, "labels=nan: must be a finite number"),
        ({"hp": [1]}, "hp=[1]: give names with values"),
        ({"method": "kd", "teacher": "resnet18"}, "teacher='resnet18': give a Config(...)"),
        ({"lr": float("inf")}, "lr=inf: must be a finite number"),
        ({"milestones": (float("nan"),)}, "milestones.0=nan: must be a finite number"),
        ({"labels": float("nan")}, "labels"),
        ({"weights": {"ce": float("nan")}}, "weights.ce=nan: must be a finite number"),
        ({"method": "kd", "teacher": TEACHER, "hp": {"T": float("inf")}}, "T=inf of KD: give a finite number"),
        ({"optimizer_hp": {"eps": float("inf")}}, "eps=inf of adamw: give a finite number"),
        ({"epochs": -1}, "epochs=-1: must be at least 0"),
        ({"batch": 1}, "batch=1: must be at least 2"),
        ({"lr": 0}, "lr=0: must be greater than 0"),
        ({"labels": 1.5}, "a share is at most 1.0"),
        ({"labels": -1}, "labels=-1"),
        ({"milestones": (0.5, 1.5)}, "milestones"),
        ({"method": "kd"}, "needs a teacher"),
        ({"teacher": TEACHER}, "uses no teacher"),
        ({"init": TEACHER}, "weights fit only the same network"),
        ({"method": "kd", "teacher": TEACHER, "seed": 1}, "give both the same split"),
        ({"method": "kd", "teacher": TEACHER.replace(validation=0.2)}, "give both the same split and validation"),
        (
            {"method": "sskd", "teacher": TEACHER},
            "needs its teacher's projector: give teacher=Config(method='sskd_head', ...)",
        ),
        (
            {"method": "hsakd", "teacher": TEACHER},
            "needs its teacher's branches: give teacher=Config(method='hsakd_teacher', ...) or",
        ),
        ({"method": "kd", "teacher": TEACHER.replace(method="simclr")}, "leaves the teacher's classifier untrained"),
        ({"method": "kd", "teacher": TEACHER, "normalise": False}, "give both the same normalise"),
        ({"method": "sskd_head"}, "goes on from a trained network: give init=Config(...)"),
        ({"method": "simclr", "cutmix": 0.5}, "method 'simclr' has no term for mixed labels"),
        ({"optimizer": "sgd", "nesterov": True, "momentum": 0}, "nesterov=True needs momentum above 0"),
        ({"weights": {"ce": -1}}, "weight ce=-1.0: a loss weight is 0 or more"),
        ({"weights": {"ce": float("inf")}}, "weights.ce=inf: must be a finite number"),
        (
            {"method": "sskd", "teacher": Config(method="sskd_head", init=Config(method="simclr"))},
            "'simclr' leaves the teacher's classifier untrained",
        ),
        (
            {"method": "hsakd", "teacher": Config(method="hsakd_branches", init=Config(method="simclr"))},
            "'simclr' leaves the teacher's classifier",
        ),
        ({"noise": 1.5}, "noise=1.5: must be at most 1"),
        ({"cutout": 1}, "cutout=1 would blank nothing"),
        ({"noise_kind": "some"}, "noise_kind='some': choose 'symmetric' or 'asymmetric'"),
        ({"dataset": "stl10:test"}, "stl10"),
        ({"method": "byol", "hp": {"tau": 0.0}}, "tau=0.0 of BYOL: must be greater than 0"),
        ({"method": "byol", "hp": {"tau": 1.1}}, "tau=1.1 of BYOL: must be at most 1"),
        ({"method": "lsskd", "hp": {"alpha": 1.5}}, "alpha=1.5 of LSSKD: must be at most 1"),
        ({"method": "scheduled_kd", "teacher": TEACHER, "hp": {"end": -0.1}}, "end=-0.1 of ScheduledKD"),
        ({"method": "sskd", "teacher": TEACHER, "hp": {"ratio_ss": 2}}, "ratio_ss=2 of SSKD: must be at most 1"),
        ({"method": "kd", "teacher": {"method": "nonsense"}}, "unknown method 'nonsense'"),
    ],
)
def test_mistakes(fields, message):
    with pytest.raises(Error, match=re.escape(message)) as caught:
        Config(**fields)
    assert "\n" not in str(caught.value)


def test_a_preset_with_another_seed_has_it_in_every_stage():
    config = Config(method="litenet_ssd", preset="mnist", seed=3, split=1)
    stages = [config, config.teacher, config.teacher.init]
    assert [(c.seed, c.split) for c in stages] == 3 * [(3, 1)]
    assert Config(method="kd", preset="paper", seed=1).teacher.seed == 1
    teacher = Config(model="resnet18", validation=0.0)
    assert Config(method="kd", preset="paper", seed=1, teacher=teacher).teacher.seed == 0, "nothing is held out"


@pytest.mark.parametrize("name, value, kind", [("seeds", 3, "list"), ("labels", "many", "int"), ("budget", 1, "str")])
def test_a_parameter_of_another_kind_than_its_cell_says(name, value, kind):
    cell = {
        "__annotations__": {"seeds": list, "labels": int, "budget": str},
        "seeds": [0],
        "labels": 0.5,
        "budget": "lab",
    }
    allowed = ("seeds", "labels", "budget")
    assert parameters(cell, allowed)["labels"] == 0.5, "a share is a number too"
    with pytest.raises(Error, match=f"parameter {name}={value!r}: give a {kind}"):
        parameters({**cell, name: value}, allowed)


def test_parameters_of_a_notebook():
    namespace = {"method": "simclr", "seed": 3, "labels": None, "Config": Config, "_hidden": 1, "In": [], "sys": sys}
    assert Config.from_params(namespace) == Config(method="simclr", seed=3)
    with pytest.raises(Error, match="unknown parameter 'sed': did you mean 'seed'"):
        Config.from_params({**namespace, "sed": 4})


def test_every_number_of_a_config_is_finite():
    numbers = [name for name, field in Config.model_fields.items() if isinstance(field.default, float)]
    assert len(numbers) >= 10
    for name in numbers:
        for odd in (float("inf"), float("-inf"), float("nan")):
            with pytest.raises(Error, match=f"^{name}="):
                Config(**{name: odd})


@pytest.mark.parametrize(
    "one, other",
    [
        ({"hp": {"T": 1}}, {"hp": {"T": 1.0}}),
        ({"weights": {"ce": 1, "kd": 2}}, {"weights": {"kd": 2.0, "ce": 1.0}}),
        ({"teacher": {"labels": 20, "optimizer_hp": {"beta2": 0.9}}},) * 2,
    ],
)
def test_equal_configs_hash_alike(one, other):
    first, second = (Config(**{"method": "kd", "teacher": Config(), **fields}) for fields in (one, other))
    assert first == second and len({first, second}) == 1


def test_one_image_is_not_all_images():
    assert Config(labels=1) != Config(labels=1.0)
    assert Config(method="kd", teacher=Config(labels=1)) != Config(method="kd", teacher=Config(labels=1.0))


@pytest.mark.parametrize("role", ["teacher", "hp", "itself"])
def test_fields_nested_without_end_are_one_sentence(role):
    fields = {}
    for _ in range(5000):
        fields = {"method": "kd", "teacher": fields} if role == "teacher" else {"hp": fields}
    if role == "itself":
        fields["hp"] = fields
    try:
        outcome = Config(**fields)
    except Exception as error:
        outcome = error
    assert isinstance(outcome, Error) and "deep" in str(outcome)
