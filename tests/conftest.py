"""What several tests need: an empty runs folder that keeps a checkpoint of every epoch, figures closed."""

import sys

import pytest


@pytest.fixture(autouse=True)
def closed_figures():
    """Figures of a test are closed after it: pyplot keeps them otherwise."""
    yield
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close("all")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty runs folder, and a checkpoint after every epoch."""
    from kdlab.engine import store  # here: the process that distributes the tests reads this file too

    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(store, "CHECKPOINT_SHARE", float("inf"))
    return tmp_path
