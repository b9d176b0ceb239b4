"""The kdlab command as a user meets it: output, one-line errors, exit codes."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from kdlab import METHODS, Error
from kdlab.cli import app as cli
from kdlab.core.settings import parse

TINY = ["labels=20", "width=0.125", "epochs=1", "steps=1", "batch=8"]


@pytest.fixture
def kdlab(monkeypatch, capsys):
    """Calls the command in this process: its exit code, output and errors."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kdlab", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which `call` replaces
        with pytest.raises(SystemExit) as stop:
            cli.call()
        return stop.value.code or 0, *capsys.readouterr()

    return call


def test_settings_are_nested_json_or_text():
    words = "lr=0.1 labels=20 teacher.method=simclr teacher.init.seed=3 hp.T=2 split=None nesterov=true"
    assert parse(words.split()) == {
        "lr": 0.1,
        "labels": 20,
        "teacher": {"method": "simclr", "init": {"seed": 3}},
        "hp": {"T": 2},
        "split": None,
        "nesterov": True,
    }
    assert parse(["milestones=[0.5, 0.75]", "dataset=folder:a=b"]) == {
        "milestones": [0.5, 0.75],
        "dataset": "folder:a=b",
    }
    for wrong, message in [("lr", "written field=value"), ("=3", "written field=value")]:
        with pytest.raises(Error, match=message):
            parse([wrong])
    with pytest.raises(Error, match="was given a value before"):
        parse(["teacher=3", "teacher.seed=1"])


def test_run_table_and_a_file_of_fields(kdlab, runs, tmp_path):
    (tmp_path / "fields.json").write_text(json.dumps({"model": "resnet18", "seed": 5}))
    code, out, err = kdlab("run", "--file", str(tmp_path / "fields.json"), *TINY)
    assert code == 0, err
    assert "test/accuracy" in out and "resnet18-supervised" in out
    code, out, _ = kdlab("table")
    assert code == 0 and "resnet18" in out and "test/accuracy" in out
    code, out, _ = kdlab("table", "--mean", "--to", "json")
    (row,) = [row for row in json.loads(out) if row["model"] == "resnet18"]
    assert code == 0 and row["n"] >= 1 and row["test/accuracy"] >= 0
    code, out, err = kdlab("table", "--to", "latec")
    assert code == 2 and out == "" and "did you mean 'latex'" in err


@pytest.mark.parametrize(
    "words, message",
    [
        (["run", "method=suprvised"], "unknown method 'suprvised': did you mean 'supervised'"),
        (["run", "dataset=digts"], "unknown data set 'digts': did you mean 'digits'"),
        (["run", "epochs=-3"], "epochs=-3: must be at least 0"),
        (["run", "labels=5"], "labels=5 is less than one a class"),
        (["run", "epoch=3"], "unknown field of Config 'epoch': did you mean 'epochs'"),
        (["run", "--file", "nowhere.json"], "there is no file nowhere.json"),
        (["run", "--track", "wnadb"], "unknown tracker 'wnadb': did you mean 'wandb'"),
        (["bench", "kdd"], "unknown method 'kdd': did you mean 'kd'"),
        (["bench", "method=kd"], "bench takes methods by name and a teacher by its fields"),
        (["bench", "kd", "teacher=3"], "bench takes methods by name and a teacher by its fields"),
        (["run", "dataset=folder:nowhere"], "there is no folder nowhere"),
        (["notebooks", "execute", "00_tor"], "unknown notebook '00_tor': did you mean '00_tour'"),
        (["tour", "-p", "sed=1"], "unknown parameter of 00_tour.ipynb 'sed': did you mean 'seeds'"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(words, message, kdlab):
    code, out, err = kdlab(*words)
    assert code == 2 and out == "" and err.count("\n") == 1 and err.startswith("kdlab: ") and message in err


@pytest.mark.parametrize(
    "text, message",
    [
        ("[1", "is no JSON file"),
        ("[1]", "must hold fields by name"),
    ],
)
def test_a_file_that_holds_no_fields(text, message, tmp_path, kdlab):
    (tmp_path / "fields.json").write_text(text)
    test_mistakes_are_one_line_and_exit_code_2(["run", "--file", str(tmp_path / "fields.json")], message, kdlab)


def test_a_mistake_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, "-m", "kdlab", "run", "method=suprvised"], capture_output=True, text=True, check=False
    )
    err = done.stderr
    assert done.returncode == 2 and done.stdout == "" and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize("code, left", [(None, 0), (0, 0), (2, 2), (130, 130), ("a sentence", None), (-9, None)])
def test_an_exit_code_is_the_commands(code, left, monkeypatch):
    ended = []
    monkeypatch.setattr(cli, "_leave", ended.append)
    monkeypatch.setattr(cli, "call", lambda: sys.exit(code))
    if left is None:
        with pytest.raises(SystemExit, match=str(code)):
            cli.main()
    else:
        cli.main()
    assert ended == ([] if left is None else [left])


BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}
LEAVING = """
import atexit, sys
from kdlab.cli import app
atexit.register(print, "at the end")
app.call = lambda: sys.exit({code})
print("written", end=" ")
{before}
app.main()
"""


