"""A method that does not fit into memory is refused before anything is allocated."""

from dataclasses import replace

import pytest
import torch
from making import config_of, size_of

from kdlab import METHODS, Error, assemble, models
from kdlab.data import load
from kdlab.experiment import setup


@pytest.mark.parametrize(
    "key, options, bytes_an_image",
    [
        ("crd", {"negatives": 8}, 2 * 128 * 4),  # a row of floats in both memories
        ("pskd", {}, 10 * 2 + 1),  # a row of halves, and whether it was written
        ("lsskd", {}, (1 + 4 * 4 * 4) * (10 * 2) + 1 + 4 * 4),  # and four turns, of 40 joint labels, in four branches
    ],
)
def test_tables_say_their_size_before_they_are_allocated(key, options, bytes_an_image, monkeypatch):
    def blank(images):
        labels = torch.arange(images) % 10
        with torch.device("meta"):
            nets = [models.build(name, 10, 1, 0.125) for name in ("resnet18", "litenet_dsc")]
            return METHODS[key](*nets, labels=labels, batch=16, shape=(1, 8, 8), **options)

    monkeypatch.setenv("KDLAB_MEMORY", "1")
    with pytest.warns(UserWarning, match=f"{key} keeps [0-9,]+ MB beside the network for 200,000 images") as messages:
        setup.check_room(key, blank(200_000), "cpu")
    megabytes = float(str(messages[0].message).split(" keeps ")[1].split(" MB")[0].replace(",", ""))
    beside = blank(100).held_megabytes  # heads and branches
    assert megabytes == pytest.approx(beside + 0.2 * bytes_an_image, abs=0.6)
    monkeypatch.setattr(setup, "installed_memory", lambda: 10**6)
    instead = {"crd": "hp half=True halves it", "lsskd": "hp past=snapshot", "pskd": "give it fewer images"}[key]
    with pytest.raises(Error, match=rf"{key} keeps .* MB .*, and cpu has 1.* {instead}"):
        setup.check_room(key, blank(200_000), "cpu")


def of_many_images(key):
    """A run of a method on 12,000 images, 10,800 of them to train on and 20 with a label."""
    config, images = config_of(key), load("digits", size_of(key))
    x, y = images.train_x[:1].expand(12_000, -1, -1, -1), torch.arange(12_000) // 1200
    return assemble(
        config, {("digits", size_of(key)): replace(images, train_x=x, train_y=y, mean=images.mean, std=images.std)}
    )


@pytest.mark.parametrize("key", METHODS)
def test_every_method_is_put_together_for_many_images_of_which_few_have_a_label(key):
    assert len(of_many_images(key).data.labelled) == 20


def test_a_method_may_read_values_while_it_is_built(monkeypatch):
    class Mine(METHODS["supervised"]):
        def build(self):
            self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 4)]

    monkeypatch.setitem(METHODS, "supervised", Mine)
    assert len(of_many_images("supervised").method.rates) == 4


def test_what_does_not_fit_is_refused_before_it_is_allocated(monkeypatch):
    devices = []
    held = property(lambda self: devices.append(self.memory.device.type) or 1e9)
    monkeypatch.setattr(METHODS["crd"], "held_megabytes", held)
    with pytest.raises(Error, match="crd keeps 1,000,000,000 MB beside the network for 10,800 images, and cpu has"):
        of_many_images("crd")
    assert devices == ["meta"]
