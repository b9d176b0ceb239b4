"""What several tests need: an empty runs folder that keeps a checkpoint of every epoch."""

import pytest


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty runs folder, and a checkpoint after every epoch."""
    from kdlab.engine import store  # here: the process that distributes the tests reads this file too

    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(store, "CHECKPOINT_SHARE", float("inf"))
    return tmp_path
