"""Published experiments as studies: every cell put together, printed, asked about, and a few of them run."""

import hashlib

import pandas as pd
import pytest
import torch
from genuine import write_tiny
from making import TINY
from papers import REPEATED, cut, each, made, narrow, one_step
from PIL import Image
from torchvision.models import get_model, get_model_weights

import kdlab
from kdlab import PUBLISHED, STUDIES, Config, Error, Question, Study, assemble
from kdlab.core.settings import parse
from kdlab.data import load
from kdlab.studies.papers.published import ABSENT, TABLES


@pytest.fixture(scope="module")
def published_files(small_files, tmp_path_factory):
    """Beside CIFAR and STL-10, Tiny-ImageNet and ImageNet with a few images, and a ResNet-34 that nobody trained."""
    root = kdlab.data.data_root()
    write_tiny(root)
    for part in ("train", "val"):
        for k, wnid in enumerate(("n01440764", "n01443537")):
            directory = root / "imagenet" / part / wnid
            directory.mkdir(parents=True)
            for i in range(12):
                Image.new("RGB", (260, 240), (90 * k, 20 * i, 100)).save(directory / f"{wnid}_{i}.JPEG")
    folder = root / "hub" / "checkpoints"
    torch.save(get_model("resnet34").state_dict(), folder / "weights.pth")
    digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()
    (folder / "weights.pth").rename(folder / f"resnet34-{digest[:8]}.pth")  # as torchvision names what it offers
    load.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(get_model_weights("resnet34")["IMAGENET1K_V1"].value, "url", f"models/resnet34-{digest[:8]}.pth")
        yield
    load.cache_clear()


ASSEMBLED, TRAINED = set(), set()


# --- every cell


@pytest.mark.parametrize("budget", ["paper", "lab"])
@each
def test_every_cell_is_put_together(name, budget, published_files, shared_stages):
    study = made(name, budget)
    assert study.name == name and study.systems
    for system, config in study.systems.items():
        small = narrow(config) if budget == "paper" else config
        assert small in ASSEMBLED or assemble(small).config == small, system
        ASSEMBLED.add(small)


def recipe(config):
    """All of an experiment but its networks and what goes with them: every row of a table has one."""
    own = {"model", "lr", "epochs", "milestones", "teacher", "init"}
    return " ".join([config.model_dump_json(exclude=own), *map(recipe, config.nested.values())])


@pytest.mark.thorough
@each
def test_one_cell_of_every_row_takes_a_step(name, published_files):
    for config in made(name, "paper").systems.values():
        if recipe(config) not in TRAINED:
            few = 2 if config.dataset == "imagenet" else 16 if "moco" in recipe(config) else 8
            one_step(assemble(cut(narrow(config), few)))
            TRAINED.add(recipe(config))


def test_every_experiment_is_told_of_and_none_is_a_study_of_the_house():
    assert set(PUBLISHED) <= {*TABLES, *ABSENT} and set(ABSENT) <= set(PUBLISHED) and not set(PUBLISHED) & set(STUDIES)


@each
def test_systems_are_different_experiments_and_questions_are_asked_of_them(name):
    for budget in ("paper", "lab"):
        study = made(name, budget)
        assert len(set(study.systems.values())) == len(study.systems)
        assert study.questions or name in ("litenet-ssd/main", "sskd/imagenet", "after-crd/cifar100")
        assert {cell.system for cell in study.cells} - {""} == set(study.systems) == set(study.typed)
        assert all(cell.system or cell.why for cell in study.cells)
        tracked = name not in ("lsskd/hold-out", "litenet-ssd/ordering", "litenet-ssd/components")
        assert {stage.track_test for config in study.systems.values() for stage in config.chain()} == {tracked}


@each
def test_what_is_shown_below_a_cell_can_be_typed(name):
    study = made(name, "paper")
    for system, config in study.systems.items():
        assert Config(**parse(study.typed[system].split())) == config


@pytest.mark.parametrize("budget", ["paper", "lab"])
@pytest.mark.parametrize("name", REPEATED)
def test_a_teachers_own_cell_is_the_teacher_of_its_students(name, budget):
    study = made(name, budget)
    own = {study.systems[cell.system] for cell in study.cells if cell.row.startswith("teacher") and cell.system}
    if not own:
        pytest.skip("no row of teachers")
    kd = [config for system, config in study.systems.items() if system.startswith("kd, ")]
    assert kd and {config.teacher for config in kd} <= own


def test_small_budgets_say_so_and_stay_small():
    for name in PUBLISHED:
        study = made(name, "lab")
        assert study.scale.startswith("budget lab: scaled down, not the published experiment: the digits at 8 pixels")
        for config in study.systems.values():
            for stage in config.chain():
                assert (stage.dataset, stage.size, stage.width, stage.steps) == ("digits", None, 0.25, 10), name
                assert stage.epochs <= 12 and stage.validation and not stage.pretrained
        assert not study.published and made(name, "paper").scale.startswith("budget paper: the published experiment")
    with pytest.raises(Error, match="unknown budget 'labb': did you mean 'lab'"):
        PUBLISHED["crd/cross"](budget="labb")


