"""What does not fit is refused where it comes in, with its reason: images, labels, networks, precision, batches."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import kdlab
from kdlab import DATASETS, MODELS, Config, Error, assemble, plots, run
from kdlab.data import ImageSet, load
from kdlab.models import from_module

SHORT = {"model": "resnet8", "width": 0.25, "epochs": 1, "steps": 1, "batch": 8}
X, Y = torch.zeros(6, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 2, 0, 1, -1])


def said(**fields):
    """What an ImageSet of these fields is refused with; "made" where it is not."""
    try:
        parts = {
            "train_x": X,
            "train_y": Y,
            "test_x": X,
            "test_y": Y,
            "style": "colour",
            "classes": ("a", "b", "c"),
            "mean": (0.5,) * 3,
            "std": (0.2,) * 3,
        }
        ImageSet("mine", **{**parts, **fields})
    except Error as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__} {error}"
    return "made"


def test_what_fits_is_taken():
    assert (
        said()
        == said(val_x=X[:2], val_y=Y[:2])
        == said(train_x=X[:, :1], test_x=X[:, :1], mean=(0.5,), std=(0.2,))
        == "made"
    )
    assert said(train_x=X[:0], train_y=Y[:0]) == said(classes=["a", "b", "c"]) == said(mean=(), std=()) == "made"


@pytest.mark.parametrize("part", ["train", "test", "val"])
@pytest.mark.parametrize(
    "x, words",
    [
        (X.float() / 255, "bytes from 0 to 255, of values in [0, 1] (255 * x).round().to(torch.uint8)"),
        (X.double(), "has numbers of torch.float64: give bytes"),
        (X.long(), "has numbers of torch.int64: give bytes"),
        (X.bool(), "has numbers of torch.bool: give bytes"),
        (X.permute(0, 2, 3, 1), "channels come first"),
        (X[:, 0], "greyscale images as x[:, None]"),
        (X.flatten(1), "give (n, C, H, W)"),
        (X[None], "give (n, C, H, W)"),
        (X.repeat(1, 2, 1, 1)[:, :4], "images have 1 channel or 3"),
        (X[:, :2], "images have 1 channel or 3"),
        (X.numpy(), "is a ndarray: give a uint8 tensor"),
        ([1, 2], "is a list: give a uint8 tensor"),
        (X[..., :0], "no pixels"),
    ],
)
def test_images_that_are_no_bytes_with_channels_first(part, x, words):
    message = said(**{"val_x": X, "val_y": Y, f"{part}_x": x})
    assert message.startswith(f"{part}_x of mine ") and words in message and "\n" not in message


ONE = "one label an image; several labels or numbers are not what this trains"


@pytest.mark.parametrize("part", ["train", "test", "val"])
@pytest.mark.parametrize(
    "y, words",
    [
        (torch.zeros(6, 3, dtype=torch.long), ONE),
        (torch.zeros(6, 3), ONE),
        (torch.rand(6), ONE),
        (Y[:, None], ONE),
        (torch.zeros(6, 3, dtype=torch.bool), ONE),
        (Y.int(), "give classes as int64, y.long()"),
        ((Y > 0), "give classes as int64, y.long()"),
        (Y[:4], "4 labels for 6 images"),
        (Y + 1, "has the label 3: 3 classes"),
        (Y - 1, "has the label -2: 3 classes are numbered 0 to 2, -1 is none"),
        (Y.tolist(), "is a list: give an int64"),
        (Y.numpy(), "is a ndarray: give an int64 tensor"),
    ],
)
def test_labels_that_are_not_one_class_an_image(part, y, words):
    message = said(**{"val_x": X, "val_y": Y, f"{part}_y": y})
    assert message.startswith(f"{part}_y of mine ") and words in message and "\n" not in message


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"val_x": X}, "val_y of mine is a NoneType"),
        ({"val_y": Y}, "val_x of mine is a NoneType"),
        ({"classes": (0, 1, 2)}, "give the name of each class"),
        ({"std": ()}, "give a number a channel in each"),
        ({"mean": (0.5, 0.5), "std": (0.2, 0.2)}, "give a number a channel in each"),
        ({"std": (0.2, 0.0, 0.2)}, "deviations are above 0"),
    ],
)
def test_other_parts_of_a_set(fields, words):
    assert words in said(**fields)


def test_images_of_a_reader_must_agree(monkeypatch):
    mixed = ImageSet("mine", ("a", "b", "c"), X, Y, X[:, :1], Y, "colour")
    monkeypatch.setitem(DATASETS, "mine", lambda: mixed)
    with pytest.raises(Error, match="have the shapes .*must agree"):
        load("mine")
    monkeypatch.setitem(DATASETS, "mine", lambda: (X, Y))
    try:
        message = repr(load("mine"))
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    assert message == "Error: the reader of 'mine' gives a tuple: it must give a kdlab.data.ImageSet"


def test_images_below_eight_pixels_are_one_sentence(tmp_path, runs):
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "small" / part / name).mkdir(parents=True)
            for i in range(3):
                Image.fromarray(np.full((6, 20, 3), 40 * i, np.uint8)).save(
                    tmp_path / "small" / part / name / f"{i}.png"
                )
    config = Config(dataset=f"folder:{tmp_path / 'small'}", validation=0.0, **SHORT)
    try:
        run(config)
        message = "trained"
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
    assert message.startswith("Error: the images of folder:") and "6 x 20 pixels" in message and "size=8" in message
    assert run(config.replace(size=8))["labels"] == 6


# Networks


class Plain(nn.Module):
    """A network of somebody else's."""

    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
        self.pool, self.flat, self.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes)

    def forward(self, x):
        return self.head(self.flat(self.pool(self.body(x))))


