"""Rows that older code measured keep counting where today's code gives the same numbers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import kdlab
from kdlab import STUDIES, Config, Study
from kdlab.cli.app import app

PACKAGE = Path(kdlab.__file__).parent
OLDER = [  # edits that make a copy of the package the older code: (file, today, then)
    ("engine/identity.py", "VERSION = 3", "VERSION = 2"),
    ("losses/logits.py", "    return loss * T * T /", "    T = 1.0 * T\n    return loss * T * T /"),
    ("methods/label_smoothing.py", "Share = 0.1", "Share = 0.3"),
]
SMALL = """
from kdlab import Config, Study

def small(budget="lab"):
    few = {"labels": 20, "width": 0.125, "epochs": 3, "steps": 2, "batch": 8}
    systems = {"alone": Config(**few), "taught": Config(method="kd", teacher=Config(**few), **few),
               "smoothed": Config(method="label_smoothing", **few)}
    return Study("small", "Does it?", systems)
"""


def small(**fields):
    names = {}
    exec(SMALL, names)
    return names["small"](**fields)


def test_rows_of_older_code_are_kept_where_no_number_moved(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_FIGURES", str(runs / "figures"))
    checkout = tmp_path / "older"
    shutil.copytree(PACKAGE, checkout / "kdlab")
    for file, today, then in OLDER:
        path = checkout / "kdlab" / file
        assert today in path.read_text(), f"{file} no longer has {today!r}"
        path.write_text(path.read_text().replace(today, then))
    variables = {**os.environ, "PYTHONPATH": str(checkout), "KDLAB_RUNS": str(tmp_path / "runs")}
    command = [sys.executable, "-c", f"{SMALL}\nsmall().run([2, 0, 1])"]
    done = subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    study, file = small(), runs / "figures" / "data" / "small.csv"
    then = pd.read_csv(file)
    assert len(then) == 9 and len(study.rows()) == 0, "nothing counts for today's code"
    monkeypatch.setitem(STUDIES, "small", small)
    said = CliRunner().invoke(app, ["study", "restamp", "small", "--old", str(checkout)])
    assert said.exit_code == 0, said.output
    lines = {line.split()[0]: line for line in said.output.splitlines()[1:]}
    assert "calculated" in lines["alone"], "its code is the same, only identities are made in another way"
    assert "trained" in lines["taught"] and "->" not in lines["taught"]
    assert "trained" in lines["smoothed"] and "test/nll" in lines["smoothed"] and "weights" in lines["smoothed"]
    counts = study.rows().system.value_counts().to_dict()
    assert counts == {"alone": 3, "taught": 3} and set(study.stale().system) == {"smoothed"}
    now = pd.read_csv(file)
    apart = then.columns.difference(["identity", "code"])
    assert now[apart].equals(then[apart]), "in the same order, with the same numbers"
    done = CliRunner().invoke(
        app, ["study", "verify", "small", "--old", str(checkout), "--repeat", "1", "--workers", "1"]
    )
    assert done.exit_code == 1
    assert "small: 6 rows count, 3 are stale; 2 of 3 trained again agree" in done.output, done.output
    assert "smoothed, seed 0: " in done.output and "taught" not in done.output and pd.read_csv(file).equals(now)
    assert "all rows" in CliRunner().invoke(app, ["study", "restamp", "small", "--old", str(PACKAGE.parent)]).output


@pytest.mark.parametrize(
    "fields, match",
    [
        ({"old": Path("/nowhere")}, "no checkout of kdlab"),
        ({"old": PACKAGE.parent, "share": 0}, "share=0"),
    ],
)
def test_what_restamping_needs(fields, match):
    with pytest.raises(kdlab.Error, match=match):
        Study("small", "?", {"alone": Config()}).restamp(**fields)


def test_a_shorter_run_is_shorter_in_all_its_stages():
    from kdlab.studies.restamping import shortened

    config = Config(method="kd", epochs=25, teacher=Config(epochs=40, init=Config(method="simclr", epochs=0)))
    short = shortened(config, 0.1)
    assert (short.epochs, short.teacher.epochs, short.teacher.init.epochs) == (3, 4, 0)
