"""Many runs as one graph: stages once, rows as one after another, failures and deaths that stop nothing else."""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from importlib import import_module

import pytest
from making import TEACHER, TINY

import kdlab
from kdlab import Config, Error, run
from kdlab.engine import cluster, store, sweep, worker
from kdlab.engine.housekeeping import free, garbage
from kdlab.engine.lock import RunLock
from kdlab.engine.store import RunFolder
from kdlab.engine.sweep import Failed, results_of, run_all
from kdlab.experiment.setup import chain_images

STUDENTS = [Config(method=name, teacher=TEACHER, **TINY) for name in ("kd", "at")]
DIVERGES = Config(**{**TINY, "lr": 1e20})
TIMES = ("seconds", "cpu_seconds")


def numbers(result):
    return {name: value for name, value in result.metrics.items() if name not in TIMES}


def test_workers_give_the_numbers_of_one_process_in_order(runs, tmp_path, monkeypatch):
    configs = [config.seeded(seed) for seed in range(2) for config in [*STUDENTS, DIVERGES]]
    outcomes = []
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "several"))
    several = run_all(configs, workers=2, each=lambda index, outcome: outcomes.append((index, outcome)))
    assert [index for index, _ in outcomes] == list(range(6)) and [each for _, each in outcomes] == several
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "one"))
    single = run_all(configs, workers=1)
    for some, one in zip(several, single, strict=True):
        assert some == one if isinstance(one, Failed) else numbers(some) == numbers(one)
    assert [type(each) for each in single] == [kdlab.Result, kdlab.Result, Failed] * 2
    for root in ("several", "one"):
        assert len(list((tmp_path / root).glob("digits-resnet18-supervised-*"))) == 2, "a teacher is trained once"
        assert not list((tmp_path / root).glob(".*")), "nothing is left"


def test_what_stands_on_a_failed_run_fails_and_the_others_go_on(runs):
    above = Config(method="kd", teacher=DIVERGES, **TINY)
    outcomes = run_all([above, STUDENTS[0], Config(**{**TINY, "labels": 5000})], workers=1)
    assert "its teacher run (supervised litenet_dsc seed 0) failed: the loss term ce became nan" in outcomes[0].message
    assert isinstance(outcomes[1], kdlab.Result)
    assert "more than the 1,080 training images" in outcomes[2].message
    with pytest.raises(Error, match=r"2 of 3 runs failed, the others are stored: kd litenet_dsc seed 0 .*again"):
        results_of(outcomes)


@pytest.mark.parametrize("config", [*STUDENTS, Config(dataset="folder:/a b", labels=1.0, milestones=(0.5,), hp={})])
def test_the_command_of_a_run_is_read_as_that_run(config):
    import shlex

    from kdlab.core.settings import parse

    assert Config(**parse(shlex.split(sweep.command(config))[2:])) == config


def test_what_a_notebook_defined_is_refused_before_anything_starts(runs, monkeypatch):
    method = type("Own", (kdlab.METHODS["supervised"],), {"__module__": "__main__"})
    monkeypatch.setitem(kdlab.METHODS, "own", method)
    configs = [Config(method="own", **TINY).seeded(seed) for seed in range(2)]
    with pytest.raises(Error, match="'own' is defined in this notebook or script.*run with workers=1"):
        run_all(configs, workers=2)


# What goes wrong on the way. A module of one's own, whose method ends its worker, or waits, after the second epoch

OWN = """
import os, signal, time
from pathlib import Path
from kdlab import METHODS
from kdlab.engine import store
FILE = __file__
store.CHECKPOINT_SECONDS, store.CHECKPOINT_SHARE = 0.0, float("inf")

class Supervised(METHODS["supervised"]):
    '''A supervised run, and what a test makes of it.'''
    def after_epoch(self, progress):
        folder = Path(FILE).parent
        epochs = (folder / "epochs").read_text() if (folder / "epochs").exists() else ""
        (folder / "epochs").write_text(f"{epochs} {round(3 * progress)}")
        if progress > 0.5 and (folder / "kill").exists():
            (folder / "kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        while progress > 0.5 and (folder / "wait").exists():
            time.sleep(0.1)

METHODS["own_supervised"] = Supervised
"""


@pytest.fixture
def trial(runs, tmp_path_factory, monkeypatch):
    """A folder with that module, whose files say what its method does, and its run."""
    folder = tmp_path_factory.mktemp("trial")
    (folder / "own_supervised.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "own_supervised", raising=False)
    import_module("own_supervised")
    yield folder, Config(method="own_supervised", **TINY)
    del kdlab.METHODS["own_supervised"]


def until(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def test_a_killed_worker_is_replaced_and_its_run_goes_on(trial, tmp_path, monkeypatch):
    folder, config = trial
    expected = numbers(kdlab.run(config))
    (folder / "epochs").unlink()
    (folder / "kill").touch()
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "killed"))
    results = results_of(run_all([config, Config(**TINY)], workers=2))
    assert (folder / "epochs").read_text() == " 1 2 2 3", "from the checkpoint after the first epoch"
    assert numbers(results[0]) == expected and not list((tmp_path / "killed").glob(".*"))


def test_workers_that_cannot_start_are_an_error_that_says_why(runs, monkeypatch):
    monkeypatch.setattr(cluster, "DEATHS", 0)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Error, match="worker processes end as soon as they start: they say nothing"):
        run_all([Config(**{**TINY, "lr": lr}) for lr in (1e-3, 2e-3)], workers=2)


