"""Splits, label budgets, batches, and readers; everything that can be wrong with a folder of images."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from kdlab.core.errors import Error
from kdlab.data import Batches, load, sources, split
from kdlab.data.augment import AUGMENTATIONS, Recipe
from kdlab.data.splits import rows_by_class

DIGITS = load("digits")


def counts(y):
    return torch.bincount(y[y >= 0], minlength=10).tolist()


def test_digits():
    assert DIGITS.train_x.shape == (1200, 1, 8, 8) and DIGITS.test_x.shape == (597, 1, 8, 8)
    assert DIGITS.train_x.dtype == torch.uint8 and DIGITS.train_x.max() == 255 and len(DIGITS.classes) == 10
    pixels = DIGITS.train_x.double() / 255
    assert DIGITS.mean[0] == pytest.approx(pixels.mean().item(), abs=1e-4)
    assert DIGITS.std[0] == pytest.approx(pixels.std().item(), abs=1e-4)


def test_digits_are_those_of_scikit_learn_wherever_it_keeps_them(monkeypatch):
    bunch = load_digits()
    with monkeypatch.context() as patch:
        patch.setattr(sources, "DIGITS_FILE", "sklearn/elsewhere.csv.gz")
        elsewhere = sources.digits()
    for images in (DIGITS, elsewhere):
        assert torch.equal(torch.cat([images.train_y, images.test_y]), torch.from_numpy(bunch.target))
        pixels = torch.cat([images.train_x, images.test_x])[:, 0].double() * 16 / 255
        assert torch.equal(pixels.round(), torch.from_numpy(bunch.images))


@pytest.mark.parametrize("labels, expected", [(20, [2] * 10), (100, [10] * 10), (10, [1] * 10)])
def test_a_number_of_labels_is_spread_evenly(labels, expected):
    assert counts(split(DIGITS, labels, seed=3).y) == expected


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"labels": 1.5}, "labels=1.5: a share is above 0 and at most 1.0"),
        ({"labels": -0.5}, "labels=-0.5: a share is above 0"),
        ({"labels": float("nan")}, "labels=nan: a share is above 0"),
        ({"validation": 1.5}, "validation=1.5: give a share of at least 0 and below 1"),
        ({"imbalance": 0}, "imbalance=0: give at least 1, which is none"),
    ],
)
def test_impossible_splits(fields, message):
    with pytest.raises(Error, match=message):
        split(DIGITS, **fields)


def test_splits_by_numbers_of_numpy_and_torch():
    same = {"validation": np.float64(0.1), "omit": torch.tensor([3]), "imbalance": np.array(2)}
    for validation in (torch.tensor(0.1), np.array(0.1)):
        try:
            got = split(DIGITS, torch.tensor(100), **{**same, "validation": validation})
        except Exception as error:
            pytest.fail(f"{error!r:.300}")
        assert torch.equal(got.y, split(DIGITS, 100, 0.1, omit=[3], imbalance=2).y)


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": "20"},
        {"validation": True},
        {"validation": [0.1]},
        {"omit": 3},
        {"omit": "3"},
        {"noise": None},
    ],
)
def test_splits_by_other_values_are_refused(fields):
    try:
        outcome = split(DIGITS, **fields)
    except Exception as error:
        outcome = error
    assert isinstance(outcome, Error)


def test_classes_that_are_left_out_change_nothing_else():
    images = DIGITS
    whole, without = split(images, 40, seed=1), split(images, 40, seed=1, omit=(3, 5))
    rows = (whole.truth != 3) & (whole.truth != 5)
    assert torch.equal(without.x, whole.x[rows]) and torch.equal(without.y, whole.y[rows])
    assert torch.equal(without.val_x, whole.val_x) and len(without.labelled) == 32
    with pytest.raises(Error, match="omit=10: there are 10 classes, counted from 0 to 9"):
        split(images, omit=(10,))
    with pytest.raises(Error, match="leaves no image to train on"):
        split(images, omit=range(10))


def test_a_long_tail():
    """Of 90 images a class after validation, 100 : 1 leaves 90, 54, 33, ...; budgets and validation images stay."""
    y = torch.arange(10).repeat_interleave(100)
    images = replace(DIGITS, train_x=torch.zeros(1000, 1, 8, 8, dtype=torch.uint8), train_y=y)
    tail, level = split(images, seed=1, imbalance=100), split(images, seed=1)
    assert counts(tail.y) == [90, 54, 33, 20, 12, 7, 5, 3, 2, 1]
    assert torch.equal(tail.val_y, level.val_y) and len(tail.x) == sum(counts(tail.y))
    few = split(images, 20, seed=1, imbalance=100)
    assert counts(few.y) == [3, 2, 2, 2, 2, 2, 2, 2, 2, 1] and counts(few.truth) == counts(tail.truth)
    assert counts(split(images, 0.5, seed=1, imbalance=1).y) == [45] * 10


def test_an_uneven_number_and_a_share_of_labels():
    assert sum(counts(split(DIGITS, 23).y)) == 23 and set(counts(split(DIGITS, 23).y)) == {2, 3}
    s, everything = split(DIGITS, 0.1), split(DIGITS)
    assert all(abs(few - 0.1 * many) <= 0.5 for few, many in zip(counts(s.y), counts(everything.y), strict=True))
    assert sum(counts(split(DIGITS, 1.0).y)) == len(everything.y) == 1080


def test_small_classes_give_what_they_have():
    imbalanced = load("digits").resized(None)
    keep = torch.cat([(imbalanced.train_y == c).nonzero()[: 3 if c == 0 else 50, 0] for c in range(10)])
    small = type(imbalanced)(
        "small",
        imbalanced.classes,
        imbalanced.train_x[keep],
        imbalanced.train_y[keep],
        imbalanced.test_x,
        imbalanced.test_y,
        "digits",
    )
    got = counts(split(small, 100, validation=0).y)
    assert sum(got) == 100 and got[0] == 3 and max(got[1:]) - min(got[1:]) <= 1


def test_splits_are_stratified_disjoint_seeded_and_budgets_nest():
    a, b, c = split(DIGITS, 20, seed=1), split(DIGITS, 20, seed=1), split(DIGITS, 20, seed=2)
    assert torch.equal(a.y, b.y) and torch.equal(a.val_x, b.val_x) and not torch.equal(a.y, c.y)
    assert len(a.val_y) == 120 and min(counts(a.val_y)) >= 11
    rows = {x.numpy().tobytes() for x in a.x}
    assert len(rows & {x.numpy().tobytes() for x in a.val_x}) <= len(DIGITS.train_x) - len(
        {x.numpy().tobytes() for x in DIGITS.train_x}
    )
    more = split(DIGITS, 100, seed=1)
    assert torch.equal(a.x, more.x) and (more.y[a.labelled] == a.y[a.labelled]).all()


@pytest.mark.parametrize("labels, message", [(9, "less than one a class"), (2000, "more than the 1,080")])
def test_impossible_budgets(labels, message):
    with pytest.raises(Error, match=message):
        split(DIGITS, labels)


def batches(sampling, batch=16, steps=None, labels=20, views=("weak",), ratio=1):
    recipes = [AUGMENTATIONS["digits"][role] for role in views]
    return Batches(split(DIGITS, labels), recipes, sampling=sampling, batch=batch, steps=steps, ratio=ratio)


def test_batches_of_each_draw():
    labelled = next(batches("labelled").epoch(0, 0))
    assert labelled.x.shape == (1, 16, 1, 8, 8) and (labelled.y >= 0).all()
    both = next(batches("all", views=("strong", "strong")).epoch(0, 0))
    assert both.x.shape == (2, 16, 1, 8, 8) and not torch.equal(both.x[0], both.x[1]), "views are drawn apart"
    mixed = batches("labelled+unlabelled", ratio=3)
    batch = next(mixed.epoch(0, 0))
    assert (batch.y[:16] >= 0).all() and (batch.y[16:] == -1).all() and len(batch.y) == 64
    assert mixed.steps == 1060 // 48 and batches("all").steps == 1080 // 16 and batches("labelled").steps == 1
    assert mixed.images_per_step == 64


def test_batches_are_a_function_of_seed_and_epoch():
    one, other = batches("all", steps=3), batches("all", steps=3)
    for a, b in zip(one.epoch(4, 7), other.epoch(4, 7), strict=True):
        assert torch.equal(a.x, b.x) and torch.equal(a.index, b.index)
    assert not torch.equal(next(one.epoch(4, 7)).index, next(one.epoch(4, 8)).index)
    assert not torch.equal(next(one.epoch(4, 7)).index, next(one.epoch(5, 7)).index)


def test_no_image_twice_before_all_once():
    index = torch.cat([b.index for b in batches("labelled", batch=8, steps=5).epoch(0, 0)])
    assert index[:20].unique().numel() == 20 and index[20:].unique().numel() == 20
    s = batches("all")
    indices = torch.cat([b.index for b in s.epoch(0, 0)])
    assert indices.unique().numel() == len(indices) == 1080 // 16 * 16


def test_batch_is_normalised_and_index_points_to_the_image():
    plain = Batches(split(DIGITS), [Recipe()], sampling="all", batch=32)
    batch = next(plain.epoch(0, 0))
    expected = (plain.x[batch.index].float() / 255 - DIGITS.mean[0]) / DIGITS.std[0]
    assert torch.allclose(batch.x[0], expected) and torch.equal(plain.y[batch.index], batch.y)


def test_mixed_needs_unlabelled_images():
    with pytest.raises(Error, match="set a label budget"):
        batches("labelled+unlabelled", labels=None)


def test_resizing_keeps_the_rest_and_changes_the_fingerprint():
    bigger = load("digits", 12)
    assert bigger.train_x.shape[-2:] == (12, 12) and bigger.train_x.dtype == torch.uint8
    assert torch.equal(bigger.train_y, DIGITS.train_y) and bigger.fingerprint() != DIGITS.fingerprint()
    assert DIGITS.resized(8) is DIGITS and DIGITS.fingerprint() == load("digits").fingerprint()


# Folders


def write(root, part, name, size=(8, 8), mode="L", count=3):
    directory = root / part / name
    directory.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        shape = size if mode == "L" else (*size, 3)
        array = np.random.default_rng([len(part), i, ord(name[0])]).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(array).save(directory / f"{i}.png")
    return directory


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            write(tmp_path, part, name)
    return tmp_path


def read(path, size=None):
    load.cache_clear()
    return load(f"folder:{path}", size)


def test_folder_reads_grey_and_colour(folder):
    images = read(folder)
    assert images.classes == ("cat", "dog") and images.train_x.shape == (6, 1, 8, 8) and len(images.test_y) == 6
    assert images.train_x[0, 0].numpy().tolist() == np.asarray(Image.open(folder / "train/cat/0.png")).tolist()
    write(folder, "test", "dog", mode="RGB")
    assert read(folder).train_x.shape == (6, 3, 8, 8)
    assert split(read(folder), validation=0.34).val_y.tolist() == [0, 1]


def test_val_serves_as_test_or_as_validation(folder, tmp_path):
    (folder / "test").rename(folder / "val")
    assert read(folder).val_x is None and len(read(folder).test_y) == 6
    write(folder, "test", "cat")
    write(folder, "test", "dog", count=2)
    images = read(folder)
    assert len(images.val_y) == 6 and len(images.test_y) == 5 and len(split(images).y) == 6


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda p: (p / "test").rename(p / "hidden"), "needs a train/ and a test/ or val/ folder"),
        (lambda p: [f.unlink() for f in (p / "train" / "dog").iterdir()], "no images in .*train for dog"),
        (lambda p: (p / "train" / "dog" / "1.png").write_bytes(b"not an image"), "dog/1.png is not a readable image"),
        (
            lambda p: (p / "train" / "dog" / "1.png").write_bytes((p / "train/dog/2.png").read_bytes()[:60]),
            "dog/1.png is not a readable",
        ),
        (lambda p: (p / "test" / "dog").rename(p / "test" / "wolf"), "differ: dog, wolf"),
        (
            lambda p: write(p, "train", "dog", size=(9, 9), count=1),
            "0.png has 9 x 9 pixels, the first image 8 x 8: set",
        ),
        (lambda p: write(p, "test", "dog", size=(9, 9)), "test/dog/0.png has 9 x 9 pixels"),
        (lambda p: [shutil.rmtree(p / part / "dog") for part in ("train", "test")], "one class only, cat"),
        (lambda p: write(p, "train", "Cat"), "folders Cat and cat, which are one and the same on other systems"),
        (lambda p: write(p, "test", "cow"), "differ: cow"),
    ],
)
def test_broken_folders(folder, damage, message):
    damage(folder)
    with pytest.raises(Error, match=message):
        read(folder)


def test_size_mends_several_sizes_and_missing_folders_are_named(folder):
    write(folder, "train", "cat", size=(9, 9), count=1)
    assert read(folder, 10).train_x.shape[-2:] == (10, 10)
    with pytest.raises(Error, match="there is no folder"):
        read(folder / "nowhere")


def test_unknown_data_set():
    with pytest.raises(Error, match="did you mean 'digits'"):
        load("digit")


def test_rows_by_class():
    rows, counts, starts = rows_by_class(torch.tensor([2, 0, -1, 2, 0, -1, 0]))
    assert (rows.tolist(), counts.tolist(), starts.tolist()) == ([1, 4, 6, 0, 3], [3, 0, 2], [0, 3, 3])
    rows, counts, starts = rows_by_class(torch.full((3,), -1))
    assert (rows.tolist(), counts.tolist(), starts.tolist()) == ([], [0], [0])
