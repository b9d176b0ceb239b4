"""What several tests need: an empty runs folder that keeps a checkpoint of every epoch."""

import pytest

from kdlab.engine import store


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty runs folder, and a checkpoint after every epoch."""
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(store, "CHECKPOINT_SHARE", float("inf"))
    return tmp_path
