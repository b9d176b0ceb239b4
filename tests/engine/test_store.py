"""What lies in a run folder is what was written there, or somebody says so: damage, edits, full disks, lost files."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from filelock import FileLock
from killing import killed, outcome
from making import config_of
from safetensors.torch import load_file, save_file

import kdlab
from kdlab import DIAGNOSTICS, METHODS, Config, Error
from kdlab.cli import app as cli
from kdlab.core.places import environment
from kdlab.engine import store
from kdlab.engine.process import Process
from kdlab.engine.reading import log_lines

SMALL = {"labels": 20, "width": 0.125, "epochs": 3, "steps": 1, "batch": 8, "model": "resnet8"}
TEACHER = Config(**SMALL)
STUDENT = Config(**{**SMALL, "epochs": 1}, method="kd", teacher=TEACHER)
WORDS = [f"{name}={value}" for name, value in SMALL.items()]


def sentence(call):
    """The sentence with which a call is refused; anything else is a failure of the test."""
    text = None
    try:
        call()
    except Error as error:
        text = str(error)
    except Exception as error:
        pytest.fail(f"a traceback, {type(error).__name__}: {error}")
    assert text is not None, "nothing was said"
    assert "\n" not in text and len(text) < 600
    return text


def works(call):
    """What a call returns, and the warnings that it gives; an exception is a failure of the test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = call()
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error}")
    return value, [str(each.message) for each in caught]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A teacher and its student, trained once."""
    root = tmp_path_factory.mktemp("finished")
    with environment(KDLAB_RUNS=str(root)):
        kdlab.run(STUDENT)
    return root


@pytest.fixture
def stored(finished, runs):
    """The runs folder with both; the folder of the teacher."""
    shutil.copytree(finished, runs, dirs_exist_ok=True)
    return kdlab.run(TEACHER).folder


@pytest.fixture
def command(monkeypatch, capsys):
    """Calls the command in this process: its exit code, output and errors; a traceback fails the test."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kdlab", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which `call` replaces
        try:
            cli.call()
        except SystemExit as stop:
            return stop.code or 0, *capsys.readouterr()
        except Exception as error:
            pytest.fail(f"a traceback, {type(error).__name__}: {error}")
        return 0, *capsys.readouterr()

    return call


def flip(file, at):
    """Turn one bit."""
    raw = bytearray(file.read_bytes())
    raw[at] ^= 1 << 6
    file.write_bytes(raw)


def as_of_version_0_2_0(folder):
    """A result without digests, and with fewer of the rooms whose code counts."""
    result = json.loads((folder / "result.json").read_text())
    result.pop("stored", None)
    result["code"]["far"].pop("methods", None)
    (folder / "result.json").write_text(json.dumps(result))


def bare(folder, **changes):
    """Change numbers in result.json, by hand."""
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, **changes}))


# Checkpoints


def test_one_flipped_bit_in_a_checkpoint_is_noticed(runs, monkeypatch):
    weights, *_ = outcome(TEACHER, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "killed"))
    killed(TEACHER, monkeypatch, 2, "save")
    (checkpoint,) = (runs / "killed").glob("*/checkpoint.pt")
    with zipfile.ZipFile(checkpoint) as archive:
        largest = sorted(archive.infolist(), key=lambda info: info.file_size)[-2:]
    for number, info in enumerate(largest):
        shutil.copytree(runs / "killed", root := runs / f"flipped{number}")
        flip(root / checkpoint.relative_to(runs / "killed"), info.header_offset + info.file_size // 2 + 128)
        with pytest.warns(UserWarning, match="is damaged") as noticed:
            again, *_ = outcome(TEACHER, root, monkeypatch)
        assert sum("is damaged" in str(each.message) for each in noticed) == 1
        assert all(torch.equal(weights[name], again[name]) for name in weights)


@pytest.mark.parametrize("state", [{}, [1], {"epoch": 2}])
def test_a_checkpoint_that_is_no_state_is_not_used(state, runs, monkeypatch):
    killed(TEACHER, monkeypatch, 2, "save")
    for file in runs.glob("*/checkpoint*.pt"):
        torch.save(state, file)
    result, notes = works(lambda: kdlab.run(TEACHER))
    assert result["epochs"] == 3 and any("is damaged" in each and "begins anew" in each for each in notes)


# Lines of the log


TRACKED = Config(**SMALL, track_test=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.split(b"\n", 1)[1],
        lambda raw: raw.replace(b'"epoch"', b'"epo', 1),
        lambda raw: b"\xff" + raw,
        lambda raw: b"",
    ],
    ids=["a line is missing", "half a line", "not UTF-8", "empty"],
)
def test_a_damaged_log_is_noticed_before_training_and_mended(damage, runs, monkeypatch):
    _, whole, metrics = outcome(TRACKED, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "cut"))
    killed(TRACKED, monkeypatch, 2, "save")
    (log,) = (runs / "cut").glob("*/log.jsonl")
    log.write_bytes(damage(log.read_bytes()))
    ((_, again, metrics_again), notes) = works(lambda: outcome(TRACKED, runs / "cut", monkeypatch))
    assert again.equals(whole) and metrics == metrics_again
    assert [each for each in notes if "log.jsonl is damaged or lacks lines" in each]


