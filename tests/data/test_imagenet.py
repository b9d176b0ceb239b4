"""ImageNet in the layouts that it is given out in, and its presets put together on a few photographs."""

import hashlib
import shutil

import numpy as np
import pytest
import torch
from papers import cut
from PIL import Image
from torchvision.models import get_model, get_model_weights

from kdlab import Config, Error, assemble, models
from kdlab.data import load
from kdlab.data.folders import class_names, words
from kdlab.data.imagenet import published_words
from kdlab.data.photographs import Photographs

IDS = ("n01440764", "n02012849", "n03126707")  # tench; crane, the bird; crane, the machine
DRAW = np.random.default_rng(0)


def photograph(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DRAW.integers(0, 256, (*DRAW.integers(40, 90, 2), 3), dtype=np.uint8)).save(file, "JPEG")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """train/ID/ID_number.JPEG and val/ID/ILSVRC2012_val_number.JPEG."""
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    for k, wnid in enumerate(IDS):
        for i in range(8):
            photograph(tmp_path / "imagenet" / "train" / wnid / f"{wnid}_{i}.JPEG")
        for i in range(4):
            photograph(tmp_path / "imagenet" / "val" / wnid / f"ILSVRC2012_val_{4 * k + i:08}.JPEG")
    load.cache_clear()
    yield tmp_path / "imagenet"
    load.cache_clear()


def flat(folder):
    """The validation images without folders, beside the challenge's table."""
    lines = ["ImageId,PredictionString"]
    for wnid in IDS:
        for file in sorted((folder / "val" / wnid).iterdir()):
            lines.append(f"{file.stem},{wnid} 1 2 30 40 {wnid} 5 6 70 80 ")
            file.rename(folder / "val" / file.name)
        (folder / "val" / wnid).rmdir()
    (folder / "LOC_val_solution.csv").write_text("\n".join([*lines, "ILSVRC2012_val_00099999,n09999999 1 2 3 4 "]))


def test_both_layouts_give_the_same_images(folder):
    sorted_ = load("imagenet")
    assert sorted_.train_x.shape == (24, 3, 224, 224) and sorted_.test_y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert isinstance(sorted_.train_x, Photographs) and sorted_.classes == IDS and sorted_.style == "photographs"
    assert sorted_.mean == (0.485, 0.456, 0.406) and sorted_.std == (0.229, 0.224, 0.225)
    few = sorted_.test_x[:3]
    flat(folder)
    load.cache_clear()
    images = load("imagenet")
    assert torch.equal(images.test_y, sorted_.test_y) and torch.equal(images.test_x[:3], few)
    (folder / "LOC_synset_mapping.txt").write_text(
        "n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\nn09999999 another\n"
    )
    load.cache_clear()
    assert load("imagenet").classes == ("tench", "crane (n02012849)", "crane (n03126707)")


def test_pixels_of_ones_own_photographs_are_in_the_fingerprint(folder):
    name = f"photographs:{folder}"
    before, file = load(name).fingerprint(), folder / "train" / IDS[0] / f"{IDS[0]}_0.JPEG"
    file.write_bytes(file.read_bytes()[:-3] + b"abc")  # of the same size
    load.cache_clear()
    assert load(name).fingerprint() != before


def test_size_and_fingerprint(folder):
    small, large = load("imagenet", 32), load("imagenet")
    assert small.train_x.shape[-2:] == (32, 32) and small.fingerprint() != large.fingerprint()
    (folder / "train" / IDS[0] / f"{IDS[0]}_0.JPEG").unlink()
    load.cache_clear()
    assert load("imagenet").fingerprint() != large.fingerprint()
    moved = folder.with_name("moved") / "imagenet"
    shutil.copytree(folder, moved)
    before = load("imagenet").fingerprint()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDLAB_DATA", str(moved.parent))
        load.cache_clear()
        assert load("imagenet").fingerprint() == before, "a copy elsewhere, at another time, is the same"


