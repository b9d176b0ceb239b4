"""Test accuracy by epoch: logged and reported, and nothing else is changed by it."""

import pytest
import torch
from making import TINY, config_of
from safetensors.torch import load_file

from kdlab import Config, run
from kdlab.engine import run as experiment
from kdlab.engine.identity import hash_of, identity
from kdlab.engine.run import tracked
from kdlab.experiment.setup import chain_images
from kdlab.studies.evidence import row

TRACKED = Config(**TINY, track_test=True)
COLUMNS = {
    f"track/{name}/{which}" for name in ("accuracy", "top5", "epoch") for which in ("last", "best_val", "best_test")
}


def test_by_hand():
    log = [
        {"epoch": 1, "track/accuracy": 50.0, "track/top5": 90.0, "val/accuracy": 40.0},
        {"epoch": 2, "track/accuracy": 60.0, "track/top5": 80.0},
        {"epoch": 3, "track/accuracy": 60.0, "track/top5": 95.0, "val/accuracy": 45.0},
        {"epoch": 4, "track/accuracy": 55.0, "track/top5": 85.0, "val/accuracy": 45.0},
    ]
    assert tracked(log) == {
        "track/accuracy/last": 55.0,
        "track/accuracy/best_test": 60.0,
        "track/accuracy/best_val": 60.0,
        "track/top5/last": 85.0,
        "track/top5/best_test": 80.0,
        "track/top5/best_val": 95.0,
        "track/epoch/last": 4,
        "track/epoch/best_test": 2,
        "track/epoch/best_val": 3,
    }
    without = [{name: value for name, value in line.items() if not name.startswith("val/")} for line in log]
    assert set(tracked(without)) == {column for column in COLUMNS if "best_val" not in column}
    assert tracked([]) == tracked([{"epoch": 1, "val/accuracy": 3.0}]) == {}


def test_a_run_that_is_tracked_is_the_same_run(runs):
    plain, tracked = run(Config(**TINY)), run(TRACKED)
    log = tracked.log()
    assert {"track/accuracy", "track/top5"} <= set(log) and log["track/accuracy"].notna().all()
    assert set(tracked.metrics) - set(plain.metrics) == COLUMNS and not any(c.startswith("track") for c in plain.log())
    assert tracked["track/accuracy/last"] == tracked["test/accuracy"] == plain["test/accuracy"]
    assert tracked["track/top5/last"] == tracked["test/top5"]
    assert tracked["track/accuracy/best_test"] == log["track/accuracy"].max()
    assert tracked["track/accuracy"]["best_val"] == log["track/accuracy"][log["val/accuracy"].argmax()]
    ours, theirs = (load_file(result.folder / "weights.safetensors") for result in (plain, tracked))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert set(row("a", tracked)) - set(row("a", plain)) == COLUMNS


def test_at_its_default_it_changes_no_identity():
    about = identity(Config(**TINY), chain_images(TRACKED))
    assert "track_test" not in about["config"]
    assert hash_of(about) != hash_of(identity(TRACKED, chain_images(TRACKED)))


@pytest.mark.parametrize("method", ["simclr", "sskd_head"])
def test_nothing_is_tracked_where_no_classifier_learns(method, runs):
    result = run(config_of(method, track_test=True, epochs=1))
    assert not any(column.startswith("track") for column in [*result.metrics, *result.log()])


def test_early_stopping_restores_what_validation_chose(runs):
    result = run(TRACKED.replace(patience=1, epochs=6))
    assert result["test/accuracy"] == result["track/accuracy/best_val"]
    assert result["track/epoch/best_val"] == result["best_epoch"]


def test_a_run_that_was_stopped_tells_the_same(runs, monkeypatch, tmp_path):
    whole = run(TRACKED)
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "again"))
    original = experiment.track

    def stop(epoch, setup):
        if epoch == 2:
            raise KeyboardInterrupt
        return original(epoch, setup)

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "track", stop)
        with pytest.raises(KeyboardInterrupt):
            run(TRACKED)
    again = run(TRACKED)
    assert {c: again[c] for c in COLUMNS} == {c: whole[c] for c in COLUMNS}


def test_the_presets_stages_are_tracked_too():
    config = Config(method="sskd", preset="paper", track_test=True)
    assert config.track_test and config.teacher.track_test and config.teacher.init.track_test