def test_what_a_killed_sweep_leaves_is_garbage(runs):
    lock = RunLock(runs / f"sweep-{os.urandom(6).hex()}")
    with lock.hold():
        assert not list(garbage([], runs))
    lock.file.touch()
    lock.name.touch()
    for path, why in garbage([], runs):
        assert why == "of a process that was killed"
        free(path)
    assert not list(runs.glob(".*"))


def test_a_run_that_was_stopped_writes_checkpoints_more_often(runs, monkeypatch):
    for name in ("CHECKPOINT_SECONDS", "WITHIN_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(store, name, float(name != "AGAIN_SECONDS") * 1000)
    folders = [RunFolder(Config(**TINY), chain_images(Config(**TINY))) for _ in range(2)]
    for folder in folders:
        folder.open()
    assert [[folder.due(within) for within in (False, True)] for folder in folders] == [[False] * 2, [True] * 2]


def test_what_another_process_trains_is_left_to_it_while_others_are_trained(runs):
    configs = [Config(**{**TINY, "lr": lr}) for lr in (1e-3, 2e-3)]
    other = RunFolder(configs[1], chain_images(configs[1]))
    with ExitStack() as stack:
        stack.enter_context(other.lock.hold())
        results = results_of(run_all(configs, workers=2, each=lambda *_: stack.close()))
    assert [each.config for each in results] == configs


def test_this_process_too_trains_others_first(runs, monkeypatch):
    configs, trained = [Config(**{**TINY, "lr": lr}) for lr in (1e-3, 2e-3)], []
    other = RunFolder(configs[0], chain_images(configs[0]))
    with ExitStack() as stack:
        stack.enter_context(other.lock.hold())

        def recorded(config, **options):
            trained.append(config)
            if config == configs[0]:
                stack.close()
            return run(config, **options)

        monkeypatch.setattr(cluster, "run", recorded)
        results = results_of(run_all(configs, workers=1))
    assert trained == configs[::-1] and [each.config for each in results] == configs


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_holds_no_runs_is_refused_once(workers, runs, monkeypatch):
    runs.joinpath("file").touch()
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "file"))
    with pytest.raises(Error, match=r"file cannot hold runs \(it is no folder\): set KDLAB_RUNS"):
        run_all([Config(**{**TINY, "seed": seed}) for seed in range(3)], workers=workers)


@pytest.fixture
def dask(runs, tmp_path):
    """A scheduler and a worker of their own, as on a cluster; functions start them."""
    file, processes = tmp_path / "scheduler.json", []

    def start(kind, *options, **variables):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", file, "--no-dashboard"]
        processes.append(
            subprocess.Popen([*command, *options], env={**os.environ, **variables}, stderr=subprocess.DEVNULL)
        )
        until(file.exists)
        return processes[-1]

    yield str(file), start
    for process in processes:
        process.kill()
        process.wait()


def test_a_running_cluster_trains_and_a_dead_scheduler_loses_nothing(dask, trial, tmp_path):
    (file, start), (folder, config) = dask, trial
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
    start("worker", "--no-nanny", "--nthreads", "1", PYTHONPATH=f"{folder}:{kdlab.__path__[0]}/..")
    (folder / "wait").touch()
    killing = threading.Thread(target=lambda: (until((folder / "epochs").exists), scheduler.kill()))
    killing.start()
    with pytest.raises(Error, match="the scheduler at .* is gone: what was trained is kept, and the same call goes on"):
        run_all([config], scheduler=file)
    killing.join()
    assert not list(tmp_path.glob(".sweep-*")) and RunFolder(config, chain_images(config)).result() is None
    (folder / "wait").unlink()
    (result,) = results_of(run_all([config], workers=1))
    assert result["epochs"] == 3


def test_a_worker_with_another_runs_folder_is_refused(runs, tmp_path):
    task = Config(**TINY).model_dump_json(), "0", str(tmp_path / "gone" / ".sweep-1"), []
    assert worker.train(*task)[0].startswith(f"the runs folder of its worker, {tmp_path}, is another one")
    (tmp_path / ".sweep-1").touch()
    assert "another version of kdlab" in worker.train(*task)[0], "its own folder is that of the client"


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "there is no scheduler file"),
        ("", "is no scheduler file"),
        ('{"addr', "is no scheduler file"),
        ("[1]", "names no dask scheduler"),
        ("{}", "names no dask scheduler"),
        ('{"address": 3}', "names no dask scheduler"),
        ('{"address": "nowhere"}', "names no dask scheduler"),
        ('{"address": "foo://x"}', "no dask scheduler answers at .*scheduler.json"),
        ('{"address": "tls://127.0.0.1:1"}', "no dask scheduler answers at .*scheduler.json"),
        ('{"address": "tcp://127.0.0.1:1"}', "no dask scheduler answers at .*scheduler.json"),
    ],
)
def test_a_scheduler_file_that_leads_nowhere_is_one_sentence(runs, monkeypatch, content, message):
    monkeypatch.setattr(cluster, "FILE_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0.5)
    file = runs / "scheduler.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Error, match=message):
        run_all([Config(**TINY)], scheduler=str(file))
    assert not list(runs.glob(".sweep-*"))


def test_a_scheduler_file_that_is_still_written_is_waited_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "PAUSE", 0.01)
    file = tmp_path / "scheduler.json"
    contents = iter(["", '{"address"', '{"address": "tcp://127.0.0.1:8786"}'])
    monkeypatch.setattr(cluster.time, "sleep", lambda _: file.write_text(next(contents)))
    assert cluster.address_of(str(file)) == "tcp://127.0.0.1:8786" and not list(contents)
    assert capsys.readouterr().err == f"kdlab: waits up to 60 s for the scheduler file {file}\n"