@pytest.mark.parametrize(
    "damage, message",
    [
        (shutil.rmtree, "ImageNet is not under .*imagenet: it is not given out freely"),
        (lambda p: shutil.rmtree(p / "val"), "needs a train/ and a val/ folder, it has train/"),
        (
            lambda p: (flat(p), (p / "LOC_val_solution.csv").unlink()),
            "val has no folder for each class: sort its images",
        ),
        (
            lambda p: (flat(p), (p / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n")),
            "names no image of",
        ),
        (lambda p: shutil.rmtree(p / "val" / IDS[1]), f"classes of .* differ: {IDS[1]}"),
        (lambda p: (p / "train" / IDS[1] / "a.JPEG").symlink_to(p / "gone"), "a.JPEG is not a readable image"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(folder, damage, message):
    damage(folder)
    with pytest.raises(Error, match=message) as caught:
        load("imagenet")
    assert "\n" not in str(caught.value)


def test_names_of_all_classes_are_torchvisions(tmp_path):
    ids = tuple(f"n{i:08}" for i in range(1000))
    names = class_names(ids, published_words(ids))
    assert (names[0], names[134], names[517]) == ("tench", "crane bird", "crane")
    assert len(set(names)) == 1000 and words(tmp_path / "none") == {}


# Presets

BASE = {"epochs": 100, "batch": 256, "lr": 0.1, "weight_decay": 1e-4, "milestones": (0.3, 0.6, 0.9)}
TEACHER = {**BASE, "method": "supervised", "model": "resnet34_imagenet", "pretrained": True, "epochs": 0}
SSKD = {**BASE, "batch": 85, "weight_decay": 5e-4}
HEAD = {**SSKD, "method": "sskd_head", "model": "resnet34_imagenet", "epochs": 30, "milestones": (10 / 30, 20 / 30)}
CHAINS = {  # PyTorch's example with torchdistill's epochs; torchdistill's KD and SSKD; LSSKD, section IV-A
    "supervised": {"": BASE},
    "kd": {"": {**BASE, "hp": {"T": 1.0}, "weights": {"ce": 0.5, "kd": 0.5}}, "teacher": TEACHER},
    "sskd": {"": {**SSKD, "weights": {"ce": 1.0}}, "teacher": HEAD, "teacher.init": TEACHER},
    "sskd_head": {"": HEAD, "init": TEACHER},
    "lsskd": {
        "": {
            "epochs": 240,
            "batch": 64,
            "lr": 0.05,
            "weight_decay": 5e-4,
            "milestones": (150 / 240, 210 / 240),
            "hp": {"past": "snapshot"},
        }
    },
}
COMMON = {
    "dataset": "imagenet",
    "size": 224,
    "validation": 0.0,
    "width": 1.0,
    "optimizer": "sgd",
    "momentum": 0.9,
    "nesterov": False,
    "schedule": "step",
    "decay": 0.1,
    "warmup": 0.0,
    "augment": "photographs",
}


def stages(config, path=""):
    yield path, config
    for role in ("teacher", "init"):
        if stage := getattr(config, role):
            yield from stages(stage, f"{path}.{role}".lstrip("."))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """ResNet-34's file of torchvision, with weights that nobody trained."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    file = tmp_path / "hub" / "checkpoints" / "weights.pth"
    file.parent.mkdir(parents=True)
    net = get_model("resnet34")
    torch.save(net.state_dict(), file)
    named = f"resnet34-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"  # as torchvision's own are
    file.rename(file.with_name(named))
    monkeypatch.setattr(get_model_weights("resnet34")["IMAGENET1K_V1"].value, "url", f"models/{named}")
    return net.eval()


@pytest.mark.parametrize("method", CHAINS)
def test_every_field_of_the_presets_and_one_step(method, folder, weights):
    config = Config(method=method, preset="imagenet")
    chain = dict(stages(config))
    assert set(chain) == set(CHAINS[method])
    for path, own in CHAINS[method].items():
        wanted = {"model": "resnet18_imagenet", "method": method, "pretrained": False, "weights": {}, **COMMON, **own}
        assert {n: v for n, v in wanted.items() if getattr(chain[path], n) != v} == {}, path or "run"
    small = cut(Config(method=method, preset="imagenet", size=64), 4)
    setup = assemble(small)
    loss, terms = setup.method.train()(next(setup.batches.epoch(0, 0)), 0.0)
    loss.backward()
    assert loss.isfinite() and set(terms) == set(setup.method.weights)


def test_torchvisions_classifier_comes_along_where_the_classes_are_as_many(weights):
    ours = models.build("resnet34_imagenet", 1000, pretrained=True).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours(x), weights(x), atol=1e-5)
    few = models.build("resnet34_imagenet", 10, seed=3, pretrained=True)
    assert torch.equal(few.head.weight, models.build("resnet34_imagenet", 10, seed=3).head.weight)
