"""Small runs of every method on digits, and what one batch of them gives."""

from dataclasses import replace

import torch

from kdlab import METHODS, Config, assemble
from kdlab.data import load
from kdlab.experiment.catalogue import pipeline

TRAINED = [key for key, method in METHODS.items() if method.network is None]  # all but the control
EPOCHS = [key for key in TRAINED if not METHODS[key].fits_head]  # and but a probe, which is fitted at once
TINY = {"labels": 20, "width": 0.125, "epochs": 3, "steps": 2, "batch": 8}
TEACHER = Config(model="resnet18", **TINY)
ON_DIGITS = {  # studies of other data, on these
    "real_images": {"dataset": "digits", "photographs": None},
    "photographs": {"dataset": "digits", "labels": (40, 100, 250)},
    **{name: {"dataset": "digits"} for name in ("photograph_features", "photograph_parts", "photograph_schedules")},
    "distil_first": {"dataset": "digits"},
}


def config_of(key, student="litenet_dsc", teacher=None, **fields):
    """A tiny run of a method, with the stages that it needs."""
    tiny = {**TINY, "size": size_of(key)}
    return pipeline(key, {**tiny, "model": student}, {**tiny, "model": teacher or teacher_of(key)}, **fields)


def size_of(key):
    """The digits' own size, but where a last map of 1 x 1 says nothing."""
    return 16 if key == "ft" else None


def teacher_of(key):
    """A larger network, but where flow matrices need equal channels."""
    return "litenet_dsc" if "fsp_init" in (key, METHODS[key].first_phase) else "resnet18"


def make(key, teacher_seed=1, epochs=2, cutmix=0.0, shape=(1, 8, 8), weights=None, **hp):
    """A method with tiny networks, in train mode, and one fixed batch of digits for it."""
    size = size_of(key)
    common = {"labels": 40, "width": 0.125, "batch": 16, "steps": 2, "epochs": epochs, "split": 0, "size": size}
    teacher = {**common, "seed": teacher_seed, "model": teacher_of(key)}
    config = pipeline(key, common, teacher, cutmix=cutmix, weights=weights or {}, hp=hp)
    images = load("digits", size)
    if shape != (1, 8, 8):
        images = replace(images, train_x=torch.zeros(1200, *shape, dtype=torch.uint8))
    setup = assemble(config, {("digits", size): images})
    return setup.method.train(), next(setup.batches.epoch(0, 0))


def gather_statistics(net, x):
    """Give an untrained network batch statistics that eval mode can work with."""
    net.train()
    for _ in range(30):
        net(x)
    net.eval()
