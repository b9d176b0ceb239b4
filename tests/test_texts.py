"""What notebooks say in numbers is what the committed evidence says, and all evidence is of today's studies."""

import json
import math
import re
from functools import cache

import nbformat
import pandas as pd
import pytest

from kdlab import STUDIES, notebooks
from kdlab.studies.evidence import split
from kdlab.tables import SHIPPED

NUMBER = r"[-\u2212]?\d[\d,]*(?:\.\d+)?"
CLAIM = re.compile(rf"({NUMBER})(?:\s*±\s*({NUMBER}))?(?:\s*(?:to|and|or|/)\s*({NUMBER}))*\s*(?:points?\b|%|percent)")
WORDS = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|sixteen|seventeen|twenty)\b "
    r"points?\b"
)
PUBLISHED = {  # what the papers report, and where
    "04_scheduled_distillation": [72.71, 83.00],  # SS-KD 2025, STL-10 with 2,500 and 5,000 images
    "03_distillation": [93.1],  # LiteNet-SSD 2025, CIFAR-10
}


def source(path):
    return "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")


ON_STUDIES = [path for path in notebooks.find(None) if "STUDIES[" in source(path)]
each = pytest.mark.parametrize("path", ON_STUDIES, ids=lambda path: path.stem)


def numbers(text):
    return [float(n.replace(",", "").replace("\u2212", "-")) for n in re.findall(NUMBER, text)]


def prose(markdown):
    """Without formulas, code, tables of contents and links, whose numbers are checked where they are computed."""
    return re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|<details>.*?</details>", " ", markdown, flags=re.DOTALL)


@cache
def of_study(name):
    """Every number that a study's tables and answers hold."""
    study = STUDIES[name]()
    metrics = [column for column in study.rows() if column.startswith(("val/", "test/"))]
    frames = [study.answers().select_dtypes("number"), *map(study.table, metrics)]
    values = [value for frame in frames for value in frame.to_numpy(dtype=float).ravel() if math.isfinite(value)]
    matters = [asked.matters for asked in study.questions]
    return [*values, *matters]


def pool(path):
    """What a notebook may say: what its cells printed, and what the studies hold that it names."""
    values = []
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            values += numbers(cell.source)
            for output in cell.outputs:
                values += numbers(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    named = set(re.findall(r'"(\w+)"', source(path))) & set(STUDIES)
    return [*values, *PUBLISHED.get(path.stem, []), *(v for name in named for v in of_study(name))]


def unfounded(text, known):
    """Numbers of points and percent in a text that are not, rounded as they are, among those that are known."""
    wrong = []
    for claim in CLAIM.finditer(prose(text)):
        for said in filter(None, claim.groups()):
            digits = len(said.partition(".")[2])
            value = abs(numbers(said)[0])
            if not any(abs(round(abs(x), digits) - value) < 1e-9 for x in known):
                wrong.append(claim[0])
    return [*wrong, *WORDS.findall(prose(text))]


@each
def test_numbers_in_the_text_are_those_of_the_evidence(path):
    known = pool(path)
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
    wrong = {cell.id: found for cell in cells if (found := unfounded(cell.source, known))}
    assert not wrong, "these numbers stand in no table and no output of the notebook"


def test_a_wrong_number_is_found():
    known = [3.24, 90.56, -5.4, 3.0]
    assert unfounded("gains 3.2 points, reads 91 %, and loses 5.4 ± 3.0 points", known) == []
    assert unfounded("gains 3.3 points", known) == ["3.3 points"]
    assert unfounded("loses 5.4 ± 3.1 points", known) == ["5.4 ± 3.1 points"]
    assert unfounded("gains about ten points; $x = 7$ % and `9 %` are no claims", known) == ["ten points"]


@pytest.mark.parametrize("name", STUDIES)
def test_all_evidence_that_is_committed_is_of_todays_study(name, monkeypatch, tmp_path):
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path))  # the committed table alone
    stale = split(name, STUDIES[name]().systems)[1]
    assert not len(stale), (
        f"rows of other settings or other code: {stale[['system', 'seed']].drop_duplicates().to_dict('records')[:5]}; "
        f"kdlab study verify {name}, or KDLAB_FIGURES=figures kdlab study run {name}"
    )


@pytest.mark.parametrize("name", [name for name in STUDIES if (SHIPPED / "data" / f"{name}_tuning.csv").exists()])
def test_settings_are_those_that_tuning_chose(name):
    table = pd.read_csv(SHIPPED / "data" / f"{name}_tuning.csv")
    if "chosen" not in table:
        pytest.skip("tuned before there were studies")
    study = STUDIES[name]()
    for row in table[table.chosen].to_dict("records"):
        config = json.loads(study.systems[row["system"]].model_dump_json())
        fields = list(study.grid[row["system"]])
        assert {f: config[f] for f in fields} == {f: pytest.approx(row[f]) for f in fields}, row["system"]


@pytest.mark.parametrize("name", [name for name in STUDIES if (SHIPPED / "data" / f"{name}.csv").exists()])
def test_every_system_of_committed_evidence_has_the_same_seeds(name, monkeypatch, tmp_path):
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path))
    study = STUDIES[name]()
    seeds = study.rows().groupby("system").seed.agg(set)
    assert set(seeds.index) == set(study.systems) and all(found == set(study.seeds) for found in seeds)
