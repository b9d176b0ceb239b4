"""Published experiments: their Configs, cut so that small files serve, and one real step of them."""

from functools import cache

import pytest
import torch

from kdlab import METHODS, PUBLISHED, Config
from kdlab.engine.train import make_optimizer
from kdlab.experiment.recipes import PAIRS
from kdlab.studies.papers.published import TABLES

REPEATED = [name for name in PUBLISHED if name in TABLES]

each = pytest.mark.parametrize("name", PUBLISHED)
EVERY = [(method, *pair) for method in METHODS for pair in PAIRS.get(method, ())]


def paper(method, student, teacher):
    """The published experiment, as the command line asks for it: model=... teacher.model=..."""
    return Config(method=method, preset="paper", model=student, **({"teacher": {"model": teacher}} if teacher else {}))


def cut(config, batch):
    """The same chain with few images a batch, no more labels than the small files have, and some left to validate."""
    few = {"labels": 20 if isinstance(config.labels, int) else config.labels, "validation": config.validation and 0.5}
    roles = {role: cut(stage, batch) for role, stage in config.nested.items()}
    return config.replace(batch=batch, steps=1, **few, **roles)


def one_step(setup):
    """A step of the optimizer on real images: the loss is finite, has the terms of its method, and moves weights."""
    module, config = setup.method.train(), setup.config
    optimizer = make_optimizer(module, config)
    before = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    loss, terms = module(next(setup.batches.epoch(config.seed, 0)), 0.0)
    loss.backward()
    optimizer.step()
    module.after_step(0.0)
    assert loss.isfinite() and set(terms) == set(module.weights)
    assert any(not torch.equal(p, before[name]) for name, p in module.named_parameters() if name in before)


def slim(config):
    """Of little width: test_pairs_assembled has the published one."""
    roles = {role: slim(stage) for role, stage in config.nested.items()}
    return config.replace(width=0.25, **roles)


def narrow(config):
    return cut(config if any(stage.pretrained for stage in config.chain()) else slim(config), 16)


@cache
def made(name, budget):
    return PUBLISHED[name](budget=budget)
