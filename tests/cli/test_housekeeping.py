"""The `kdlab runs` commands: what they print, refuse and remove."""

import io
import json
import sys
import warnings

import pytest
from making import TINY

import kdlab
from kdlab import Config
from kdlab.cli import app as cli

TEACHER = Config(**{**TINY, "epochs": 1})
STUDENT = Config(**{**TINY, "epochs": 1}, method="kd", teacher=TEACHER, hp={"T": 2})


@pytest.fixture
def command(runs, monkeypatch, capsys):
    """Calls `kdlab runs` in this process: its exit code, output and errors."""

    def call(*words, answer=""):
        monkeypatch.setattr(sys, "argv", ["kdlab", "runs", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which `call` replaces
        with pytest.raises(SystemExit) as stop:
            cli.call()
        return stop.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture
def chain(runs):
    """A student and its teacher."""
    student = kdlab.run(STUDENT).folder
    return student, kdlab.run(TEACHER).folder


def test_list_shows_what_differs_with_state_and_size(command, chain):
    student, teacher = chain
    (teacher / "result.json").write_text("{")
    (teacher / "config.json").write_text("{")
    code, out, _ = command("list")
    header, *rows = [line.split() for line in out.splitlines()]
    assert code == 0 and header == ["method", "model", "state", "MB", "folder"]
    texts = {row[-1]: " ".join(row) for row in rows}
    assert texts[student.name].startswith("kd litenet_dsc done 0.")
    assert texts[teacher.name].startswith("damaged, result.json is damaged 0.")


def test_show_has_the_command_the_chain_the_metrics_and_the_last_epoch(command, chain):
    student, teacher = chain
    code, out, _ = command("show", "dsc-kd-")
    assert code == 0 and f"teacher            {teacher.name} (done)" in out
    assert "command            kdlab run method=kd " in out and "hp.T=2" in out and "teacher.labels=20" in out
    metrics = json.loads((student / "result.json").read_text())
    assert f"test/nll           {metrics['test/nll']}" in out and "last epoch:\nepoch              1\n" in out
    code, out, _ = command("show", teacher.name)
    assert code == 0 and f"stands on it       {student.name} (done)" in out


def test_rm_refuses_what_others_stand_on_and_asks(command, chain):
    student, teacher = chain
    code, out, err = command("rm", teacher.name, "--yes")
    assert code == 2 and out == "" and err.count("\n") == 1 and student.name in err and "--with-dependants" in err
    code, out, _ = command("rm", teacher.name, "--with-dependants", answer="n\n")
    assert code == 1 and student.name in out and teacher.name in out and student.exists() and teacher.exists()
    code, _, _ = command("rm", student.name, answer="y\n")
    assert code == 0 and not student.exists() and teacher.exists()
    assert command("rm", str(teacher), "--yes")[0] == 0 and not teacher.exists()
    assert command("list")[:2] == (0, "no runs yet: kdlab run, or kdlab tour\n")


def test_gc_shows_and_frees_only_when_it_is_told(command, chain):
    student, teacher = chain
    assert command("gc")[:2] == (0, "nothing to remove\n")
    (student / "weights.safetensors").unlink()
    code, out, _ = command("gc")
    assert code == 0 and f"{student.name}: weights.safetensors is gone" in out and student.exists()
    code, out, _ = command("gc", "--yes")
    assert code == 0 and "are free again" in out and not student.exists() and teacher.exists()
    (notes := student.parent / "my-own-notes-0123456789ab").mkdir()
    (notes / "thesis.txt").touch()
    code, out, _ = command("gc", "--yes")
    assert code == 0 and f"{notes.name}: config.json is missing, and stays" in out and (notes / "thesis.txt").exists()
