"""Run folders in every state: what is seen of them, what stands on what, what may go."""

import json
import shutil

import pytest
from killing import killed
from making import TINY

import kdlab
from kdlab import METHODS, Config, Error
from kdlab.engine import housekeeping
from kdlab.engine.housekeeping import dependants, find, free, garbage, remove, survey
from kdlab.engine.lock import RunLock

TEACHER = Config(**{**TINY, "epochs": 2})
STUDENT = Config(**{**TINY, "epochs": 1}, method="kd", teacher=TEACHER)


def states(root):
    return {kept.folder.name: (kept.state, kept.detail) for kept in survey(root)}


def rubbish(root):
    return {path.name: why for path, why in garbage(survey(root), root)}


@pytest.fixture
def chain(runs):
    """A student and its teacher."""
    folder = kdlab.run(STUDENT).folder
    (teacher,) = {path.parent for path in runs.glob("*/result.json")} - {folder}
    (runs / "figures" / "data").mkdir(parents=True)  # evidence stands there by default
    return folder, teacher


def test_states(chain, runs, monkeypatch):
    student, teacher = chain
    assert states(runs) == dict.fromkeys((student.name, teacher.name), ("done", ""))
    (student / "weights.safetensors").unlink()
    killed(TEACHER.replace(seed=1), monkeypatch, 1, "save")
    (interrupted,) = {path.parent for path in runs.glob("*/checkpoint.pt")}
    with RunLock(teacher).hold():
        assert states(runs) == {
            student.name: ("damaged", "weights.safetensors is gone"),
            teacher.name: ("training", "epoch 2 of 2"),
            interrupted.name: ("interrupted", "epoch 1 of 2"),
        }
    (student / "result.json").write_text("{")
    about = json.loads((teacher / "config.json").read_text())
    about["identity"]["version"] = 0
    (teacher / "config.json").write_text(json.dumps(about))
    (interrupted / "checkpoint.pt").unlink()
    assert states(runs) == {
        student.name: ("damaged", "result.json is damaged"),
        teacher.name: ("done", f"by version {kdlab.__version__}"),
        interrupted.name: ("interrupted", "before its first checkpoint"),
    }


def test_a_run_is_known_by_its_name_a_part_of_it_and_its_path(chain, runs, monkeypatch):
    student, _ = chain
    kept = list(survey(runs))
    monkeypatch.chdir(runs)
    for name in (student.name, "-kd-", student, f"./{student.name}/"):
        assert find(str(name), kept, runs).folder == student, name
    with pytest.raises(Error, match="'digits' is part of the names of 2 runs"):
        find("digits", kept, runs)
    with pytest.raises(Error, match=f"no run '{student.name[:-1]}x' in .*: did you mean '{student.name}'"):
        find(f"{student.name[:-1]}x", kept, runs)
    with pytest.raises(Error, match="no run"):
        find(f"/elsewhere/{student.name}", kept, runs)


def test_what_stands_on_a_run_is_known(chain, runs):
    by_folder = {kept.folder: kept for kept in survey(runs)}
    student, teacher = (by_folder[folder] for folder in chain)
    assert student.stands_on == {"teacher": teacher.key} and not teacher.stands_on
    assert dependants([teacher], by_folder.values()) == [student]
    assert not dependants([student], by_folder.values()) and not dependants([student, teacher], by_folder.values())


def test_a_run_that_is_trained_is_not_removed(chain):
    student, _ = chain
    with RunLock(student).hold(), pytest.raises(Error, match="is being trained by another process"):
        remove(student)
    assert (student / "result.json").exists()
    remove(student)
    assert not student.exists() and not list(student.parent.glob(".*"))


def test_a_removal_that_is_killed_leaves_no_half_a_run(chain, runs, monkeypatch):
    student, teacher = chain

    def interrupt(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(housekeeping.shutil, "rmtree", interrupt)
        with pytest.raises(KeyboardInterrupt):
            remove(student)
    assert set(states(runs)) == {teacher.name} and set(rubbish(runs)) == {f".{student.name}.removed"}
    for path, _ in garbage(survey(runs), runs):
        free(path)
    assert not rubbish(runs) and not list(runs.glob(".*")) and (teacher / "result.json").exists()


def test_what_a_config_of_today_finds_is_no_garbage(chain, runs, monkeypatch):
    student, _ = chain
    killed(TEACHER.replace(seed=1), monkeypatch, 1, "save")
    assert not rubbish(runs)
    (student / "config.json").write_text("{")
    assert states(runs)[student.name] == ("damaged", "config.json is damaged") and not rubbish(runs)
    with pytest.warns(UserWarning, match="config.json was damaged and is written anew"):
        kdlab.run(STUDENT)
    assert states(runs)[student.name] == ("done", ""), "it was mended"


def test_runs_of_other_code_and_what_killed_processes_left_are_garbage(chain, runs, monkeypatch):
    student, teacher = chain
    (teacher / ".weights.safetensors.0123456789ab.tmp").touch()
    (runs / f".{teacher.name}.owner").write_text("process 0")
    (runs / "verify-0123456789ab" / student.name).mkdir(parents=True)
    shutil.copytree(student, runs / "a copy of mine")
    (gone := runs / "digits-resnet8-kd-0123456789ab").mkdir()

    class Edited(METHODS["kd"]):
        def compare(self, student, teacher, batch):
            return {name: 2 * term for name, term in super().compare(student, teacher, batch).items()}

    monkeypatch.setitem(METHODS, "kd", Edited)
    expected = {
        student.name: "by other code of kd",
        gone.name: "config.json is missing",
        ".weights.safetensors.0123456789ab.tmp": "half-written",
        "verify-0123456789ab": "checks of rows, by other code",
        f".{teacher.name}.owner": "of a process that was killed",
    }
    assert rubbish(runs) == expected
    for path, _ in garbage(survey(runs), runs):
        free(path)
    assert {path.name for path in runs.iterdir()} == {teacher.name, "a copy of mine", "figures"}
    assert kdlab.run(TEACHER).folder == teacher


def test_runs_of_a_method_that_is_not_known_here_stay(runs, monkeypatch):
    monkeypatch.setitem(METHODS, "mine", type("Mine", (METHODS["supervised"],), {}))
    kdlab.run(TEACHER.replace(method="mine"))
    monkeypatch.delitem(METHODS, "mine")
    assert not rubbish(runs)


def test_folders_with_other_files_than_a_runs_stay(chain, runs, monkeypatch):
    student, _ = chain
    (notes := runs / "my-own-notes-0123456789ab").mkdir()
    (notes / "thesis.txt").write_text("years")
    (old := runs / "verify-0123456789ab" / student.name).mkdir(parents=True)
    (old / "config.json").write_text("{}")
    (removed := runs / f".{student.name}.removed").mkdir()
    (removed / "mine.txt").touch()
    (student / "weights.safetensors").unlink()
    (student / "plots").mkdir()
    assert housekeeping.strange(notes) == [notes / "thesis.txt"] and not housekeeping.strange(old.parent)
    for path, _ in garbage(survey(runs), runs):
        if path == old.parent:
            free(path)
        else:
            with pytest.raises(Error, match="which kdlab has not written: it stays"):
                free(path)
    assert (notes / "thesis.txt").exists() and (student / "plots").exists() and (removed / "mine.txt").exists()
    assert not old.parent.exists()
