"""Real images as a study: put together on small files, and its evidence where the files are not."""

import shutil

import numpy as np
import pandas as pd
import pytest
from genuine import write_idx
from making import TINY
from papers import narrow
from PIL import Image
from typer.testing import CliRunner

import kdlab
from kdlab import STUDIES, Config, Question, Study
from kdlab.cli.study import app
from kdlab.core.places import shipped_only
from kdlab.data import is_here, load, origin
from kdlab.engine.tables import save_table
from kdlab.studies import evidence

DRAW = np.random.default_rng(0)


def write_folder(folder, classes=10, train=4, test=2):
    """PATH/train/CLASS/*.jpg and PATH/test/CLASS/*.jpg, of 16 pixels."""
    for part, count in (("train", train), ("test", test)):
        for k in range(classes):
            (folder / part / f"c{k}").mkdir(parents=True)
            for i in range(count):
                pixels = DRAW.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / f"c{k}" / f"{i}.jpg")
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A data root with nothing in it, and no evidence."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("KDLAB_DATA", str(folder))
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path / "figures"))
    load.cache_clear()
    yield folder
    load.cache_clear()


# The study


@pytest.mark.parametrize("budget", ["smoke", "lab", "paper"])
def test_it_is_put_together_on_mnist_and_a_folder(root, budget):
    for part, count in (("train", 60), ("t10k", 20)):
        write_idx(root / f"MNIST/raw/{part}-images-idx3-ubyte", DRAW.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        write_idx(root / f"MNIST/raw/{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    write_folder(root / "cifar10-jpeg", train=8)
    study = STUDIES["real_images"](budget=budget)
    assert {c.labels for c in study.systems.values() if "mnist" in c.dataset} == {50, 1000}
    assert {c.labels for c in study.systems.values() if "mnist" not in c.dataset} == {1000}
    for system, config in study.systems.items():
        small = narrow(config)
        assert kdlab.assemble(small).config == small, system


def test_it_is_of_the_data_that_its_systems_name():
    genuine, copies = STUDIES["real_images"](photographs="cifar10"), STUDIES["real_images"]()
    both = set(genuine.systems) & set(copies.systems)
    assert both == {name for name in copies.systems if "mnist" in name} != set()
    elsewhere = STUDIES["real_images"](photographs="folder:/some/where/cifar10-jpeg")
    assert list(elsewhere.systems) == list(copies.systems) and elsewhere.questions == copies.questions
    alone = STUDIES["real_images"](photographs=None)
    assert set(alone.systems) == both and len(STUDIES["real_images"]("cifar10", photographs="cifar10").systems) == 12


def test_it_is_told_of_where_no_data_are(root, monkeypatch):
    monkeypatch.setattr(evidence, "chain_images", lambda config: pytest.fail(f"{config.dataset} is opened"))
    for words in (["list"], ["show", "real_images"], ["answers", "real_images"], ["verify", "real_images"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (done.output, done.exception)
    with shipped_only():
        study = STUDIES["real_images"]()
        assert len(study.stale()) == 0 and set(study.rows().system) in (set(), set(study.systems))


# Evidence of images that are elsewhere


@pytest.fixture
def study(root, runs):
    """On a folder under the data root, with one chain that begins on digits."""
    tiny = {**TINY, "size": 8, "dataset": "folder:things", "epochs": 1}
    write_folder(root / "things")
    systems = {
        "alone": Config(**tiny),
        "taught": Config(method="kd", teacher=Config(**tiny, model="resnet8"), **tiny),
        "digits": Config(**{**TINY, "epochs": 1}),
    }
    made = Study("things", "?", systems, [Question("Does a teacher help?", "taught", "alone")], seeds=[0])
    made.run()
    return made


def test_rows_are_found_where_their_images_are_not(study, root, tmp_path):
    rows, answers = study.rows(), study.answers()
    assert len(rows) == 3 and set(rows.dataset) == {"folder:things", "digits"}
    assert str(tmp_path) not in (tmp_path / "figures" / "data" / "things.csv").read_text()
    shutil.move(root / "things", root / "others")
    load.cache_clear()
    assert not is_here("folder:things")
    assert study.rows().equals(rows) and study.answers().equals(answers) and len(study.stale()) == 0
    changed = {"alone": study.systems["alone"].replace(lr=0.1), "taught": study.systems["taught"]}
    assert set(Study("things", "?", changed).rows().system) == {"taught"}, "settings count all the same"
    other = Study("things", "?", {"alone": study.systems["alone"].replace(size=9)})
    assert len(other.rows()) == 0 and len(other.stale()) == 3, "nothing says what those images were"
    shutil.move(root / "others", tmp_path / "things")
    there = {name: moved(config, f"folder:{tmp_path / 'things'}") for name, config in study.systems.items()}
    assert Study("things", "?", there).rows().equals(rows), "the same images, wherever they lie"
    write_folder(root / "things")
    load.cache_clear()
    assert list(study.rows().system) == ["digits"], "other images under that name"


def moved(config, dataset):
    stages = {"teacher": moved(config.teacher, dataset)} if config.teacher else {}
    return config.replace(**stages, dataset=dataset) if "folder" in config.dataset else config


def test_what_cannot_be_repeated_is_told(study, root):
    assert len(study.verify()) == 0
    rows = evidence.load("things")
    rows["identity"] = rows["code"] = "0123456789ab"
    save_table(rows.set_index("system"), "things")
    shutil.rmtree(root / "things")
    load.cache_clear()
    frame = study.verify().set_index("system")
    assert frame.holds.to_dict() == {"alone": False, "taught": False, "digits": True}
    assert frame.moved["alone"].startswith("not repeated: there is no folder things") and not frame.moved["digits"]
    assert list(study.rows().system) == ["digits"]


def test_a_row_names_all_images_of_its_chain():
    text = "digits own digits 0123456789abcdef; folder:a; b c 16 colour fedcba9876543210"
    named = evidence._named(pd.DataFrame({"system": ["a"], "data": [text]}))
    assert named["digits", None].style == "digits" and named["folder:a; b c", 16].digest == "fedcba9876543210"


# A folder under the data root


def test_a_folder_is_looked_for_as_it_is_given_and_then_under_the_data_root(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_here("folder:things") and is_here("digits") and not is_here("mnist") and not is_here("cifar10")
    write_folder(root / "things", classes=2)
    assert is_here("folder:things") and origin("folder:things") == origin(f"photographs:{root / 'things'}")
    assert len(load("folder:things").train_x) == 8 and len(load("photographs:things", 8).train_x) == 8
    write_folder(tmp_path / "things", classes=3)
    load.cache_clear()
    assert len(load("folder:things").train_x) == 12 and origin("folder:things") == str(tmp_path / "things")
