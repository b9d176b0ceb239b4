"""Every study at the papers' budget, put together on small files in the genuine formats."""

from functools import cache

import pytest
from papers import cut

from kdlab import STUDIES, Error, assemble

DATASETS = {  # where it is not CIFAR-10
    "scheduled": "stl10",
    "ablate_scheduled": "stl10",
    "sskd": "cifar100",
    "ablate_sskd": "cifar100",
    "lsskd": "cifar100",
    "ablate_lsskd": "cifar100",
    "rivals": "cifar100",
}
FURTHER = {"real_images": {"photographs": None}}


@cache
def put_together(config):
    """Of the many systems that share a chain, or differ in numbers only, each once."""
    return assemble(config)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_put_together_on_its_papers_data(name, small_files, shared_stages):
    dataset = DATASETS.get(name, "cifar10")
    study = STUDIES[name](dataset=dataset, budget="paper", **FURTHER.get(name, {}))
    for system, config in study.systems.items():
        small = cut(config, 16)
        assert put_together(small).config == small, system


@pytest.mark.parametrize("name", STUDIES)
def test_a_budget_that_does_not_exist(name):
    with pytest.raises(Error, match="unknown budget 'labb': did you mean 'lab'"):
        STUDIES[name](budget="labb")
