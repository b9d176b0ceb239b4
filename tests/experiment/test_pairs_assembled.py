"""Published experiments put together, every method and pair, on small files in the genuine formats; one real step."""

import pytest
from papers import EVERY, cut, one_step, paper

from kdlab import Config, Error, assemble
from kdlab.experiment.recipes import PAIRS

FIRST = {method: (method, *pairs[0]) for method, pairs in PAIRS.items() if pairs}.values()
PUBLISHED = [each if each in FIRST else pytest.param(*each, marks=pytest.mark.thorough) for each in EVERY]


@pytest.mark.parametrize("method, student, teacher", PUBLISHED)
def test_every_published_pair_is_put_together(method, student, teacher, small_files, shared_stages):
    config = cut(paper(method, student, teacher), 16)
    assert assemble(config).config == config


@pytest.mark.parametrize("student, teacher", sorted(set(PAIRS["kd"]) - set(PAIRS["fsp"])))
@pytest.mark.parametrize("method", ["fsp", "fsp_init"])
def test_flow_is_refused_where_crd_has_no_result_of_it(method, student, teacher, small_files, shared_stages):
    with pytest.raises(Error, match="needs equal channels|pairs stages one to one"):
        assemble(cut(paper(method, student, teacher), 16))


@pytest.mark.thorough
@pytest.mark.parametrize("method", PAIRS)
def test_one_real_step_of_the_published_experiment(method, small_files):
    """For the pair that is taken where none is given; batch cut to 8, to 16 for MoCo, whose batch norm has 8 parts."""
    config = Config(method=method, preset="paper")
    one_step(assemble(cut(config, 16 if any(stage.method == "moco" for stage in config.chain()) else 8)))
