"""The kdlab command on files of fields, on numbers that no machine can hold, and on terminals that lack letters."""

import io
import json
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import pytest

from kdlab.cli import app as cli
from kdlab.core.places import runs_root

TINY = {"labels": 20, "width": 0.125, "epochs": 1, "steps": 1, "batch": 8}
DEEP = 100_000


@pytest.fixture
def kdlab(monkeypatch, capsys, tmp_path):
    """Calls the command in this process: its exit code, output and errors, a traceback among these."""
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "runs"))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kdlab", *map(str, words)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which `call` replaces
        try:
            cli.call()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:  # what escapes is what a user would see
            code = traceback.format_exc()
        return code, *capsys.readouterr()

    return call


def one_sentence(done, *words):
    code, out, err = done
    assert code == 2 and out == "" and err.startswith("kdlab: ") and err.count("\n") == 1, (code, err)
    assert len(err) < 600 and all(word in err for word in words), err
    assert not list(runs_root().glob("*/*")), "nothing half-written stays behind"


@pytest.mark.parametrize(
    "suffix, content",
    [
        ("json", b'\xef\xbb\xbf{"seed": 5}'),
        ("json", b'{"seed": 5, "weights": {"ce": 1}}'),
        ("yaml", b"seed: 5\n"),
        ("yml", b"\xef\xbb\xbf# caf\xc3\xa9\nseed: 5  # one\nlr: 2e-3\nsize: null\nsplit: None\n"),
        ("txt", b'{"seed": 5}\r\n'),
    ],
)
def test_a_file_of_fields_is_utf8_with_or_without_its_mark(kdlab, tmp_path, monkeypatch, suffix, content):
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "cp1252")
    file = tmp_path / f"fields.{suffix}"
    file.write_bytes(content)
    code, out, err = kdlab("run", "--file", file, *(f"{name}={value}" for name, value in TINY.items()))
    assert code == 0, err
    (config,) = runs_root().glob("*/config.json")
    assert json.loads(config.read_text())["config"]["seed"] == 5 and "test/accuracy" in out


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.json", '{"seed": 5}'.encode("utf-16"), ["UTF-8"]),
        ("a.json", b'{"model": "caf\xe9"}', ["UTF-8"]),
        ("a.json", b'{"hp": ' + b"[" * DEEP, ["nested"]),
        ("a.json", b'{"teacher": ' * 60 + b"{}" + b"}" * 60, ["nested"]),
        ("a.json", b'{"seed": ' + b"1" * 5000 + b"}", ["digits"]),
        ("a.json", b'{"device": "\\ud800"}', ["no text"]),
        ("a.json", b'{"hp": {"\\udfff": 1}}', ["no text"]),
        ("a.json", b" " * (1 << 21), ["bytes"]),
        ("a.json", b"\0\1\2", ["no JSON file"]),
        ("a.yaml", b"a: [1", ["no YAML file"]),
        ("a.yaml", b"hp: " + b"[" * DEEP, ["nested"]),
        ("a.yaml", b"- seed: 1", ["fields by name"]),
        ("a.yaml", b"1: 2", ["no name of a field"]),
        ("a.yaml", b"a: &x [1]\nb: *x", ["aliases"]),
        ("a.yaml", b"seed: !!python/object/apply:os.getpid []", ["the tag", "is not read"]),
        ("a.yaml", b"seed: " + b"1" * 5000, ["digits"]),
        ("a.yaml", b"labels: 1:30", ["labels='1:30'"]),
        ("a.yaml", b"method: off", ["unknown method 'off'"]),
    ],
)
def test_any_other_file_is_one_sentence(kdlab, tmp_path, name, content, words):
    file = tmp_path / name
    file.write_bytes(content)
    one_sentence(kdlab("run", "--file", file), *words)


def test_devices_are_those_of_all_stages(kdlab):
    words = ("run", "method=kd", "teacher.batch=9", "--devices")
    one_sentence(kdlab(*words, 2), "devices=2", "batch=9")
    one_sentence(kdlab(*words, 0), "devices=0")