def test_a_builder_that_gives_no_network_is_shown_the_way(monkeypatch):
    def message(builder):
        monkeypatch.setitem(MODELS, "plain", builder)
        try:
            assemble(Config(**{**SHORT, "model": "plain"}))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "assembled"

    gives = message(lambda num_classes, channels, width: Plain(num_classes))
    assert gives.startswith("Error: the builder of 'plain' gives a Plain") and "from_module(module" in gives

    def cut(count):
        module = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.Conv2d(4, 4, 3, stride=2, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, count),
        )
        return from_module(module, ("1",), channels=1)

    deaf = message(Plain)
    assert deaf.startswith("Error: the builder of 'plain' must take num_classes, channels and width")

    fixed = message(lambda num_classes, channels, width: cut(7))
    assert fixed.startswith("Error: the builder of 'plain' gives a network of 7 classes, and 10 are wanted")
    assert message(lambda num_classes, channels, width: cut(num_classes)) == "assembled"


# Precision


@pytest.mark.parametrize("where", ["the run", "its teacher"])
def test_half_precision_without_cuda_is_refused_before_anything_is_written(where, runs):
    half = {"precision": "16-mixed", "device": "cpu"}
    first, last = ({}, half) if where == "the run" else (half, {})
    config = Config(method="kd", teacher=Config(**SHORT, **first), **SHORT, **last)
    with pytest.raises(Error, match="16-mixed.*CUDA only.*bf16-mixed"):
        run(config)
    assert not [folder for folder in runs.iterdir() if folder.is_dir()], "no teacher was trained for it either"


def test_what_was_trained_elsewhere_is_read_anywhere(runs):
    config = Config(**SHORT, precision="16-mixed", device="cpu")
    with pytest.MonkeyPatch.context() as patch:  # a machine that has CUDA
        for name in ("train", "run"):
            patch.setattr(f"kdlab.engine.{name}.check_precision", lambda *_: None, raising=False)
        trained = run(config)
    assert run(config).folder == trained.folder and run(config)["test/knn"] >= 0


# Batches


def test_a_batch_larger_than_the_images_that_are_contrasted_is_said_once(runs):
    def words(**fields):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            assemble(Config(**{**SHORT, **fields}))
            assemble(Config(**{**SHORT, **fields}))
        return [str(each.message) for each in caught if "false negatives" in str(each.message)]

    few = {"omit": (0, 1, 2, 3, 4, 5, 6), "validation": 0.8}
    images = len(assemble(Config(method="simclr", **{**SHORT, **few})).data.x)
    messages = words(method="simclr", **few, batch=images + 1)
    assert len(messages) == 1 and f"batch={images + 1} is more than the {images} training images" in messages[0]
    assert not words(method="simclr", **few, batch=images) and not words(labels=20, batch=64)


# Figures


def test_a_confusion_is_drawn_of_a_run(runs):
    result = run(Config(**SHORT))
    table = result.confusion()

    def drawn(panels):
        try:
            axis = plots.plot_confusion(panels).axes[0]
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return [text.get_text() for text in axis.texts]

    assert drawn(result) == drawn({"mine": result}) == drawn({"mine": table})
    renamed = table.rename(columns={"9": "nine"}, index={"9": "nine"})
    assert drawn({"mine": result, "yours": renamed}).startswith("Error: mine has the classes 0, 1, 2")


def test_soft_targets_are_compared_for_the_same_test_images_only(runs, monkeypatch):
    digits = load("digits")
    turned = replace(
        digits, name="turned", classes=digits.classes[::-1], train_y=9 - digits.train_y, test_y=9 - digits.test_y
    )
    monkeypatch.setitem(DATASETS, "turned", lambda: turned)
    teacher, student = run(Config(**SHORT)), run(Config(dataset="turned", **SHORT))
    with pytest.raises(Error, match="other classes or test images: give a pair of one task"):
        kdlab.widgets.temperature(teacher, student)