def test_recipes_where_tables_have_their_own():
    systems = PUBLISHED["lsskd/table-3"](budget="paper").systems
    assert systems["supervised, resnet18"].augment == "rotated", "the baseline is Tf-KD's"
    assert systems["supervised, resnet18"] == systems["tfkd_self, resnet18"].teacher.replace(track_test=True)
    assert (systems["supervised, resnet101"].epochs, systems["lsskd, resnet101"].epochs) == (300, 240)
    joint = PUBLISHED["hsakd/table-1"](budget="paper").systems["hsakd, joint, resnet20 of resnet56"]
    assert joint.teacher.method == "hsakd_teacher"
    imagenet = PUBLISHED["lsskd/table-1"](budget="paper")
    assert {cell.row: cell.why for cell in imagenet.cells if not cell.system} == {
        **dict.fromkeys(("at", "cc", "sp", "rkd", "crd", "hsakd"), "kdlab has no recipe of it for imagenet"),
        "mokd": "its network is not said",
    }
    few = PUBLISHED["lsskd/figure-5"](budget="paper").systems["sskd, 25 % of the images of tiny-imagenet"]
    assert [(stage.dataset, stage.labels) for stage in few.chain()] == [
        ("tiny-imagenet", n) for n in (0.25, None, None)
    ]
    noisy = PUBLISHED["sskd/noisy"]().systems["kd, 50 % wrong labels"]
    assert (noisy.noise, noisy.teacher.noise) == (0.5, 0)
    assert PUBLISHED["litenet-ssd/ordering"]().systems["student, moco"].teacher.init.method == "moco"


# --- some of it run


CELLS = ("supervised, resnet20", "kd, resnet20 of resnet56", "lsskd, resnet20")


def test_run_show_table_and_answers(runs, monkeypatch, figures):
    from typer.testing import CliRunner

    from kdlab.cli.study import app

    def said(*words):
        done = CliRunner().invoke(app, [*words, "--budget", "smoke"])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    only = [word for cell in CELLS for word in ("--only", cell)]
    output = said("run", "lsskd/table-2", "--seeds", "0-1", "--workers", "1", *only)
    assert "budget smoke: scaled down" in output and "3 of 78 systems" in output and "6 runs done" in output
    assert (runs / "figures" / "data" / "lsskd_table-2.csv").exists()
    study = PUBLISHED["lsskd/table-2"](budget="smoke")
    rows = study.rows()
    assert len(rows) == 6 and set(rows.system) == set(CELLS)
    assert set(rows.dataset) == {"digits"} and set(rows.budget) == {"smoke"}
    means = rows[rows.system == CELLS[1]].mean(numeric_only=True)
    (line,) = [
        line for line in said("show", "lsskd/table-2").splitlines() if line.startswith("  kd ") and "70.91" in line
    ]
    texts = [f"{means[c]:.2f}" for c in ("test/accuracy", "track/accuracy/best_val", "track/accuracy/best_test")]
    assert line.split()[-5:-1] == [*texts, "2"]
    assert f"{means['test/accuracy']:.1f}" in said("table", "lsskd/table-2")
    assert "Is kd better than supervised, resnet20 of resnet56?" in said("answers", "lsskd/table-2")
    opened = []
    monkeypatch.setattr("kdlab.studies.evidence.chain_images", opened.append)
    for budget in ("lab", "paper"):
        other = PUBLISHED["lsskd/table-2"](budget=budget)
        if budget == "paper":
            assert not any(other.measured()) and opened == [], "rows of other data: none of its files is opened"


def test_rows_of_another_budget_are_not_this_ones(runs, figures):
    PUBLISHED["sskd/terms"](budget="smoke").run([0], only=["ce"])
    assert len(PUBLISHED["sskd/terms"](budget="smoke").rows()) == 1
    assert len(PUBLISHED["sskd/terms"](budget="lab").rows()) == len(PUBLISHED["sskd/terms"](budget="paper").rows()) == 0


def test_which_systems_match():
    study = PUBLISHED["lsskd/table-2"]()
    assert study.matching("lsskd, resnet20") == ["lsskd, resnet20"]
    assert len(study.matching("resnet20")) == 13 and study.matching("resnet20 kd") == ["kd, resnet20 of resnet56"]
    assert study.matching("KD wrn_40_1") == ["kd, wrn_40_1 of wrn_40_2"] and len(study.matching("kd")) == 6
    assert next(iter(study.chosen(["lsskd", "kd, resnet20 of resnet56"]))) == "kd, resnet20 of resnet56"
    with pytest.raises(Error, match="'resnet2': did you mean .* kdlab study show lsskd/table-2 prints all 78"):
        study.run([0], only=["resnet2"])
    with pytest.raises(Error, match="unknown system"):
        study.matching(",")
    with pytest.raises(Error, match="MOKD: nothing to run, its network is not said"):
        PUBLISHED["lsskd/table-1"]().run([0], only=["MOKD"])


def test_a_question_about_several_pairs_by_hand(monkeypatch):
    scores = {"a": [1.0, 2.0, 3.0], "b": [0.0, 0.0, 0.0], "c": [5.0, 5.0], "d": [1.0, 2.0]}
    rows = [{"system": s, "seed": i, "test/accuracy": v} for s, vs in scores.items() for i, v in enumerate(vs)]
    monkeypatch.setattr(Study, "rows", lambda self: pd.DataFrame(rows))
    systems = {name: Config(**TINY, seed=i) for i, name in enumerate(scores)}
    (answer,) = Study("s", "?", systems, [Question("?", "a", "b", also=[("c", "d")])]).answers().to_dict("records")
    assert answer["n"] == 2 and answer["difference"] == pytest.approx((2.5 + 2.5) / 2)
    with pytest.raises(Error, match="unknown system of study s 'e'"):
        Study("s", "?", systems, [Question("?", "a", "b", also=[("c", "e")])])
