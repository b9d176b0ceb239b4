"""What notebooks say in numbers is what the committed evidence says, and all evidence is of today's studies."""

import re
from functools import cache

import nbformat
import pandas as pd
import pytest

from kdlab import PUBLISHED, STUDIES
from kdlab.cli import notebooks
from kdlab.core.places import SHIPPED, shipped_only
from kdlab.engine.identity import reseeded
from kdlab.engine.report import interval
from kdlab.studies import evidence
from kdlab.studies.evidence import DATA, KEY, fresh_and_stale, load

NUMBER = r"[-\u2212]?\d[\d,]*(?:\.\d+)?"
# 5.4 ± 3.0 points<!-- sskd: KD minus labels only -->, 91 %<!-- tour: SimCLR in test/knn -->, 72.71 %<!-- published -->
CLAIM = re.compile(rf"({NUMBER})(?: ± ({NUMBER}))?\s*(points?\b|%)(?:<!-- ([^>]*?) -->)?")
WORDS = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|sixteen|twenty)\s+points\b"
)
TOLD = {  # what is no result: published numbers and what is printed beside the text, or defined there
    "published",
    "by definition",
    "here",
}


def source(path):
    return "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")


MADE = {**STUDIES, **PUBLISHED}
GROWING = ("photographs", "photograph_features", "distil_first")  # that are not measured to the end yet
ON_STUDIES = [path for path in notebooks.find(None) if "STUDIES[" in source(path)]
each = pytest.mark.parametrize("path", ON_STUDIES, ids=lambda path: path.stem)


def number(text):
    return float(text.replace(",", "").replace("\u2212", "-"))


def prose(markdown):
    """Without formulas and code, whose numbers are checked where they are computed."""
    return re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`", " ", markdown, flags=re.DOTALL)


@cache
def measured(what):
    """(mean, half-width) of "STUDY: SYSTEM [minus BASELINE] [in METRIC]" in the committed evidence."""
    name, _, rest = what.partition(": ")
    systems, metric = re.fullmatch(r"(.*?)(?: in ((?:test|val)/\S+))?", rest).groups()
    system, _, baseline = systems.partition(" minus ")
    with shipped_only():
        study = STUDIES[name]()
        values = study.differences(system, baseline, metric) if baseline else study.scores(metric)[system]
    return interval(values.dropna().tolist())


def unfounded(text, printed=""):
    """Claims of points and percent in a text that nothing bears, or that differ from what they name."""
    wrong = [match[0] for match in WORDS.finditer(prose(text))]
    for claim in CLAIM.finditer(prose(text)):
        said, half, _, what = claim.groups()
        digits = len(said.partition(".")[2])
        if what == "here":
            good = any(round(number(n), digits) == number(said) for n in re.findall(NUMBER, printed))
        elif what is None or what in TOLD:
            good = what is not None
        else:
            mean, width = measured(what)
            good = round(mean, digits) == number(said) and (half is None or round(width, digits) == number(half))
        wrong += [] if good else [claim[0]]
    return wrong


@each
def test_numbers_in_the_text_are_those_of_the_evidence(path):
    cells = nbformat.read(path, 4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "\n".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)
    texts = {cell.id: cell.source for cell in cells if cell.cell_type == "markdown"}
    wrong = {cell: numbers for cell, text in texts.items() if (numbers := unfounded(text, printed))}
    assert not wrong, "say after each number what it is: <!-- STUDY: SYSTEM minus BASELINE -->"


def test_a_wrong_number_is_found(monkeypatch):
    monkeypatch.setitem(globals(), "measured", {"s: a": (90.56, 2.1), "s: a minus b": (-5.44, 3.04)}.__getitem__)
    good = "reads 91 %<!-- s: a -->, \u22125.4 ± 3.0 points<!-- s: a minus b -->, 7.2 %<!-- here -->, $9$ %, `8 %`"
    assert unfounded(good, "acc 7.21") == []
    for bad in (
        "5.4 ± 3.0 points<!-- s: a minus b -->",
        "-5.4 ± 3.1 points<!-- s: a minus b -->",
        "91 %",
        "ten points",
        "-5.5 points<!-- s: a minus b -->",
        "7.3 %<!-- here -->",
    ):
        assert unfounded(bad, "acc 7.21") == [bad], bad


@pytest.mark.parametrize("name", [n for n in MADE if (SHIPPED / "data" / f"{n.replace('/', '_')}.csv").exists()])
def test_all_evidence_that_is_committed_is_of_todays_study_and_says_of_which_images(name):
    with shipped_only():
        rows = load(name)
        budgets = set(rows.budget) if name in PUBLISHED else {"lab"}
        fresh = [fresh_and_stale(name, MADE[name](budget=budget).systems)[0] for budget in budgets]
    stale = pd.MultiIndex.from_frame(rows[KEY]).difference(pd.MultiIndex.from_frame(pd.concat(fresh)[KEY]))
    assert not len(stale), (
        f"rows of other settings or other code: {stale[:5].tolist()}; "
        f"KDLAB_FIGURES=figures kdlab study restamp {name} --old CHECKOUT, or kdlab study run {name}"
    )
    assert rows.data.str.fullmatch(f"(?:{DATA.pattern})+").all()


@pytest.mark.parametrize("name", [name for name in STUDIES if (SHIPPED / "data" / f"{name}_tuning.csv").exists()])
def test_settings_are_those_that_tuning_chose(name):
    table = pd.read_csv(SHIPPED / "data" / f"{name}_tuning.csv")
    if "chosen" not in table:
        pytest.skip("tuned before there were studies")
    study = STUDIES[name]()
    chosen = table[table.chosen].set_index("system")
    assert chosen.index.is_unique and set(chosen.index) <= set(study.grid), "each system of the grid, once"
    assert name in GROWING or set(chosen.index) == set(study.grid)
    for system, row in chosen.iterrows():
        tried = table[table.system == system].lr
        assert study.systems[system].lr == pytest.approx(row.lr), system
        assert tried.min() < row.lr < tried.max(), f"{system}: the best rate lies at the edge"


@pytest.mark.parametrize("name", [name for name in STUDIES if (SHIPPED / "data" / f"{name}.csv").exists()])
def test_every_system_of_committed_evidence_has_the_same_seeds(name):
    with shipped_only():
        study = STUDIES[name]()
        seeds = study.rows().groupby("system").seed.agg(set)
    if name in GROWING:
        begun = [set(list(study.seeds)[:n]) for n in range(1, 1 + len(study.seeds))]
        assert len(seeds) and all(measured in begun for measured in seeds), "seeds in order, none left out"
    else:
        assert set(seeds.index) == set(study.systems) and all(measured == set(study.seeds) for measured in seeds)


@pytest.mark.parametrize("name", ["tour", "scheduled", "sskd"])
def test_a_run_of_today_takes_the_place_of_its_committed_row(name):
    """Or both would count, and nothing could be told of a seed that has two rows."""
    with shipped_only():
        rows, _ = fresh_and_stale(name, STUDIES[name]().systems)
        now = evidence.measured(STUDIES[name]().systems, rows)
    made = [evidence.settings(reseeded(now[row.system], int(row.seed))) for row in rows.itertuples()]
    assert [evidence.hash_of(each) for each in made] == rows.settings.tolist() != []