@pytest.mark.parametrize("content", [b'{"seed": 5, "lr": 1e-3}', b"# mine\nseed: 5\nlr: 1e-3\n"], ids=["JSON", "YAML"])
def test_fields_come_from_the_standard_input_and_a_result_goes_out_as_json(kdlab, monkeypatch, content):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, out, err = kdlab("run", "--json", "--file", "-", *(f"{name}={value}" for name, value in TINY.items()))
    assert code == 0, err
    result = json.loads(out)
    assert result["config"]["seed"] == 5 and result["config"]["lr"] == 1e-3 and result["config"]["labels"] == 20
    assert result["metrics"]["test/accuracy"] >= 0 and Path(result["folder"], "result.json").exists()


def test_a_folder_and_a_long_name_as_file_are_one_sentence(kdlab, tmp_path):
    one_sentence(kdlab("run", "--file", tmp_path), str(tmp_path))
    one_sentence(kdlab("run", "--file", "x" * 300), "xxx")


def test_a_runs_own_record_makes_it_again_and_words_are_laid_over_it(kdlab):
    words = ["method=kd", "teacher.labels=20", "teacher.epochs=1", "teacher.steps=1", "teacher.width=0.125"]
    words += ["teacher.batch=8", "hp.T=2.5"]
    code, out, err = kdlab("run", *words, *(f"{name}={value}" for name, value in TINY.items()))
    assert code == 0, err
    first = out.splitlines()[-1].split()[-1]
    code, out, err = kdlab("run", "--file", f"{first}/config.json")
    assert code == 0 and out.splitlines()[-1].split()[-1] == first, "the same run"
    code, out, err = kdlab("run", "--file", f"{first}/config.json", "teacher.lr=0.003", "lr=0.001")
    assert code == 0, err
    config = json.loads((runs_root() / out.splitlines()[-1].split()[-1] / "config.json").read_text())["config"]
    assert (config["teacher"]["lr"], config["teacher"]["labels"], config["hp"]["T"]) == (0.003, 20, 2.5)


@pytest.mark.parametrize(
    "words, said",
    [
        (["run", "teacher." * 600 + "method=kd"], ["nested"]),
        (["run", "hp.x=" + "[" * DEEP], ["nested"]),
        (["run", "hp.x=" + '{"a":' * DEEP], ["nested"]),
        (["run", "hp.x=" + "[" * 100 + "]" * 100], ["nested"]),
        (["run", "seed=" + "1" * 5000], ["digits"]),
        (["run", 'model="\\ud800"'], ["no text"]),
        (["run", "seed=" + "9" * 30], ["seed="]),
        (["run", "split=" + "9" * 30], ["split="]),
        (["run", "width=1e6"], ["width="]),
        (["run", "size=3000000"], ["size="]),
        (["data", "get", "digits", "--size", "9999999"], ["size"]),
        (["run", "epochs=" + "9" * 30], ["epochs="]),
        (["study", "run", "tour", "--budget", "smoke", "--seeds", "9" * 30], ["seeds"]),
        (["study", "run", "tour", "--budget", "smoke", "--seeds", "0-5-9"], ["0-19"]),
        (["study", "answers", "tour", "-p", "labels=" + "1" * 5000], ["digits"]),
        (["methods", "--classes", "-1"], ["--classes"]),
        (["methods", "--samples", "0"], ["--samples"]),
        (["methods", "--samples", "9" * 30], ["--samples"]),
        (["gallery", "--port", "0"], ["port"]),
    ],
)
def test_what_no_machine_holds_is_one_sentence(kdlab, monkeypatch, words, said):
    started = []
    monkeypatch.setattr("kdlab.studies.Study.run", lambda self, *words: started.append(words))
    monkeypatch.setattr("kdlab.engine.run._train", lambda *words: started.append(words))
    one_sentence(kdlab(*words), *said)
    assert not started


def test_more_seeds_than_can_be_run_are_one_sentence(kdlab, monkeypatch):
    monkeypatch.setattr("kdlab.studies.Study.run", lambda *_: None)
    one_sentence(kdlab("study", "run", "tour", "--budget", "smoke", "--seeds", "0-1000000"), "1,000,001")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("words", [["study", "table", "tour"], ["--help"], ["methods", "vid"]], ids=lambda w: w[0])
