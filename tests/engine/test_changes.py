"""What changes in one process is seen: files, the folder a name leads to, images and labels in memory, readers."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import kdlab
from kdlab import DATASETS, Config, Error, assemble, run
from kdlab.data import load

DRAW = np.random.default_rng(0)
SHORT = {"epochs": 1, "steps": 1, "batch": 4, "width": 0.125, "validation": 0.0}


@pytest.fixture(autouse=True)
def nothing_kept(runs, monkeypatch):
    """No data set of another test, no run of one, and photographs decoded by this process."""
    monkeypatch.setenv("KDLAB_WORKERS", "0")
    load.cache_clear()
    yield
    load.cache_clear()


def picture(side=8):
    return Image.fromarray(DRAW.integers(0, 256, (side, side, 3), dtype=np.uint8))


def write(root, count=3, classes=("cat", "dog")):
    """PATH/train/CLASS/*.png and PATH/test/CLASS/*.png of random pixels."""
    for part in ("train", "test"):
        for name in classes:
            (root / part / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                picture().save(root / part / name / f"{i}.png")
    return root


# Files


@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_images_that_are_added_and_removed_make_another_run(kind, tmp_path):
    root = write(tmp_path / "pets")
    config = Config(dataset=f"{kind}:{root}", size=8, **SHORT)
    few = run(config)
    for i in range(4):
        picture().save(root / "train" / "cat" / f"new{i}.png")
    more = run(config)
    assert (few["labels"], more["labels"]) == (6, 10) and few.folder != more.folder
    for file in (root / "train" / "cat").glob("new*"):
        file.unlink()
    assert run(config).folder == few.folder, "the same images are the same run"


@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_a_picture_that_is_painted_over_makes_another_run(kind, tmp_path):
    root = write(tmp_path / "pets")
    config = Config(dataset=f"{kind}:{root}", size=8, **SHORT)
    before = run(config).folder
    picture().save(root / "test" / "dog" / "1.png")
    assert run(config).folder != before


def table(root, count):
    """A table of pictures in `root`: file,label,split."""
    lines = [f"{part}{name}{i}.png,{name},{part}" for part in ("train", "test") for name in "ab" for i in range(count)]
    root.mkdir(exist_ok=True)
    for line in lines:
        if not (root / line.partition(",")[0]).exists():
            picture().save(root / line.partition(",")[0])
    (root / "pets.csv").write_text("\n".join(["file,label,split", *lines]), encoding="utf-8")


def test_a_table_of_files_and_what_it_names_are_looked_at_anew(tmp_path, monkeypatch):
    def look():
        try:
            images = load("csv:pets.csv", 8)
        except Error as error:
            return str(error), ""
        return len(images.train_y), images.fingerprint()

    for folder in ("one", "other"):
        table(tmp_path / folder, 3)
    monkeypatch.chdir(tmp_path / "one")
    first = look()
    table(tmp_path / "one", 5)
    more = look()
    picture().save(tmp_path / "one" / "testb1.png")
    painted = look()
    monkeypatch.chdir(tmp_path / "other")
    assert [first[0], more[0], painted[0], look()[0]] == [6, 10, 10, 6]
    assert len({first[1], more[1], painted[1], look()[1]}) == 4


def test_a_class_that_is_renamed_is_another_class(tmp_path):
    root = write(tmp_path / "pets")
    assert load(f"folder:{root}").classes == ("cat", "dog")
    for part in ("train", "test"):
        (root / part / "cat").rename(root / part / "zebra")
    assert load(f"folder:{root}").classes == ("dog", "zebra")


def test_a_relative_path_is_that_of_the_current_folder(tmp_path, monkeypatch):
    counts = []
    for count in (3, 5):
        write(tmp_path / str(count) / "pets", count)
        monkeypatch.chdir(tmp_path / str(count))
        counts.append(run(Config(dataset="folder:pets", **SHORT))["labels"])
    assert counts == [6, 10]


def write_mnist(root, count):
    """Files of MNIST's format with random images of all ten classes."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        pixels, labels = DRAW.integers(0, 256, (count, 28, 28), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 10
        for name, kind, array in (("images-idx3", 3, pixels), ("labels-idx1", 1, labels)):
            head = np.array([0x800 + kind, *array.shape], ">i4").tobytes()
            (folder / f"{part}-{name}-ubyte").write_bytes(head + array.tobytes())


def test_another_data_root_and_other_files_in_it_are_other_images(tmp_path, monkeypatch):
    counts = []
    for folder, count in (("a", 20), ("b", 30), ("b", 40), ("a", None)):
        if count:
            write_mnist(tmp_path / folder, count)
        monkeypatch.setenv("KDLAB_DATA", str(tmp_path / folder))
        counts.append(len(load("mnist").train_y))
    assert counts == [20, 30, 40, 20]


def test_a_folder_under_another_data_root_is_another_folder(tmp_path, monkeypatch):
    counts = []
    for folder, count in (("a", 3), ("b", 5)):
        write(tmp_path / folder / "pets", count)
        monkeypatch.setenv("KDLAB_DATA", str(tmp_path / folder))
        counts.append(len(load("folder:pets").train_y))
    assert counts == [6, 10]


def test_a_link_that_is_laid_to_another_folder_is_followed(tmp_path):
    link, counts = tmp_path / "pets", []
    for count in (3, 5):
        link.unlink(missing_ok=True)
        link.symlink_to(write(tmp_path / str(count), count))
        counts.append(len(load(f"folder:{link}").train_y))
    assert counts == [6, 10]


def test_files_that_are_gone_are_missed(tmp_path):
    root = write(tmp_path / "pets")
    load(f"folder:{root}")
    shutil.rmtree(root)
    with pytest.raises(Error, match="there is no folder"):
        load(f"folder:{root}")


def test_what_has_not_changed_is_read_once(tmp_path):
    root = write(tmp_path / "pets")
    assert load("digits") is load("digits", None) is load(name="digits", size=None), (
        "one entry, however it is asked for"
    )
    assert load(f"folder:{root}") is load(f"folder:{root}") and load("digits", 12) is load("digits", 12)


# Readers of one's own


def test_a_reader_that_is_written_anew_is_the_one_that_is_asked(monkeypatch):
    digits = load("digits")
    counts = []
    for count in (100, 200):
        some = replace(digits, train_x=digits.train_x[:count].clone(), train_y=digits.train_y[:count].clone())
        monkeypatch.setitem(DATASETS, "some", lambda some=some: some)
        counts.append(run(Config(dataset="some", **SHORT))["labels"])
    assert counts == [100, 200]


def test_a_reader_of_ones_own_is_asked_what_its_file_says_now(monkeypatch, tmp_path):
    digits, file = load("digits"), tmp_path / "count"

    def some():
        rows = slice(int(file.read_text()))
        return replace(digits, train_x=digits.train_x[rows].clone(), train_y=digits.train_y[rows].clone())

    monkeypatch.setitem(DATASETS, "some", some)
    counts = []
    for count in ("100", "200"):
        file.write_text(count)
        counts.append(len(load("some").train_y))
    assert counts == [100, 200]
    assert load("some") is load("some"), "the same images are held once"


# Images in memory

WRITES = {
    "torch": lambda tensor: tensor.zero_(),
    "a slice": lambda tensor: tensor[: len(tensor) // 2].fill_(1),
    "numpy": lambda tensor: tensor.numpy().fill(1),
    "data": lambda tensor: tensor.data.fill_(1),
    "one number": lambda tensor: tensor.view(-1)[-1:].add_(1),
}


@pytest.mark.parametrize(
    "how, part, size",
    [
        *((how, "train_x", None) for how in WRITES),
        *(("numpy", part, None) for part in ("train_y", "test_x", "test_y")),
        ("torch", "test_x", 10),
        ("one number", "test_y", 10),
        ("data", "train_y", None),
    ],
)
def test_images_that_were_written_into_are_not_those_of_the_name(how, part, size):
    handed = load("digits", size)
    clean, before = getattr(handed, part).clone(), handed.fingerprint()
    WRITES[how](getattr(handed, part))
    assert torch.equal(getattr(load("digits", size), part), clean)
    assert handed.fingerprint() != before == load("digits", size).fingerprint(), "a set that was changed says so"


@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_labels_of_ones_own_images_too(kind, tmp_path):
    name = f"{kind}:{write(tmp_path / 'pets')}"
    handed = load(name, 8)
    handed.train_y.numpy()[:] = 0
    assert load(name, 8).train_y.tolist() == [0, 0, 0, 1, 1, 1]


def test_no_run_trains_on_what_was_written(monkeypatch):
    config = Config(**SHORT, seed=3)
    clean = run(config)
    images = load("digits", None)
    images.train_x.numpy()[:, 0, 2:6, 2:6] = 255
    images.test_x[:100] = 0
    again = run(config, fresh=True)
    assert again.folder == clean.folder and again["test/nll"] == clean["test/nll"]


def test_a_measurement_is_not_of_images_that_were_written_into():
    result = run(Config(**SHORT, seed=4))
    clean = run(Config(**SHORT, seed=4)).measure(["test/knn"])
    result.images.test_x.numpy()[:] = 0
    with pytest.raises(Error, match="somebody has written into the images or labels of digits since they were loaded"):
        result.measure(["test/knn"])
    assert run(Config(**SHORT, seed=4)).measure(["test/knn"]) == clean, "a new look reads them anew"


def test_a_set_that_one_made_is_another_set_when_it_is_written_into():
    digits = load("digits")
    mine = replace(digits, train_x=digits.train_x.clone())
    before = mine.fingerprint()
    assert before == digits.fingerprint()
    mine.train_x.numpy()[0] = 255
    assert mine.fingerprint() != before
    setup = assemble(Config(**SHORT), {("digits", None): mine})
    assert setup.images.train_x[0].min() == 255 and load("digits").fingerprint() == before


def test_what_the_classes_are_taken_for_is_ones_own_to_change():
    images = load("digits")
    kept = dict(images.similar)
    images.similar["2"] = "9"
    assert load("digits").similar == kept and kept == kdlab.data.sources.SIMILAR_DIGITS
