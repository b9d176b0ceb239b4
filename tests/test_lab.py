"""lab.py without a network and without an environment: what it decides, not what the installers do."""

import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import threading
import types
import venv
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1] / "lab.py"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """lab.py as a module whose environment is tmp_path/venv; `calls` and `launched` hold what it would have run."""
    monkeypatch.setenv("KDLAB_VENV", str(tmp_path / "venv"))
    monkeypatch.setenv("PYTHONPATH", "before")
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("lab", LAB)
    lab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lab)
    lab.calls, lab.launched = [], []

    def create(folder, **options):
        lab.PYTHON.parent.mkdir(parents=True)
        lab.PYTHON.touch()

    monkeypatch.setattr(venv, "create", create)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: lab.calls.append(command))
    monkeypatch.setattr(os, "execv", lambda python, command: lab.launched.append(command))
    monkeypatch.setattr(subprocess, "Popen", lambda command: Child(lab.launched.append(command)))  # Windows
    monkeypatch.setattr(lab, "usable_as_is", lambda words: False)
    return lab


class Child:
    def __init__(self, _):
        self.wait = lambda: 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def installs(lab):
    return [command for command in lab.calls if "install" in command]


def test_first_call_sets_up_and_the_second_does_nothing(lab, capsys):
    lab.main(["run", "a", "--b=c", "d e", "-h"])
    packages, project = installs(lab)
    assert packages[-3:] == ("--require-hashes", "-r", "requirements.lock")
    assert project[-3:] == ("--no-deps", "-e", ".")
    assert capsys.readouterr().err.count("\n") == 2  # one line before, one after
    lab.calls.clear()
    lab.main(["table"])
    assert lab.calls == [] and capsys.readouterr().err == ""
    assert lab.launched == [
        [str(lab.PYTHON), "-m", "kdlab", "run", "a", "--b=c", "d e", "-h"],
        [str(lab.PYTHON), "-m", "kdlab", "table"],
    ]


def test_words_for_pytest(lab):
    lab.main(["test", "-k", "lab and not env", "-x"])
    (command,) = lab.launched
    assert command[:5] == [str(lab.PYTHON), "-m", "pytest", "-n", "auto"]
    assert command[-3:] == ["-k", "lab and not env", "-x"]
    assert Path.cwd() == lab.ROOT
    assert os.environ["PYTHONPATH"] == os.pathsep.join([str(lab.ROOT), "before"])


@pytest.mark.parametrize("change", ["stamp", "python", "lock"])
def test_outdated_environment_is_made_anew(lab, change, monkeypatch):
    lab.main(["tour"])
    (lab.VENV / "lib").mkdir()
    if change == "stamp":
        lab.STAMP.write_text(lab.fingerprint()[:-1])
    elif change == "python":
        lab.PYTHON.unlink()
    else:
        monkeypatch.setattr(lab, "fingerprint", lambda: hashlib.sha256(b"another lock").hexdigest())
    lab.calls.clear()
    lab.main(["tour"])
    assert len(installs(lab)) == 2 and lab.ready()
    assert not (lab.VENV / "lib").exists()


@pytest.mark.parametrize(
    "error",
    [subprocess.CalledProcessError(7, ["installer"]), OSError(28, "disk full"), KeyboardInterrupt()],
    ids=["installer", "disk", "ctrl-c"],
)
def test_interrupted_set_up_starts_over(lab, error, monkeypatch, capsys):
    def fail(command, **options):
        if "-e" in command:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", fail)
        with pytest.raises((SystemExit, KeyboardInterrupt)) as caught:
            lab.main(["tour"])
    assert not lab.ready() and lab.launched == []
    if isinstance(error, subprocess.CalledProcessError):
        assert caught.value.code == 7
    if caught.type is SystemExit:
        assert "GB free" in capsys.readouterr().err
    lab.main(["tour"])
    assert len(installs(lab)) == 2 and lab.ready() and len(lab.launched) == 1


def test_two_calls_at_once_set_up_once(lab):
    started, proceed = threading.Event(), threading.Event()

    def slow(command, **options):
        lab.calls.append(command)
        started.set()
        proceed.wait(5)

    lab.subprocess.run = slow  # the fixture's monkeypatch puts the original back
    first = threading.Thread(target=lab.main, args=(["first"],))
    first.start()
    started.wait(5)
    second = threading.Thread(target=lab.main, args=(["second"],))
    second.start()
    second.join(0.1)
    assert second.is_alive() and lab.launched == []
    proceed.set()
    first.join(5)
    second.join(5)
    assert len(installs(lab)) == 2 and len(lab.launched) == 2