def leave(code=0, before="", **options):
    """Ends a process as the command does."""
    words = [sys.executable, "-c", LEAVING.format(code=code, before=before)]
    return subprocess.run(words, env=BUFFERED, stderr=subprocess.PIPE, text=True, check=False, **options)


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_has_written_everything_when_it_ends(code):
    done = leave(code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (code, "written at the end\n", "")


@pytest.mark.parametrize("before", ["sys.stdout = None", "sys.stdout.flush(); sys.stdout.close()"])
def test_a_command_without_output_ends_with_its_code(before):
    done = leave(5, f"atexit.unregister(print); {before}")
    assert (done.returncode, done.stderr) == (5, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_an_error():
    with Path("/dev/full").open("w") as full:
        done = leave(stdout=full)
    assert (done.returncode, done.stderr) == (120, "kdlab: [Errno 28] No space left on device\n")


def test_a_reader_that_has_gone_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = leave(1, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_importing_kdlab_imports_no_heavy_room(runs):
    heavy = {"pandas", "matplotlib", "sklearn", "lightning_fabric", "torchvision", "triton", "torch._dynamo"}
    trained = "run(Config(dataset='digits', model='resnet8', width=0.25, epochs=1, steps=1, batch=8))"
    for steps in (  # what a process does, and what it has not imported then
        {f"from kdlab import Config, run; {trained}": {"torchvision", "matplotlib"}},
        {
            "import kdlab": {*heavy, "torch", "papermill"},
            "from kdlab import Config, run": heavy,
            "from kdlab import assemble; assemble(Config(model='resnet8'))": heavy
            - {"sklearn"},  # which has the digits
            f"from kdlab import table; {trained}; table()": heavy - {"pandas"},  # the run is stored
        },
    ):
        looks = [f"{step}; print(sorted({rooms} & set(sys.modules)))" for step, rooms in steps.items()]
        code = "\n".join(["import sys", *looks])
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert out.splitlines() == ["[]"] * len(steps)


def test_public_names():
    import kdlab as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        package.nonsense  # noqa: B018


def test_methods_of_another_pair_and_one_method(kdlab):
    code, out, _ = kdlab("methods", "--student", "shufflenet_v1", "--teacher", "resnet18")
    assert code == 0 and "at cannot be used for this pair: at pairs stages one to one" in out
    assert all(key in out for key in METHODS)
    code, out, _ = kdlab("methods", "crd")
    assert code == 0 and "hp.negatives     4096" in out and "0.8 crd" in out
    code, _, err = kdlab("methods", "crdd")
    assert code == 2 and "unknown method 'crdd': did you mean 'crd'" in err


UNREAD = """
import sys
from kdlab.cli.app import _leave
print("first", flush=True)
print("nobody reads this")
sys.stdin.read()
_leave(1)
"""


def test_a_reader_that_goes_before_the_end_is_no_error():
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    child = subprocess.Popen([sys.executable, "-c", UNREAD], env=BUFFERED, **pipes)
    with child:
        assert child.stdout.readline() == b"first\n"
        child.stdout.close()
        child.stdin.close()
        assert child.wait(60) == 1 and child.stderr.read() == b""
