"""Generated pages are what `kdlab docs` writes, and links of the written ones lead somewhere."""

import re

import pandas as pd
import pytest

from kdlab import DATASETS, METHODS, METRICS, MODELS
from kdlab.cli import pages as docs

WITHIN = {"KDLAB_OWNER"}  # what one process of kdlab tells another
WRITTEN = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/measurements.md", "docs/papers.md"]


def test_generated_pages_are_up_to_date():
    old = [p.name for p, text in docs.pages().items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    assert not old, "write them with: kdlab docs"


def test_every_entry_of_a_table_is_on_a_page():
    pages = " ".join(path.read_text(encoding="utf-8") for path in (docs.ROOT / name for name in docs.PAGES))
    for table in (METHODS, MODELS, DATASETS, METRICS):
        assert [key for key in table if f"`{key}`" not in pages] == []


@pytest.mark.parametrize("name", [*WRITTEN, *docs.PAGES])
def test_links_lead_somewhere(name):
    page = docs.ROOT / name
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{name} links to {target}"


@pytest.mark.parametrize("name", [*WRITTEN, *docs.PAGES])
def test_what_pages_name_exists(name):
    text = (docs.ROOT / name).read_text(encoding="utf-8")
    for file in re.findall(r"`((?:tests|kdlab|notebooks|figures)/[\w./-]+\.\w+)`", text):
        assert (docs.ROOT / file).exists() or file.endswith("similarity.py"), f"{name} names {file}"


def test_the_readme_prints_todays_tour():
    tour = pd.read_csv(docs.ROOT / "figures" / "data" / "00_tour.csv", index_col=0)
    lines = (docs.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for name, row in tour.iterrows():
        told = [f"{value:.0f}" if column == "n" else f"{value:.1f}" for column, value in row.dropna().items()]
        assert [*str(name).split(), *told] in [line.split() for line in lines]


def test_the_readme_is_one_page():
    assert len((docs.ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_first_sentences():
    def thing():
        """One thing (He et al. 2016): and
        another. A second sentence."""

    assert docs.first_sentence(thing) == "One thing (He et al. 2016): and another"


def test_every_environment_variable_is_told():
    files = [docs.ROOT / "lab.py", *(docs.ROOT / "kdlab").rglob("*.py")]
    read = {name for file in files for name in re.findall(r"KDLAB_[A-Z]+", file.read_text(encoding="utf-8"))}
    assert read - WITHIN == set(re.findall(r"KDLAB_[A-Z]+", docs.configuration_page()))
