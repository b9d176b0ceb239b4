"""Hooks get every line of a run's log, trackers mirror them, and neither changes the run."""

import json
import sqlite3
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest
import torch
from killing import killed
from making import TINY, config_of
from safetensors.torch import load_file

from kdlab import Config, Error, run
from kdlab.engine import tracking
from kdlab.engine.sweep import run_all

CONFIG = Config(**TINY)


def log(result):
    return [json.loads(line) for line in (result.folder / "log.jsonl").read_text().splitlines()]


def weights(result):
    return load_file(result.folder / "weights.safetensors")


# Hooks


def test_hooks_get_the_log_as_it_is_written_and_change_nothing(runs, monkeypatch, tmp_path):
    plain, lines, lengths = run(CONFIG), [], []
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "again"))

    def meddle(line):
        lines.append(dict(line))
        lengths.append(len((tmp_path / "again" / plain.folder.name / "log.jsonl").read_text().splitlines()))
        torch.rand(3)
        line.clear()

    others = []
    hooked = run(CONFIG, hooks=[meddle, others.append])
    assert lines == others == log(hooked) and lengths == [1, 2, 3]
    assert hooked.folder.name == plain.folder.name
    assert all(torch.equal(tensor, weights(plain)[name]) for name, tensor in weights(hooked).items())


def test_a_stored_run_gives_hooks_its_log_again_and_its_stages_give_none(runs):
    config, lines = config_of("kd"), []
    assert run(config.teacher, hooks=[lines.append]) and len(lines) == TINY["epochs"]
    lines.clear()
    result = run(config, hooks=[lines.append])
    assert lines == log(result) and all("loss/kd" in line for line in lines)
    run(config, hooks=[lines.append])
    assert lines == log(result) * 2
    run(CONFIG.replace(epochs=0), hooks=[lines.append])
    assert len(lines) == 2 * TINY["epochs"]


def test_a_run_that_goes_on_gives_hooks_the_earlier_lines_first(runs, monkeypatch):
    killed(CONFIG, monkeypatch, 2, "save")
    lines = []
    assert log(run(CONFIG, hooks=[lines.append])) == lines
    assert [line["epoch"] for line in lines] == [1, 2, 3]


def test_what_a_hook_raises_stops_the_run_which_goes_on_from_its_checkpoint(runs, monkeypatch, tmp_path):
    def refuse(line):
        if line["epoch"] == 2:
            raise ZeroDivisionError("enough")

    with pytest.raises(ZeroDivisionError, match="enough"):
        run(CONFIG, hooks=[refuse])
    (folder,) = (path for path in runs.iterdir() if path.is_dir())
    assert (folder / "checkpoint.pt").exists() and not (folder / "result.json").exists()
    gone_on = run(CONFIG)
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "again"))
    assert all(torch.equal(tensor, weights(gone_on)[name]) for name, tensor in weights(run(CONFIG)).items())


# Trackers


@pytest.fixture(scope="module")
def trackio_folder(tmp_path_factory):
    """Where trackio keeps its projects, which it asks for when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("trackio")
        patch.setenv("TRACKIO_DIR", str(folder))
        pytest.importorskip("trackio")
        yield folder


def check_interrupted_and_stored(config, read, name, monkeypatch):
    """Its curve is whole after an interruption and after a second look, and so is its teacher's."""
    killed(config, monkeypatch, 1, "save")
    result = run(config, track=name)
    assert read(result) == log(result) and len(log(result)) == TINY["epochs"]
    teacher = run(config.teacher, track=name)  # trained by `killed`, without a tracker
    assert read(teacher) == log(teacher) and read(result) == log(result)
    run(config, track=name)
    assert read(result) == log(result)
    both = run(config, track=name, fresh=True), run(config.teacher)
    assert [read(each) for each in both] == [log(each) for each in both]


def test_trackio_stores_every_line_once(runs, trackio_folder, monkeypatch, capsys):
    def read(result):
        with sqlite3.connect(trackio_folder / "kdlab.db") as database:
            query = "SELECT step, metrics FROM metrics WHERE run_name = ? ORDER BY id"
            rows = database.execute(query, (result.folder.name,)).fetchall()
        assert [step for step, _ in rows] == list(range(1, len(rows) + 1))
        return [json.loads(metrics) for _, metrics in rows]

    check_interrupted_and_stored(config_of("kd"), read, "trackio", monkeypatch)
    assert capsys.readouterr().out == "", "standard output is for results"
    with sqlite3.connect(trackio_folder / "kdlab.db") as database:
        configs = [json.loads(text) for (text,) in database.execute("SELECT config FROM configs")]
    assert {config["model"] for config in configs} == {"litenet_dsc", "resnet18"}