def test_deletes_nothing_it_did_not_make(lab, capsys):
    lab.VENV.mkdir()
    (lab.VENV / "thesis.tex").touch()
    with pytest.raises(SystemExit):
        lab.main(["tour"])
    assert (lab.VENV / "thesis.tex").exists() and installs(lab) == []
    assert "was not made by lab.py" in capsys.readouterr().err


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "kind", ["a file", "a dangling link", "below a file", "somebody's folder", "the root", "~nobody"]
)
def test_a_place_that_cannot_be_is_refused_and_nothing_is_left(kind, tmp_path):
    directory = tmp_path / "mine"
    if kind == "a file":
        directory.write_text("a thesis")
    elif kind == "a dangling link":
        directory.symlink_to(tmp_path / "gone" / "away")
    elif kind == "below a file":
        directory.write_text("a thesis")
        directory = directory / "venv"
    elif kind == "somebody's folder":
        directory.mkdir()
        (directory / "thesis.tex").touch()
    before = names(tmp_path), Path("/.lock").exists()
    chosen = {"the root": "/", "~nobody": "~nobody-of-this-name/venv"}.get(kind, str(directory))
    environment = {**os.environ, "KDLAB_VENV": chosen, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-S", str(LAB), "table"],
        cwd=tmp_path,
        env=environment,  # -S: as where no kdlab is installed
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "KDLAB_VENV" in done.stderr, done.stderr
    assert "network" not in done.stderr and chosen.partition("/venv")[0] in done.stderr
    assert (names(tmp_path), Path("/.lock").exists()) == before


def test_nothing_is_fetched_by_its_name_alone(lab):
    lab.main(["tour"])
    packages, project = installs(lab)
    assert "--require-hashes" in packages
    assert "--no-build-isolation" in project, "what builds the package would be the newest there is, without a hash"


def test_uv_compiles_what_it_installs(lab, monkeypatch):
    monkeypatch.setattr(lab.shutil, "which", lambda name: f"/somewhere/{name}")
    lab.main(["tour"])
    packages = installs(lab)[0]
    assert packages[:3] == ("/somewhere/uv", "pip", "install") and "--compile-bytecode" in packages


def test_uses_pip_where_uv_does_not_run(lab, monkeypatch):
    def no_uv(command, **options):
        if "--version" in command:
            raise FileNotFoundError("uv")
        lab.calls.append(command)

    monkeypatch.setattr(subprocess, "run", no_uv)
    lab.main(["tour"])
    assert [command[:4] for command in lab.calls] == [(str(lab.PYTHON), "-m", "pip", "install")] * 2


def test_suitable_environment_is_used_as_it_is(lab, monkeypatch):
    monkeypatch.undo()
    real = importlib.util.spec_from_file_location("lab", LAB)
    fresh = importlib.util.module_from_spec(real)
    real.loader.exec_module(fresh)
    installed = {"distribution": True, "modules": {"torch", "papermill"}}

    def distributions(name, path):
        assert str(fresh.ROOT) not in path  # where `kdlab` is found in any case
        return [types.SimpleNamespace(name=name)] if installed["distribution"] else []

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(fresh.ROOT))
        patch.setattr(sys, "prefix", "elsewhere")
        patch.setattr(importlib.metadata, "distributions", distributions)
        patch.setattr(fresh, "find_spec", lambda name: name in installed["modules"] or None)
        assert fresh.usable_as_is(["run"])
        assert not fresh.usable_as_is(["test"])  # pytest is missing
        installed["modules"] |= {"pytest", "nbval", "xdist", "ruff"}
        assert not fresh.usable_as_is(["test"])  # and the checkers of types and imports
        installed["modules"] |= {"pyrefly", "importlinter"}
        assert fresh.usable_as_is(["test"])
        installed["distribution"] = False
        assert not fresh.usable_as_is(["run"])


@pytest.mark.parametrize("words, code", [([], 2), (["--help"], 0)])
def test_usage_sets_nothing_up(lab, words, code, capsys):
    assert lab.main(words) == code
    output = "".join(capsys.readouterr())
    assert "python lab.py test" in output and lab.calls == lab.launched == []


def test_old_python(lab, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    with pytest.raises(SystemExit) as caught:
        lab.main(["tour"])
    assert caught.value.code == 1 and "3.11" in capsys.readouterr().err
