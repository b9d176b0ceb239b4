"""CIFAR, STL-10 and Tiny-ImageNet: genuine files written here, what can be wrong with them, and the real ones."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from genuine import IDS, write_cifar, write_stl10, write_tiny
from torchvision.datasets import CIFAR10, CIFAR100, cifar, stl10

from kdlab import Config
from kdlab.core.errors import Error
from kdlab.data import check_name, load, origin, split
from kdlab.data.images import channel_statistics

DRAW = np.random.default_rng(0)


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    for reader in (cifar, stl10):
        monkeypatch.setattr(reader, "download_and_extract_archive", offline)
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


def real(*names):
    directory = Path(os.environ.get("KDLAB_DATA", "data"))
    there = any((directory / name).is_dir() for name in names)
    return pytest.mark.skipif(not there, reason=f"no {' or '.join(names)} under KDLAB_DATA")


# CIFAR


@pytest.mark.parametrize(
    "name, reader, key, classes",
    [
        ("cifar10", CIFAR10, "labels", [f"c{i}" for i in range(10)]),
        ("cifar100", CIFAR100, "fine_labels", [f"c{i}" for i in range(100)]),
    ],
)
def test_cifar_files(data_root, monkeypatch, name, reader, key, classes):
    written = write_cifar(data_root, reader, monkeypatch, key, reader.meta, classes)
    images = load(name)
    train, test = ([written[file] for file, _ in listed] for listed in (reader.train_list, reader.test_list))
    assert (images.train_x.numpy() == np.concatenate([x for x, _ in train])).all() and images.train_x.is_contiguous()
    assert (
        images.train_y.tolist() == [label for _, y in train for label in y]
        and (images.test_x.numpy() == test[0][0]).all()
    )
    assert images.name == name and images.classes == tuple(classes) and images.style == "colour"
    assert len(images.mean) == len(images.std) == 3 and images.mean[0] == {"cifar10": 0.4914, "cifar100": 0.5071}[name]
    file = data_root / reader.base_folder / reader.train_list[0][0]
    file.write_bytes(file.read_bytes()[:-100])
    load.cache_clear()
    with pytest.raises(Error, match="CIFAR-100? files in .* are incomplete or damaged"):
        load(name)


@pytest.mark.parametrize(
    "name, title, folder",
    [
        ("cifar10", "CIFAR-10", "cifar-10-batches-py"),
        ("cifar100", "CIFAR-100", "cifar-100-python"),
        ("stl10", "STL-10", "stl10_binary"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(data_root, name, title, folder):
    with pytest.raises(Error, match=f"^{title} is not under .* and could not be downloaded: put .*{folder}") as caught:
        load(name)
    assert "\n" not in str(caught.value)


# STL-10


def test_stl10_files(data_root, monkeypatch):
    written = write_stl10(data_root, monkeypatch)
    few, many = load("stl10"), load("stl10:train+unlabeled")
    assert (few.train_x.numpy() == written["train"]).all() and (few.test_x.numpy() == written["test"]).all()
    assert few.train_y.tolist() == list(range(10)) * 4 and few.classes[9] == "truck" and few.name == "stl10"
    assert (many.train_x[40:].numpy() == written["unlabeled"]).all() and (many.train_y[40:] == -1).all()
    assert torch.equal(many.train_x[:40], few.train_x) and many.fingerprint() != few.fingerprint()
    assert many.mean == few.mean and many.std == few.std, "statistics of the labelled images alone"
    (data_root / "stl10_binary" / "test_X.bin").write_bytes(b"few bytes")
    load.cache_clear()
    with pytest.raises(Error, match="STL-10 files in .* are incomplete or damaged"):
        load("stl10")


def test_stl10_folds_hide_the_labels_of_the_others(data_root, monkeypatch):
    write_stl10(data_root, monkeypatch)
    table = data_root / "stl10_binary" / "fold_indices.txt"
    with pytest.raises(Error, match="fold_indices.txt does not tell the images of fold 3: put the original file there"):
        load("stl10:fold-3")
    table.write_text("\n".join(" ".join(str(row) for row in range(4 * k, 4 * k + 4)) for k in range(10)))
    load.cache_clear()
    whole, fold = load("stl10", 16), load("stl10:fold-3", 16)
    assert (fold.train_y >= 0).nonzero()[:, 0].tolist() == [12, 13, 14, 15] and fold.name == "stl10:fold-3"
    assert torch.equal(fold.train_x, whole.train_x) and torch.equal(fold.train_y[12:16], whole.train_y[12:16])
    assert (fold.mean, fold.std) == (whole.mean, whole.std) and torch.equal(fold.test_y, whole.test_y)
    assert fold.fingerprint() != whole.fingerprint() and len(split(fold, validation=0.0).labelled) == 4
    assert len({tuple(load(f"stl10:fold-{k}").train_y.tolist()) for k in range(10)}) == 10


def test_a_fold_stands_on_no_labels_of_another():
    fold = {"dataset": "stl10:fold-1", "method": "supervised", "model": "resnet8"}
    for other in ("stl10", "stl10:fold-2"):
        with pytest.raises(Error, match=f"init learns labels of {other} that are those of validation images of stl10:"):
            Config(**fold, init=Config(**{**fold, "dataset": other}))
    learned = Config(**{**fold, "dataset": "stl10:fold-2"})
    hidden = Config(**{**fold, "dataset": "stl10:fold-2", "method": "simclr"}, init=learned)
    with pytest.raises(
        Error, match="init learns labels of stl10:fold-2 that are those of validation images of stl10:fold-1"
    ):
        Config(**fold, init=hidden)
    unlabelled = Config(**{**fold, "dataset": "stl10:train+unlabeled", "method": "simclr"})
    assert Config(**fold, init=unlabelled).init == unlabelled and Config(**fold, init=Config(**fold)).init.seed == 0


def test_stl10_with_and_without_unlabelled_images_is_split_alike(data_root, monkeypatch):
    write_stl10(data_root, monkeypatch)
    for options in ({}, {"labels": 10}, {"labels": 0.5, "noise": 0.5}, {"noise": 0.3, "noise_kind": "asymmetric"}):
        few, many = (
            split(load(name, 8), seed=3, validation=0.25, **options) for name in ("stl10", "stl10:train+unlabeled")
        )
        assert torch.equal(few.val_x, many.val_x) and torch.equal(few.val_y, many.val_y) and len(few.val_y) == 10
        assert torch.equal(few.x, many.x[:30]) and torch.equal(few.y, many.y[:30]) and (many.y[30:] == -1).all()
        assert torch.equal(few.truth, many.truth[:30]) and len(many.x) == 60 and (many.truth[30:] == -1).all()


# Tiny-ImageNet


def test_tiny_imagenet_layout(data_root):
    directory = write_tiny(data_root)
    images = load("tiny-imagenet")
    assert images.train_x.shape == (12, 3, 64, 64) and images.test_x.shape == (3, 3, 64, 64)
    assert images.train_y.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and images.test_y.tolist() == [2, 1, 0]
    assert images.classes == ("goldfish", "crane (n01629819)", "crane (n02110341)") and images.style == "colour"
    centre = images.train_x[:, :, 32, 32].int()
    assert (centre[5] - torch.tensor([60, 40, 200])).abs().max() < 4
    assert (centre[3] == centre[3, 0]).all() and (images.test_x[2, :, 9, 9].int() - 100).abs().max() < 3
    for file in ("wnids.txt", "words.txt"):
        (directory / file).unlink()
    load.cache_clear()
    smaller = load("tiny-imagenet", 32)
    assert smaller.classes == IDS and torch.equal(smaller.test_y, images.test_y) and smaller.test_x.shape[-1] == 32


def test_another_folder_of_tiny_imagenet(data_root):
    write_tiny(data_root, "tiny-imagenet-3")
    assert load("tiny-imagenet").name == "tiny-imagenet-3"
    write_tiny(data_root, "tiny-imagenet-2", IDS[:2])
    load.cache_clear()
    with pytest.raises(Error, match="several folders of Tiny-ImageNet, tiny-imagenet-2, tiny-imagenet-3"):
        load("tiny-imagenet")
    write_tiny(data_root)
    assert load("tiny-imagenet").name == "tiny-imagenet-200"


@pytest.mark.parametrize(
    "damage, message",
    [
        (shutil.rmtree, "Tiny-ImageNet is not under"),
        (lambda p: shutil.rmtree(p / "train"), "train has no n01443537 and 2 more: unpack"),
        (lambda p: shutil.rmtree(p / "train" / IDS[1]), "train has no n01629819: unpack"),
        (lambda p: shutil.rmtree(p / "train" / IDS[1] / "images"), "no images in .*n01629819"),
        (lambda p: (p / "val" / "val_annotations.txt").unlink(), "val_annotations.txt is missing"),
        (lambda p: (p / "val" / "val_annotations.txt").write_text("val_0.JPEG n0\n"), "names no image of the classes"),
        (lambda p: (p / "val" / "images" / "val_1.JPEG").unlink(), "val_1.JPEG is not a readable image"),
        (
            lambda p: (p / "train" / IDS[0] / "images" / f"{IDS[0]}_1.JPEG").write_bytes(b"\xff\xd8"),
            "_1.JPEG is not a r",
        ),
    ],
)
def test_broken_tiny_imagenet(data_root, damage, message):
    damage(write_tiny(data_root))
    with pytest.raises(Error, match=message):
        load("tiny-imagenet")


# Names, and what every image set can


@pytest.mark.parametrize(
    "name, message",
    [
        ("cifar", "did you mean 'cifar1"),
        ("folder", "needs a path"),
        ("folder:", "needs a path"),
        ("stl10:unlabeled", "choose stl10 or stl10:train\\+unlabeled or stl10:fold-0"),
        ("stl10:", "choose stl10 or"),
        ("mnist:train", "nothing may follow mnist"),
        ("cifar10:", "nothing may follow cifar10"),
    ],
)
def test_names_are_checked_before_anything_is_read(data_root, name, message):
    for check in (check_name, load):
        with pytest.raises(Error, match=message):
            check(name)


def test_a_name_has_a_key_and_an_origin():
    assert check_name("folder:a:b") == ("folder", "a:b") and check_name("stl10") == ("stl10", "")
    assert origin("stl10:train+unlabeled") == origin("stl10") == "stl10"
    assert origin("folder:a") == origin("photographs:b/../a") != origin("folder:b")


def test_the_fingerprint_is_computed_once(monkeypatch):
    images = load("digits").resized(9)
    first = images.fingerprint()
    monkeypatch.setattr("kdlab.data.images.blake2b", None)
    assert images.fingerprint() == first


# The real files


@pytest.mark.parametrize(
    "name, count, first",
    [
        pytest.param("cifar10", 10, [3, 8, 8, 0, 6], marks=real("cifar-10-batches-py")),
        pytest.param("cifar100", 100, [49, 33, 72, 51, 71], marks=real("cifar-100-python")),
    ],
)
def test_real_cifar(name, count, first):
    images = load(name)
    assert images.train_x.shape == (50_000, 3, 32, 32) and images.test_y[:5].tolist() == first
    assert (images.train_y.bincount() == 50_000 // count).all()
    for ours, published in zip(channel_statistics(images.train_x), (images.mean, images.std), strict=True):
        assert ours == pytest.approx(published, abs=1.01e-4)


@real("stl10_binary")
def test_real_stl10():
    images = load("stl10")
    assert images.train_x.shape == (5000, 3, 96, 96) and (images.test_y.bincount() == 800).all()


@real("tiny-imagenet-200", "tiny-imagenet-100")
def test_real_tiny_imagenet():
    images = load("tiny-imagenet", 16)
    count = len(images.classes)
    assert images.name == f"tiny-imagenet-{count}" and images.classes[:2] == ("goldfish", "European fire salamander")
    assert images.train_y.bincount().tolist() == [500] * count and images.test_y.bincount().tolist() == [50] * count