def test_a_checkpoint_without_a_log_and_a_damaged_one_stop_at_once(runs, monkeypatch):
    """As version 0.2.0 wrote it."""
    killed(TRACKED, monkeypatch, 2, "save")
    for file in runs.glob("*/checkpoint*.pt"):
        state = torch.load(file, weights_only=True)
        state.pop("log", None)
        torch.save(state, file)
    (log,) = runs.glob("*/log.jsonl")
    log.write_text("{\n" + log.read_text().split("\n", 1)[1])
    monkeypatch.setattr(store.RunFolder, "save", lambda *_: pytest.fail("it trained before it looked at the log"))
    assert "--fresh" in sentence(lambda: kdlab.run(TRACKED))


def test_lines_that_are_missing_from_the_log_of_a_finished_run(stored):
    log = stored / "log.jsonl"
    log.write_text(log.read_text().split("\n", 1)[1])
    frame, notes = works(kdlab.run(TEACHER).log)
    assert len(frame) == 2 and any("lines are missing or changed" in each for each in notes)


def test_a_look_at_a_log_with_a_damaged_line(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(b'{"epoch": 1}\n{"epo\n\xff\n[]\n{"epoch": 4}\n{"ep')
    lines, notes = works(lambda: log_lines(tmp_path))
    assert [line["epoch"] for line in lines] == [1, 4] and len(notes) == 1 and "line 2 is damaged" in notes[0]


# Weights


def damaged(file, how):
    if how == "flipped":
        flip(file, -3)
    elif how == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif how == "empty":
        file.write_bytes(b"")
    else:
        save_file(
            {
                name: tensor.repeat(2) if tensor.ndim else tensor
                for name, tensor in {name: value.reshape(-1) for name, value in load_file(file).items()}.items()
            },
            file,
        )


@pytest.mark.parametrize("how", ["flipped", "truncated", "empty", "of another shape"])
def test_damaged_weights_are_a_sentence_wherever_they_are_loaded(how, stored):
    result = kdlab.run(TEACHER)
    damaged(stored / "weights.safetensors", how)
    for folder in stored.parent.glob("*-kd-*"):
        shutil.rmtree(folder)
    for call in (result.network, result.setup, lambda: result["test/knn"], lambda: kdlab.run(STUDENT)):
        message = sentence(call)
        assert str(stored / "weights.safetensors") in message and "--fresh" in message
    assert kdlab.run(STUDENT, fresh=True)["epochs"] == 1


@pytest.mark.parametrize("how", ["truncated", "empty", "of another shape"])
def test_damaged_weights_of_version_0_2_0_too(how, stored):
    as_of_version_0_2_0(stored)
    result = kdlab.run(TEACHER)
    damaged(stored / "weights.safetensors", how)
    for call in (result.network, lambda: result["test/knn"]):
        assert "--fresh" in sentence(call)


def test_a_flipped_bit_in_the_parts_of_a_method(runs):
    result = kdlab.run(config_of("sskd_pretext", student="resnet8", teacher="resnet8", epochs=1))
    flip(result.folder / "parts.safetensors", -3)
    assert "parts.safetensors is damaged" in sentence(result.parts)


@pytest.mark.parametrize("name", ["weights.safetensors", "parts.safetensors"])
def test_without_its_weights_a_run_is_not_done(name, runs):
    config = config_of("sskd_pretext", student="resnet8", teacher="resnet8", epochs=1)
    first = kdlab.run(config)
    before = (first.folder / name).read_bytes()
    (first.folder / name).unlink()
    again, notes = works(lambda: kdlab.run(config))
    assert (again.folder / name).exists() and (again.folder / name).read_bytes() == before
    assert [each for each in notes if f"{name} is gone" in each and "trained anew" in each]


def test_a_student_of_a_run_without_weights_trains_it_first(stored):
    (stored / "weights.safetensors").unlink()
    student = STUDENT.replace(epochs=2)
    result, _ = works(lambda: kdlab.run(student))
    assert result["epochs"] == 2 and (stored / "weights.safetensors").exists()


def test_a_look_at_a_run_whose_weights_are_gone(stored):
    result, student = kdlab.run(TEACHER), kdlab.run(STUDENT)
    (stored / "weights.safetensors").unlink()
    for call in (result.network, lambda: result["test/knn"], result.confusion):
        message = sentence(call)
        assert stored.name in message and "run" in message
    message = sentence(lambda: student["test/cka"])
    assert stored.name in message and "kdlab.run(result.config.teacher) brings it back" in message
    works(lambda: kdlab.run(student.config.teacher))
    assert student["test/cka"] > 0 and student.network()


def test_a_teacher_that_is_trained_anew_while_a_student_is_about_to_load_it(stored, monkeypatch):
    load, calls = store.RunFolder.load_weights, []

    def removed_first(self, *given):
        calls.append(self)
        if len(calls) == 1:
            shutil.rmtree(self.path)
        return load(self, *given)

    monkeypatch.setattr(store.RunFolder, "load_weights", removed_first)
    result, _ = works(lambda: kdlab.run(STUDENT.replace(epochs=2)))
    assert result["epochs"] == 2 and len(calls) == 2


def test_weights_can_be_read_by_whom_the_results_can(stored):
    modes = {file.name: oct(file.stat().st_mode) for file in stored.iterdir()}
    assert modes["weights.safetensors"] == modes["result.json"]


# result.json


@pytest.mark.parametrize("number", [99.9, float("nan"), float("inf"), 0])
def test_a_number_that_was_edited_does_not_come_back(number, stored, command):
    bare(stored, **{"test/accuracy": number})
    assert "result.json was changed" in (message := sentence(lambda: kdlab.run(TEACHER))) and "--fresh" in message
    code, _, err = command("run", *WORDS)
    assert code == 2 and err.count("\n") == 1 and "result.json was changed" in err
    frame, notes = works(kdlab.table)
    assert list(frame.method) == ["kd"] and len(notes) == 1 and stored.name in notes[0]


def test_digests_are_no_columns(stored):
    result = kdlab.run(TEACHER)
    assert "stored" not in result.metrics and "stored" not in kdlab.table()
    again = kdlab.run(TEACHER, fresh=True)
    assert set(again.metrics) == set(result.metrics)


def test_a_result_of_version_0_2_0_comes_back_without_complaint(stored):
    before = kdlab.run(TEACHER)
    as_of_version_0_2_0(stored)
    after, notes = works(lambda: kdlab.run(TEACHER))
    assert {**after.metrics, "code": 0} == {**before.metrics, "code": 0} and len(after.log()) == 3
    assert all("trained by other code" in str(each) for each in notes), "that version recorded less of it"
    assert after["test/knn"] >= 0 and len(kdlab.table()) == 2


CONTENTS = {
    "cut off": b'{"test/acc',
    "{}": b"{}",
    "[]": b"[]",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "empty": b"",
    "deep": b"[" * 100_000,
    "null": b"null",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_result_that_cannot_be_read_is_none(content, stored):
    (stored / "result.json").write_bytes(content)
    result, notes = works(lambda: kdlab.run(TEACHER))
    assert result["epochs"] == 3 and [each for each in notes if "result.json is damaged" in each]


@pytest.mark.parametrize("content", [*CONTENTS.values(), None], ids=[*CONTENTS, "missing"])
def test_a_config_that_cannot_be_read_is_written_anew(content, stored):
    before = json.loads((stored / "config.json").read_text())
    (stored / "config.json").unlink()
    if content is not None:
        (stored / "config.json").write_bytes(content)
    result, _ = works(lambda: kdlab.run(TEACHER))
    after, _ = works(lambda: json.loads((stored / "config.json").read_text()))
    assert result["epochs"] == 3
    assert isinstance(after, dict) and {**after, "kdlab": before["kdlab"]} == before


def test_one_bad_folder_does_not_stop_the_table(stored, command):
    good = len(kdlab.table())
    bad = {}
    for number, (content, name) in enumerate([(c, n) for c in CONTENTS.values() for n in ("result", "config")]):
        shutil.copytree(stored, folder := stored.with_name(f"bad{number:02}"))
        (folder / f"{name}.json").write_bytes(content)
        bad[folder.name] = folder
    shutil.copytree(stored, stored.with_name("bad98"))
    (stored.with_name("bad98") / "config.json").unlink()
    shutil.copytree(stored, stored.with_name("bad99"))
    (stored.with_name("bad99") / "result.json").unlink()
    (stored.with_name("bad99") / "result.json").mkdir()
    frame, notes = works(kdlab.table)
    assert len(frame) == good and len(notes) == 1 and "bad00 (result.json is damaged)" in notes[0]
    code, out, err = command("table")
    assert code == 0 and "resnet8" in out and err.count("\n") == 1 and "bad00" in err and "and 11 more" in err


def test_a_run_with_fields_that_nobody_knows_is_in_the_table(stored):
    about = json.loads((stored / "config.json").read_text())
    about["config"] |= {"method": "mine", "newer": 3}
    about["identity"]["config"]["method"] = "mine"
    del about["config"]["lr"]
    (stored / "config.json").write_text(json.dumps(about))
    frame, _ = works(kdlab.table)
    assert set(frame.method) == {"mine", "kd"}


# What is to be removed


@contextmanager
def nothing_removed(monkeypatch, name):
    """As where the folder is another user's, or was made immutable."""
    unlink = os.unlink

    def refuse(path, *given, **options):
        if os.fsdecode(path).endswith(name):
            raise PermissionError(errno.EPERM, "Operation not permitted", os.fsdecode(path))
        return unlink(path, *given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        patch.setattr(os, "remove", refuse)
        yield


@pytest.mark.parametrize("name", ["result.json", "weights.safetensors", "config.json"])
def test_fresh_that_cannot_remove_what_is_stored_says_so(name, stored, monkeypatch, command):
    as_of_version_0_2_0(stored)
    bare(stored, **{"test/accuracy": 99.9})
    with nothing_removed(monkeypatch, name):
        message = sentence(lambda: kdlab.run(TEACHER, fresh=True))
        assert name in message and "cannot be removed (Operation not permitted)" in message
        code, out, err = command("run", "--fresh", *WORDS)
        assert code == 2 and "99.9" not in out and err.count("\n") == 1 and "cannot be removed" in err


def test_a_run_whose_removal_was_interrupted_is_not_done(stored, monkeypatch):
    """Whatever order the file system lists the files in."""
    scan, listed, unlink = os.scandir, os.listdir, os.unlink

    class Scan:
        def __init__(self, *given):
            with scan(*given) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    def removed(path, *given, **options):
        unlink(path, *given, **options)
        if os.fsdecode(path).endswith("weights.safetensors"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", Scan)
        patch.setattr(os, "listdir", lambda *given: sorted(listed(*given), reverse=True))
        patch.setattr(os, "unlink", removed)
        with pytest.raises(KeyboardInterrupt):
            kdlab.run(TEACHER, fresh=True)
    assert not (stored / "weights.safetensors").exists() and not (stored / "result.json").exists()


def test_a_run_folder_that_is_a_link_is_trained_anew_behind_the_link(stored, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("disk") / "run"
    shutil.move(stored, elsewhere)
    stored.symlink_to(elsewhere)
    as_of_version_0_2_0(stored)
    bare(stored, **{"test/accuracy": 99.9})
    assert kdlab.run(TEACHER, fresh=True)["test/accuracy"] != 99.9


def test_what_a_killed_process_left_is_removed_by_the_next_call(stored):
    left = [
        stored / "checkpoint.pt",
        stored / "checkpoint.previous.pt",
        stored / ".weights.0123456789ab.tmp",
        stored / "checkpoint.tmp",
    ]
    for file in left:
        file.write_bytes(b"123")
    for end in ("lock", "owner"):
        stored.with_name(f".{stored.name}.{end}").touch()
    kdlab.run(TEACHER)
    assert not any(file.exists() for file in left)
    assert not [file.name for file in stored.parent.iterdir() if file.name.startswith(".")]


def test_half_written_files_of_a_killed_process_go_when_the_run_goes_on(runs, monkeypatch):
    """At once: a disk that they have filled would stop it again."""
    killed(TEACHER, monkeypatch, 1, "save")
    (folder,) = runs.glob("digits-*")
    left = [folder / ".checkpoint.pt.0123456789ab.tmp", folder / "checkpoint.tmp"]
    for file in left:
        file.write_bytes(b"123")
    there = []
    monkeypatch.setitem(DIAGNOSTICS, "left", lambda *_: there.extend(f.name for f in left if f.exists()) or 0.0)
    kdlab.run(TEACHER)
    assert not there


def test_no_hidden_files_stay(stored):
    assert {file.name.rpartition("-")[0] for file in stored.parent.iterdir()} == {
        "digits-resnet8-supervised",
        "digits-resnet8-kd",
    }


def test_a_refused_run_leaves_no_folder(runs):
    config = config_of("lsskd", student="resnet8", patience=2, monitor="branch", epochs=1)
    with pytest.raises(Error, match="which is not one finite number"):
        kdlab.run(config)
    assert not [folder.name for folder in runs.iterdir() if "-lsskd-" in folder.name]


# What the machine refuses


def places(root):
    """Runs folders that hold no runs, by name."""
    (file := root / "file").write_text("")
    (dangling := root / "dangling").symlink_to(root / "nowhere" / "deep")
    (loop := root / "loop").symlink_to(loop)
    return {
        "a file": file,
        "within a file": file / "runs",
        "/dev/null": "/dev/null",
        "no such place": "/proc/nowhere",
        "a link to nothing": dangling,
        "a link to itself": loop,
        "a long name": root / ("x" * 300),
    }


@pytest.mark.parametrize(
    "name",
    ["a file", "within a file", "/dev/null", "no such place", "a link to nothing", "a link to itself", "a long name"],
)
def test_a_place_that_takes_no_runs(name, tmp_path, monkeypatch, command):
    place = places(tmp_path)[name]
    monkeypatch.setenv("KDLAB_RUNS", str(place))
    if name == "a link to nothing":
        assert (place.parent / "nowhere").exists() or place.is_symlink()
    assert str(place) in sentence(lambda: kdlab.run(TEACHER))
    code, out, err = command("run", *WORDS)
    assert code == 2 and out == "" and err.count("\n") == 1 and str(place) in err and err.startswith("kdlab: ")


@pytest.mark.parametrize("name", ["a file", "/dev/null", "a link to itself"])
def test_a_table_of_a_place_that_takes_no_runs(name, tmp_path, monkeypatch, command):
    monkeypatch.setenv("KDLAB_RUNS", str(place := places(tmp_path)[name]))
    code, out, err = command("table")
    assert code == 2 and out == "" and err.count("\n") == 1 and str(place) in err


@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_where_the_run_folder_should_be(fresh, stored):
    shutil.rmtree(stored)
    stored.write_text("mine")
    assert f"{stored} is no folder" in sentence(lambda: kdlab.run(TEACHER, fresh=fresh))
    assert stored.read_text() == "mine"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_runs_folder_in_which_nothing_can_be_made(code, runs, monkeypatch):
    mkdir = os.mkdir

    def refuse(path, *given, **options):
        if os.fsdecode(path).startswith(str(runs)):
            raise OSError(code, os.strerror(code), os.fsdecode(path))
        return mkdir(path, *given, **options)

    monkeypatch.setattr(os, "mkdir", refuse)
    message = sentence(lambda: kdlab.run(TEACHER))
    assert str(runs) in message and os.strerror(code) in message and "what is stored is kept" in message


@contextmanager
def files_of_at_most(size):
    """As `ulimit -f`, and like a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100, 20_000, 60_000])
def test_a_disk_that_is_full_is_a_sentence_and_nothing_half_written_stays(size, runs, monkeypatch, command):
    """Too little for config.json, for a checkpoint, for the one of a later epoch with its log."""
    weights, *_ = outcome(TEACHER, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "full"))
    with files_of_at_most(size):
        message = sentence(lambda: kdlab.run(TEACHER))
        code, _, err = command("run", *WORDS)
    assert "File too large" in message and str(runs / "full") in message and "what is stored is kept" in message
    assert code == 2 and err.count("\n") == 1 and "File too large" in err
    assert not [file for file in (runs / "full").rglob("*") if file.suffix == ".tmp"]
    again, *_ = outcome(TEACHER, runs / "full", monkeypatch)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_weights_that_do_not_fit_on_the_disk(runs, monkeypatch):
    """The last checkpoint is written, the weights are not."""
    weights, *_ = outcome(TEACHER, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "full"))
    evaluate = kdlab.engine.run.evaluate
    with monkeypatch.context() as patch, files_of_at_most(resource.getrlimit(resource.RLIMIT_FSIZE)[0]):

        def full(*given):
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
            return evaluate(*given)

        patch.setattr(kdlab.engine.run, "evaluate", full)
        message = sentence(lambda: kdlab.run(TEACHER))
    assert "File too large" in message
    names = {file.name for file in (runs / "full").glob("*/*")}
    assert names == {"config.json", "log.jsonl", "checkpoint.pt", "checkpoint.previous.pt"}
    again, *_ = outcome(TEACHER, runs / "full", monkeypatch)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def of_onednn():
    raise RuntimeError("could not create a primitive")  # as torch's convolutions say it


@pytest.mark.parametrize(
    "wanted",
    [
        lambda: torch.empty(2**46),
        lambda: np.empty(2**50),
        lambda: [0] * 2**60,
        of_onednn,
    ],
    ids=["torch", "numpy", "python", "oneDNN"],
)
def test_no_memory_is_a_sentence(wanted, runs, monkeypatch, command):
    monkeypatch.setitem(DIAGNOSTICS, "large", lambda epoch, setup: wanted())
    for call in (lambda: kdlab.run(TEACHER), lambda: kdlab.watch(TEACHER, lambda setup: wanted())):
        assert "memory" in (message := sentence(call)) and "what is stored is kept" in message
    code, out, err = command("run", *WORDS)
    assert code == 2 and out == "" and err.count("\n") == 1 and "memory" in err


def test_runs_that_are_removed_while_one_trains(runs, monkeypatch):
    def remove(epoch, setup):
        for folder in runs.glob("*"):
            shutil.rmtree(folder, ignore_errors=True)
        return 0.0

    monkeypatch.setitem(DIAGNOSTICS, "remove", remove)
    assert "digits-resnet8" in sentence(lambda: kdlab.run(TEACHER))


def test_a_mistake_of_the_machine_is_a_sentence_in_a_process_of_its_own_too(runs, monkeypatch, tmp_path):
    process = Process(TEACHER)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "file"))
    process.start()
    end = time.monotonic() + 120
    while process.alive and time.monotonic() < end:
        time.sleep(0.05)
    assert "cannot hold runs" in process.failure and "Traceback" not in process.output.read_text()


def test_a_process_that_the_system_ends_for_want_of_memory(runs):
    process = Process(TEACHER)
    process.child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, text=True)
    process.child.send_signal(signal.SIGKILL)
    process.child.wait()
    process.child.stdin.close()
    assert "memory" in process.failure and "-9" not in process.failure


# Locks


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_locks(code, runs, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    result, notes = works(lambda: kdlab.run(TEACHER))
    assert result["epochs"] == 3 and [each for each in notes if "lock" in each]
    again, _ = works(lambda: kdlab.run(TEACHER, fresh=True))
    assert again["test/accuracy"] == result["test/accuracy"] and len(list(runs.iterdir())) == 1


def test_a_lock_that_cannot_be_taken_is_a_sentence(runs, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert f"{runs} cannot hold runs (Input/output error)" in sentence(lambda: kdlab.run(TEACHER))


def test_a_lock_that_is_removed_while_a_run_trains(runs, monkeypatch):
    """Where nobody else takes it the run goes on; where another process does, one of them stops."""

    def remove(epoch, setup):
        for file in runs.glob(".*.lock"):
            file.unlink()
        return 0.0

    with monkeypatch.context() as patch:
        patch.setitem(DIAGNOSTICS, "remove", remove)
        assert kdlab.run(TEACHER)["epochs"] == 3
    other = []

    def take(epoch, setup):
        if epoch == 2 and not other:
            (file,) = runs.glob(".*.lock")
            file.unlink()
            other.append(FileLock(file))
            other[0].acquire(timeout=1)
        return 0.0

    monkeypatch.setitem(DIAGNOSTICS, "take", take)
    message = sentence(lambda: kdlab.run(TEACHER.replace(seed=1)))
    assert "another process trains this run now" in message
    other[0].release()
    assert len(kdlab.run(TEACHER.replace(seed=1)).log()) == 3


# Identity and origin


def test_a_method_of_ones_own_with_a_tuple_comes_back_and_teaches(runs, monkeypatch):
    supervised = METHODS["supervised"]

    class Own(supervised):
        """A loss of a notebook."""

        def build(self, *, stages: tuple[int, ...] = (1, 2)):
            self.at = stages

    monkeypatch.setitem(METHODS, "own", Own)
    config = Config(**SMALL, method="own", hp={"stages": (2, 3)})
    first = kdlab.run(config)
    again, _ = works(lambda: kdlab.run(config))
    assert again.metrics == first.metrics
    student, _ = works(lambda: kdlab.run(Config(**SMALL, method="kd", teacher=config)))
    assert student["epochs"] == 3


def test_the_commit_is_that_of_kdlab_not_of_a_repository_around_it(tmp_path, monkeypatch):
    from kdlab.experiment import device

    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "of a thesis"], check=True)
    for place in ("lib/site-packages/kdlab", "kdlab"):
        (tmp_path / place / "engine").mkdir(parents=True)
        monkeypatch.setattr(device, "__file__", str(tmp_path / place / "experiment/device.py"))
        assert device.machine(torch.device("cpu"))["commit"] is None


@pytest.mark.parametrize("digests", ["gone", "none", "under another name"])
def test_a_result_whose_digests_are_gone_is_not_believed(runs, digests):
    result = kdlab.run(TEACHER)
    file = result.folder / "result.json"
    stored = json.loads(file.read_text())
    kept = stored.pop("stored")
    more = {"gone": {}, "none": {"stored": {}}, "under another name": {"stosed": kept}}[digests]
    file.write_text(json.dumps({**stored, **more, "test/accuracy": 99.2127}))
    with pytest.raises(kdlab.Error, match="changed after it was written"):
        kdlab.run(TEACHER)


def test_settings_that_were_edited_afterwards_are_noticed(runs):
    folder = kdlab.run(TEACHER).folder
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, "config": {**about["config"], "epochs": 77}}))
    with pytest.warns(UserWarning, match="changed after it was written, in epochs"):
        kdlab.table()
