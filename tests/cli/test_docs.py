"""Generated parts of pages are what `kdlab docs` writes, and links lead somewhere."""

import re

import pandas as pd
import pytest
from recipes import RECIPES

from kdlab import DATASETS, METHODS, METRICS, MODELS
from kdlab.cli import pages as docs
from kdlab.data.folders import SHARE

WITHIN = {"KDLAB_OWNER"}  # what one process of kdlab tells another
ADDED = {path for recipe in RECIPES.values() for path, lines in recipe.steps if lines.startswith("the cell")}
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in (docs.ROOT / "docs").glob("*.md")),
]


def text(name):
    return (docs.ROOT / name).read_text(encoding="utf-8")


def test_generated_parts_are_up_to_date():
    old = [path.name for path, page in docs.pages().items() if path.read_text(encoding="utf-8") != page]
    assert not old, "write them with: kdlab docs"


def test_every_part_has_its_place():
    marks = [mark[2] for name in PAGES for mark in docs.MARK.finditer(text(name))]
    assert sorted(marks) == sorted(docs.parts())


def test_every_entry_of_a_table_is_on_a_page():
    pages = " ".join(map(text, PAGES))
    for table in (METHODS, MODELS, DATASETS, METRICS):
        assert [key for key in table if f"`{key}`" not in pages] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    page = docs.ROOT / name
    prose = re.sub(r"```.*?```", "", text(name), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", prose):
        assert (page.parent / target).exists(), f"{name} links to {target}"


@pytest.mark.parametrize("name", PAGES)
def test_what_pages_name_exists(name):
    for file in re.findall(r"`((?:tests|kdlab|notebooks|figures)/[\w./-]+\.\w+)`", text(name)):
        assert (docs.ROOT / file).exists() or file in ADDED, f"{name} names {file}"


def test_the_readme_prints_todays_tour():
    tour = pd.read_csv(docs.ROOT / "figures" / "data" / "00_tour.csv", index_col=0)
    lines = text("README.md").splitlines()
    for name, row in tour.iterrows():
        numbers = [f"{value:.0f}" if column == "n" else f"{value:.1f}" for column, value in row.dropna().items()]
        assert [*str(name).split(), *numbers] in [line.split() for line in lines]


def test_first_sentences():
    def thing():
        """One thing (He et al. 2016): and
        another. A second sentence."""

    assert docs.first_sentence(thing) == "One thing (He et al. 2016): and another"


def test_every_environment_variable_is_told():
    files = [docs.ROOT / "lab.py", *(docs.ROOT / "kdlab").rglob("*.py")]
    read = {name for file in files for name in re.findall(r"KDLAB_[A-Z]+", file.read_text(encoding="utf-8"))}
    assert read - WITHIN == set(re.findall(r"KDLAB_[A-Z]+", text("docs/configuration.md")))


def test_the_share_of_images_for_testing_is_told():
    assert f"{100 * SHARE:.0f} % of each class" in text("docs/configuration.md")
