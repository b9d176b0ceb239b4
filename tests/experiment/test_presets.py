"""Presets: what is given is laid over the recipe, stage by stage; how a recipe reads; its sources."""

import pytest

from kdlab import METHODS, Config, Error
from kdlab.core.settings import parse
from kdlab.experiment.presets import TASK, complete, describe, presets_of, recipe
from kdlab.experiment.recipes import RECIPES, Recipe

TEACHER = Config(model="resnet18", labels=20)


def typed(words):
    """A Config as the command line makes it."""
    return Config(**parse(words.split()))


def test_a_pair_is_its_published_experiment_in_all_stages():
    config = typed("method=sskd preset=paper model=shufflenet_v1 teacher.model=resnet32x4")
    head, classifier = config.teacher, config.teacher.init
    assert (config.lr, head.lr, classifier.lr) == (0.01, 0.05, 0.05)
    assert (head.method, head.model, classifier.method, classifier.model) == (
        "sskd_head",
        "resnet32x4",
        "supervised",
        "resnet32x4",
    )
    assert {stage.dataset for stage in (config, head, classifier)} == {"cifar100"}
    assert (config.epochs, head.epochs, classifier.epochs) == (240, 60, 240)


def test_settings_of_a_stage_are_laid_over_it():
    config = typed("method=sskd preset=paper teacher.epochs=3 teacher.init.lr=0.1 lr=0.2")
    plain = Config(method="sskd", preset="paper")
    assert config == plain.replace(
        lr=0.2, teacher=plain.teacher.replace(epochs=3, init=plain.teacher.init.replace(lr=0.1))
    )


def test_hyper_parameters_and_weights_are_laid_over_by_name():
    assert typed("method=crd preset=paper hp.T=0.1").hp == {"negatives": 16384, "T": 0.1}
    assert typed("method=scheduled_kd preset=as_released hp.T=4").hp == {"as_released": True, "T": 4}
    assert typed("method=sskd preset=as_written weights.ce=0.2").weights == {"tf": 10.0, "ss": 2.7, "ce": 0.2}
    assert typed("method=dkd preset=paper model=resnet20 teacher.model=resnet56 hp.warmup=0.1").hp["beta"] == 2.0
    before = Config(method="moco", preset="paper").hp
    complete({"method": "moco", "preset": "paper"})["hp"]["T"] = 77
    assert Config(method="moco", preset="paper").hp == before, "a recipe is not changed by what it gave"


def test_a_preset_is_given_when_a_config_is_made():
    with pytest.raises(Error, match="replace changes fields of a Config that is whole: give a preset when you make it"):
        Config().replace(preset="paper")


def test_a_whole_config_replaces_a_stage():
    whole = Config(model="resnet18", dataset="cifar100", validation=0.0)
    config = Config(method="kd", preset="paper", teacher=whole, seed=3)
    assert config.teacher is whole or config.teacher == whole
    assert config.model == "wrn_16_2" and config.seed == 3 and config.teacher.seed == 0


@pytest.mark.parametrize(
    "field, value",
    [
        ("dataset", "cifar10"),
        ("size", 16),
        ("labels", 500),
        ("validation", 0.2),
        ("split", 4),
        ("noise", 0.2),
        ("noise_kind", "asymmetric"),
        ("imbalance", 10.0),
        ("seed", 5),
        ("device", "cpu"),
        ("devices", 2),
        ("normalise", False),
        ("track_test", True),
    ],
)
def test_the_task_reaches_every_stage(field, value):
    assert field in TASK
    for method in ("sskd", "ab", "litenet_ssd"):
        config = Config(method=method, preset="paper", **{field: value})
        while config is not None:
            assert getattr(config, field) == value
            config = config.teacher or config.init


def test_a_stage_may_have_another_task():
    config = typed("method=sskd preset=paper noise=0.4 teacher.noise=0")
    assert (config.noise, config.teacher.noise, config.teacher.init.noise) == (0.4, 0, 0)


def test_a_stage_by_another_method_or_preset_is_its_own():
    config = typed("method=hsakd preset=paper seed=2 teacher.method=hsakd_teacher teacher.preset=paper")
    assert config.teacher == Config(method="hsakd_teacher", preset="paper", seed=2)
    joint = typed("method=hsakd preset=paper teacher.method=hsakd_teacher").teacher
    assert (joint.model, joint.width, joint.dataset, joint.validation) == ("wrn_40_2", 1.0, "cifar100", 0.0)
    stopped = typed("method=scheduled_kd preset=early_stopping teacher.preset=stl10").teacher
    assert (stopped.model, stopped.labels, stopped.validation, stopped.dataset) == ("mobilenet_v2", 4500, 0.1, "stl10")
    config = typed("method=kd preset=paper teacher.method=lsskd teacher.preset=paper teacher.model=wrn_40_2")
    assert config.teacher == Config(method="lsskd", preset="paper", model="wrn_40_2")
    assert config.teacher.milestones == (150 / 240, 210 / 240)


@pytest.mark.parametrize("method", ["ab", "fsp"])
def test_a_teacher_beside_a_second_phase_is_the_firsts(method):
    config = typed(f"method={method} preset=paper model=resnet8x4 teacher.model=resnet32x4 teacher.epochs=7 seed=1")
    assert config.teacher is None and config.init.model == "resnet8x4" and config.init.seed == 1
    assert (config.init.teacher.model, config.init.teacher.epochs) == ("resnet32x4", 7)
    by_hand = Config(method=method, preset="paper", model="resnet8x4", init={"teacher": {"model": "resnet32x4"}})
    assert by_hand.init.teacher.model == "resnet32x4"
    whole = Config(method=method, preset="paper", model="resnet18", teacher=Config(model="resnet18", validation=0.0))
    assert whole.init.teacher == Config(model="resnet18", validation=0.0)