def test_tensorboard_reads_every_line_once(runs, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(result):
        events = accumulator.EventAccumulator(str(result.folder)).Reload()
        lines = [{} for _ in range(TINY["epochs"])]
        for name in events.Tags()["scalars"]:
            for event in events.Scalars(name):
                assert name not in lines[event.step - 1]
                lines[event.step - 1][name] = pytest.approx(event.value, rel=1e-6)
        return lines

    check_interrupted_and_stored(config_of("kd"), read, "tensorboard", monkeypatch)


def test_wandb_writes_every_line_without_a_network(runs, monkeypatch, tmp_path):
    library = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    result = run(CONFIG, track="wandb")
    library.teardown()  # its service writes the last lines
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    content = file.read_bytes()
    assert result.folder.name in file.name
    assert all(
        json.dumps(line[name]).encode() in content for line in log(result) for name in ("loss", "train/weight_norm")
    )


@pytest.fixture
def wandb(monkeypatch):
    """W&B's three calls, written down."""
    calls = []
    opened = SimpleNamespace(step=0, log=lambda line, step: calls.append(step), finish=lambda: calls.append("finish"))
    fake = SimpleNamespace(calls=calls, run=opened, init=lambda **options: calls.append(options) or opened)
    monkeypatch.setattr(tracking, "import_module", lambda name: fake)
    monkeypatch.setattr(tracking, "find_spec", lambda name: SimpleNamespace(origin="a file"))
    return fake


def test_wandb_gets_a_run_for_each_that_trains_and_only_what_it_lacks(wandb, runs):
    config = config_of("kd")
    result = run(config, track="wandb")
    teacher, *steps, student = wandb.calls[0], *wandb.calls[1:5], wandb.calls[5]
    assert steps == [1, 2, 3, "finish"] == wandb.calls[6:]
    assert student["id"] == student["name"] == result.folder.name and student["resume"] == "allow"
    assert teacher["config"]["model"] == "resnet18" and student["config"]["teacher"] == teacher["config"]
    wandb.calls.clear()
    wandb.run.step = 3  # as of a run that has two lines
    run(config, track="wandb")
    assert [call for call in wandb.calls if not isinstance(call, dict)] == [3, "finish"]


def test_each_run_of_a_sweep_is_a_run_of_one_group(wandb, runs):
    configs = [config_of("kd"), CONFIG]
    outcomes = run_all(configs, workers=1, track="wandb", group="trial")
    opened = [call for call in wandb.calls if isinstance(call, dict)]
    teacher = configs[0].teacher.model_dump(mode="json")
    assert sorted(call["config"]["model"] for call in opened) == ["litenet_dsc", "litenet_dsc", "resnet18"]
    assert [call["group"] for call in opened] == ["trial"] * 3 and teacher in [call["config"] for call in opened]
    assert wandb.calls.count("finish") == 3 and wandb.calls.count(TINY["epochs"]) == 3
    wandb.calls.clear()
    lines = []
    run_all(configs, workers=1, track="wandb", group="trial", hooks=[lambda *line: lines.append(line)])
    assert [call["id"] for call in wandb.calls if isinstance(call, dict)] == [each.folder.name for each in outcomes]
    assert lines == [(each.config, line) for each in outcomes for line in log(each)]


def test_workers_of_a_sweep_mirror_their_runs(runs, trackio_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(trackio_folder))
        outcomes = run_all([CONFIG.seeded(7), CONFIG.seeded(8)], workers=2, track="trackio", group="seeds")
    with sqlite3.connect(trackio_folder / "kdlab.db") as database:
        configs = dict(database.execute("SELECT run_name, config FROM configs"))
        for result in outcomes:
            assert json.loads(configs[result.folder.name])["_Group"] == "seeds"
            rows = database.execute(
                "SELECT metrics FROM metrics WHERE run_name = ? ORDER BY step", (result.folder.name,)
            )
            assert [json.loads(metrics) for (metrics,) in rows] == log(result)


@pytest.mark.parametrize("moment", ["init", "log", "finish"])
def test_a_tracker_that_fails_is_warned_of_once_and_the_run_ends(moment, wandb, runs):
    def fail(*_, **__):
        raise ConnectionError("no route\nto host")

    setattr(wandb if moment == "init" else wandb.run, moment, fail)
    with pytest.warns(UserWarning, match=r"^tracker wandb failed \(ConnectionError: no route to host\): ") as caught:
        result = run(config_of("kd"), track="wandb")
    assert len(caught) == 1
    assert len(log(result)) == result["epochs"] == TINY["epochs"]


@pytest.mark.parametrize("spec", [None, ModuleSpec("trackio", None)], ids=["nothing", "a folder of that name"])
def test_a_tracker_that_is_not_installed_is_refused_before_anything_trains(spec, runs, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: spec)
    with pytest.raises(Error, match=r"tracker 'trackio' is not installed: pip install 'kdlab\[trackio\]'"):
        run(CONFIG, track="trackio")
    with pytest.raises(Error, match="tracker 'trackio' is not installed"):
        run_all([CONFIG, CONFIG.seeded(1)], workers=2, track="trackio")
    assert not list(runs.iterdir())
