"""What published tables print, shown: beside what is measured, or alone where no study repeats it."""

import pytest
from papers import REPEATED, each, made
from typer.testing import CliRunner

from kdlab import Error
from kdlab.cli.study import app, make
from kdlab.studies.papers import PRINTED
from kdlab.studies.papers.published import ABSENT, TABLES, published


def lines_by_group(text, groups):
    lines, group = {}, None
    for line in text.splitlines():
        group = next((name for name in groups if line.split("  ")[0] == name), group)
        lines.setdefault(group, []).append(line)
    return lines


@pytest.mark.parametrize("budget", ["paper", "lab"])
@pytest.mark.parametrize("name", REPEATED)
def test_every_published_cell_is_shown(name, budget, figures):
    study, rows = made(name, budget), published(name)
    text = study.text()
    assert max(map(len, text.splitlines())) <= 120
    shown = lines_by_group(text, {cell.group for cell in study.cells})
    for row in rows.to_dict("records"):
        group = " of ".join(filter(None, (row["student"], row["teacher"])))
        about = [line for lines in ([shown[group]] if group in shown else shown.values()) for line in lines]
        wanted = (f"  {row['method']}", f"{row['value']:.2f}", row["provenance"])
        assert [line for line in about if all(word in line for word in wanted)], wanted
        assert not row["note"] or "".join(row["note"].split()) in "".join(text.split())
    assert study.scale.split(":")[0] in text and max(map(len, study.tabulated().splitlines())) <= 120


@each
def test_what_has_no_numbers_is_shown_too(name, figures):
    text = made(name, "paper").text()
    for words in made(name, "paper").typed.values():
        assert "".join(words.split()) in "".join(text.split())
    assert f"{name}: {({**TABLES, **ABSENT})[name].title}" in text


@pytest.mark.parametrize("name", PRINTED)
def test_numbers_that_no_study_repeats_are_shown(name):
    with pytest.raises(Error, match=f"no study repeats {name}: kdlab study show {name} prints its numbers"):
        make(name)
    text = CliRunner().invoke(app, ["show", name]).output
    head, _, body = text.partition("\n\n")
    assert head.startswith(f"{name}: {TABLES[name].title}") and "no study repeats this table" in head
    for row in published(name).to_dict("records"):
        cells = [row[c] for c in ("dataset", "student", "method", "condition", "provenance", "source")]
        shared = " ".join(head.split())
        rest = [word for word in cells if word not in shared]
        assert [line for line in body.splitlines() if all(word in line for word in (f"{row['value']:g}", *rest))], row
        assert row["note"] in shared or f"note: {row['note']}" in " ".join(body.split())