@pytest.mark.parametrize("ssl", ["simclr", "moco", "byol"])
def test_litenet_ssd_on_any_pre_training(ssl):
    pretraining = typed(f"method=litenet_ssd preset=paper teacher.init.method={ssl}").teacher.init
    alone = Config(method=ssl, preset="short")
    task = {name: getattr(pretraining, name) for name in ("labels", "validation")}
    assert pretraining == alone.replace(**task)


def test_ss_kd_is_honest_both_ways():
    paper = Config(method="scheduled_kd", preset="paper")
    assert paper.teacher.pretrained and not paper.pretrained
    for labels in (None, 2500):
        for preset in ("paper", "as_released"):
            config = Config(method="scheduled_kd", preset=preset, **({"labels": labels} if labels else {}))
            assert (config.labels, config.teacher.labels, config.validation) == (labels, labels, 0.0)
            assert config.augment == config.teacher.augment == "as_released"
    assert paper.patience is None, "no labelled image is left to stop on"
    assert paper.normalise and paper.teacher.normalise
    for preset, labels, share in (("early_stopping", 4500, 0.1), ("early_stopping_2500", 2250, 0.05)):
        config = Config(method="scheduled_kd", preset=preset)
        assert (config.labels, config.teacher.labels, config.patience) == (labels, labels, 5)
        assert config.validation == config.teacher.validation == share and config.select == "validation"
        assert round(5000 * share) + labels == (5000 if labels == 4500 else 2500)
    released = Config(method="scheduled_kd", preset="as_released")
    assert released.select == "test" and released.hp == {"as_released": True} and not released.normalise


def test_sskd_by_its_code_and_by_its_paper():
    code, text = (Config(method="sskd", preset=preset) for preset in ("as_code", "as_written"))
    assert code == Config(method="sskd", preset="paper") and code.weights == {}
    assert METHODS["sskd"].weights | text.weights == {"ce": 0.1, "kd": 0.9, "tf": 10.0, "ss": 2.7}


@pytest.mark.parametrize("method", ["seed_kd", "compress", "simreg"])
def test_features_are_distilled_from_moco_at_both_sizes(method):
    small, large = (Config(method=method, preset=preset) for preset in ("paper", "imagenet"))
    assert small.teacher == Config(method="moco", preset="short") and small.model == "litenet_dsc"
    assert (large.teacher.method, large.teacher.model, large.model) == (
        "moco",
        "resnet50_imagenet",
        "resnet18_imagenet",
    )
    assert large.batch == 256 and large.size == large.teacher.size == 224 and large.weight_decay == 1e-4
    other = typed(f"method={method} preset=paper teacher.method=byol teacher.preset=short seed=2")
    assert other.teacher == Config(method="byol", preset="short", seed=2) and other.hp == small.hp
    recipes = recipe(method), recipe(method, "imagenet")
    assert "reconstruction" in recipes[0].sources["lr"] and "reconstruction" not in recipes[1].sources["lr"]


def test_every_field_of_every_recipe_has_a_source():
    for method, presets in RECIPES.items():
        for preset in presets:
            stages = [recipe(method, preset)]
            while stages:
                stage = stages.pop()
                assert set(stage.sources) == set(stage) and all(stage.sources.values())
                assert {"model", "dataset", "validation", "width"} <= set(stage), f"{method} {preset}"
                stages += [stage[role] for role in ("teacher", "init") if isinstance(stage.get(role), Recipe)]


def test_a_recipe_reads_as_a_chain():
    text = describe("sskd")
    for line in ("run: sskd, wrn_16_2", "teacher: sskd_head, wrn_40_2", "teacher.init: supervised, wrn_40_2"):
        assert line in text.splitlines()
    assert "  SSKD, student.py and command.sh\n    epochs=60, milestones=(0.5, 0.75), lr=0.05" in text
    assert "shufflenet_v1 of resnet32x4" in " ".join(text.split())
    for method in METHODS:
        for preset in presets_of(method):
            assert describe(method, preset).startswith(f"run: {method}")


def test_a_method_of_ones_own_has_the_benchmarks_recipe(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", type("Mine", (METHODS["supervised"],), {}))
    monkeypatch.setitem(METHODS, "taught", type("Taught", (METHODS["kd"],), {}))
    assert Config(method="mine", preset="paper").replace(method="supervised") == Config(preset="paper")
    pair = {"preset": "paper", "model": "resnet20", "teacher": {"model": "resnet56"}}
    assert Config(method="taught", **pair).replace(method="kd") == Config(method="kd", **pair)


def test_a_later_source_wins():
    both = Recipe("first", a=1, b=2) | Recipe("second", b=3)
    assert both == {"a": 1, "b": 3} and both.sources == {"a": "first", "b": "second"}


def test_mistakes_are_one_sentence():
    with pytest.raises(Error, match="unknown preset 'papr': did you mean 'paper'"):
        complete({"method": "kd", "preset": "papr"})
    with pytest.raises(Error, match="unknown method 'kdd': did you mean 'kd'"):
        complete({"method": "kdd", "preset": "paper"})
    with pytest.raises(Error, match="unknown pre-training method of litenet_ssd 'kd': did you mean 'mokd'"):
        typed("method=litenet_ssd preset=paper teacher.init.method=kd")
    with pytest.raises(Error, match="unknown model 'resnet8x5': did you mean 'resnet8x4'"):
        Config(method="kd", preset="paper", model="resnet8x5")