def test_what_an_encoding_lacks_is_escaped(kdlab, monkeypatch, encoding, words):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, errors="strict"))
    code, _, err = kdlab(*words)
    sys.stdout.flush()
    assert code == 0, (code, err)
    text = written.getvalue().decode(encoding)
    assert len(text) > 100 and ("tour" not in words or ("± 95 %" if encoding != "ascii" else "\\xb1 95 %") in text)


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["-V"],
        ["--version", "nonsense"],
        ["-h"],
        ["study", "-h"],
        ["run", "-h"],
        ["notebooks", "run", "-h"],
    ],
)
def test_the_habits_of_a_command(kdlab, words):
    from kdlab import __version__

    code, out, err = kdlab(*words)
    assert code == 0, err
    assert out.strip() == f"kdlab {__version__}" if words[0].lower().strip("-") in ("version", "v") else "Usage" in out


def test_help_names_the_variables_and_completion(kdlab):
    code, out, _ = kdlab("--help")
    assert code == 0 and "KDLAB_PROGRESS" in out and "KDLAB_RUNS" in out and "--install-completion" in out


def test_it_is_a_module_too():
    done = subprocess.run([sys.executable, "-m", "kdlab", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Usage: kdlab" in done.stdout, done.stderr


def test_words_for_jupyterlab_are_passed_on(kdlab, monkeypatch, tmp_path):
    started = []

    def execute(program, command):
        started.append(command)
        raise SystemExit(0)

    monkeypatch.chdir(tmp_path)  # it changes to another folder
    monkeypatch.setattr("os.execv", execute)
    monkeypatch.setattr("subprocess.call", lambda command, **_: started.append(command) or 0)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    code, _, err = kdlab("lab", "--no-browser", "--port", "9999", "--ip=0.0.0.0")
    assert code == 0, err
    (command,) = started
    assert command[-4:] == ["--no-browser", "--port", "9999", "--ip=0.0.0.0"]
    assert "--allow-root" in command, "a container's user is root, whom JupyterLab refuses"


@pytest.mark.parametrize(
    "said, terminal, shown",
    [
        (None, False, False),
        (None, True, True),
        ("0", True, False),
        ("1", False, True),
    ],
)
def test_bars_are_for_terminals(kdlab, monkeypatch, said, terminal, shown):
    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    monkeypatch.delenv("KDLAB_PROGRESS")
    if said is not None:
        monkeypatch.setenv("KDLAB_PROGRESS", said)
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    code, out, _ = kdlab("run", "seed=77", *(f"{name}={value}" for name, value in TINY.items()))
    assert code == 0 and "test/accuracy" in out, stream.getvalue()
    assert ("step" in stream.getvalue()) == shown


@pytest.mark.parametrize("variable", ["KDLAB_RUNS", "KDLAB_FIGURES", "KDLAB_DATA", "KDLAB_CACHE"])
def test_the_home_folder_is_meant_by_its_sign(kdlab, monkeypatch, tmp_path, variable):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv(variable, "~/mine")
    if variable == "KDLAB_RUNS":
        code, out, err = kdlab("run", *(f"{name}={value}" for name, value in TINY.items()))
        assert code == 0 and str(home / "mine") in out, err
        assert (home / "mine").is_dir()
    elif variable == "KDLAB_FIGURES":
        from kdlab.plots import figures_root

        assert figures_root() == home / "mine"
    elif variable == "KDLAB_DATA":
        assert str(home / "mine" / "MNIST") in kdlab("data", "list")[1]
    else:
        from kdlab.core.places import cache_root

        assert cache_root() == home / "mine"
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    "variable, words",
    [
        ("KDLAB_RUNS", ["table"]),
        ("KDLAB_RUNS", ["run"]),
        ("KDLAB_DATA", ["data", "list"]),
        ("KDLAB_CACHE", ["data", "clear"]),
        ("KDLAB_FIGURES", ["study", "answers", "tour"]),
    ],
)
def test_a_home_that_is_not_there_is_one_sentence(kdlab, monkeypatch, tmp_path, variable, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "~nobody-of-this-name/x")
    code, out, err = kdlab(*words)
    assert code == 2 and out == "" and err.count("\n") == 1 and variable in err, (code, err)
    assert not list(tmp_path.glob("~*"))
