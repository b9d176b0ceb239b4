"""Images that are brought to a larger size when they are read."""

import pickle
from dataclasses import replace

import pytest
import torch
from own_images import fill, pets

from kdlab import Error
from kdlab.data import load, load_for_frozen, pick, split
from kdlab.data.photographs import Stored, Streamed
from kdlab.data.resizing import Resized, resized_when_read


def test_what_is_read_is_what_resized_stores():
    images = load("digits")
    larger, stored = resized_when_read(images, 20), images.resized(20)
    rows = torch.tensor([3, 1199, 3])
    assert isinstance(larger.train_x, Resized) and larger.train_x.shape == stored.train_x.shape
    assert torch.equal(larger.train_x[rows], stored.train_x[rows])
    assert torch.equal(torch.cat(list(pick(larger.test_x, rows[:1] - 1).split(2))), stored.test_x[2:3])
    parts, same = split(larger, 20), split(images, 20)
    assert isinstance(parts.x, Streamed) and torch.equal(parts.y, same.y)
    assert torch.equal(parts.val_x[:5], stored.train_x[same.val_rows[:5]])


def test_a_fingerprint_is_of_the_images_and_the_size():
    images = load("digits")
    other = replace(images, train_x=255 - images.train_x)
    prints = [resized_when_read(*each).fingerprint() for each in ((images, 20), (images, 21), (other, 20))]
    assert len({*prints, images.fingerprint()}) == 4
    assert resized_when_read(images, 20).fingerprint() == prints[0]
    assert (larger := resized_when_read(images, 20)).mean == images.mean and not larger.changed()


def test_other_processes_may_have_them():
    larger = resized_when_read(load("digits"), 20)
    assert torch.equal(pickle.loads(pickle.dumps(larger.train_x))[:2], larger.train_x[:2])


def test_small_images_are_made_larger_when_they_are_read_and_others_decoded_to_the_size(tmp_path):
    same, mixed, large = (tmp_path / name for name in ("same", "mixed", "large"))
    pets(same)
    pets(mixed)
    fill(mixed / "train" / "dog", 2, first=50, size=(9, 30))
    pets(large, size=(40, 30))
    assert isinstance(load_for_frozen(f"folder:{same}", 16).train_x, Resized)
    for place in (mixed, large):
        images = load_for_frozen(f"folder:{place}", 16)
        assert torch.equal(images.train_x, load(f"folder:{place}", 16).train_x)
    assert load_for_frozen(f"folder:{same}", None) is load(f"folder:{same}")
    assert load_for_frozen("digits", 8) is load("digits", 8)
    with pytest.raises(Error, match="there is no folder"):
        load_for_frozen(f"folder:{tmp_path / 'none'}", 16)


def test_images_that_stream_are_made_larger_too(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "cache"))
    pets(tmp_path, train=300)
    monkeypatch.setenv("KDLAB_MEMORY", "0.01")
    with pytest.warns(UserWarning, match="streams"):
        images = load_for_frozen(f"folder:{tmp_path}", 16)
    assert isinstance(images.train_x, Resized) and isinstance(images.train_x.images, Stored | Streamed)
    assert images.train_x[:3].shape == (3, 3, 16, 16)
