"""Published experiments put together, every method and pair, on small files in the genuine formats; one real step."""

import pytest
import torch
from test_published import EVERY, paper

from kdlab import METHODS, Config, Error, assemble
from kdlab.engine.train import make_optimizer
from kdlab.experiment.recipes import PAIRS


def cut(config, batch):
    """The same chain with few images a batch, no more labels than the small files have, and some left to validate."""
    few = {"labels": 20 if isinstance(config.labels, int) else config.labels, "validation": config.validation and 0.5}
    roles = {role: cut(stage, batch) for role in ("teacher", "init") if (stage := getattr(config, role))}
    return config.replace(batch=batch, steps=1, **few, **roles)


@pytest.mark.parametrize("method, student, teacher", EVERY)
def test_every_published_pair_is_put_together(method, student, teacher, small_files, shared_stages):
    config = cut(paper(method, student, teacher), 16)
    assert assemble(config).config == config


@pytest.mark.parametrize("student, teacher", sorted(set(PAIRS["kd"]) - set(PAIRS["fsp"])))
@pytest.mark.parametrize("method", ["fsp", "fsp_init"])
def test_flow_is_refused_where_crd_has_no_result_of_it(method, student, teacher, small_files, shared_stages):
    with pytest.raises(Error, match="needs equal channels|pairs stages one to one"):
        assemble(cut(paper(method, student, teacher), 16))


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


@pytest.mark.parametrize("method", METHODS)
def test_one_real_step_of_the_published_experiment(method, small_files):
    """For the pair that is taken where none is given; batch cut to 8, to 16 for MoCo, whose batch norm has 8 parts."""
    one_step(assemble(cut(Config(method=method, preset="paper"), 16 if method == "moco" else 8)))
