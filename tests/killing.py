"""Runs that are killed in the middle, and what a run comes to."""

import pytest

import kdlab
from kdlab.engine import store


class Kill(BaseException):
    pass


def killed(config, monkeypatch, epoch, moment="log"):
    """Run until the given moment of an epoch, then die as Ctrl-C would: "log", "save", or "within", after a step."""
    name = "save" if moment == "within" else moment
    original = getattr(store.RunFolder, name)

    def die(self, value):
        original(self, value)
        reached = value["epoch"] == epoch and not value.get("within")
        if moment == "within":
            reached = value["epoch"] == epoch - 1 and value["within"]
        if reached and self.config == config:
            raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(store.RunFolder, name, die)
        patch.setattr(store, "WITHIN_SECONDS", 0.0 if moment == "within" else float("inf"))
        with pytest.raises(Kill):
            kdlab.run(config)


def outcome(config, root, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(root))
    result = kdlab.run(config)
    log = result.log().drop(columns=["seconds", "images_per_second"], errors="ignore")
    metrics = {k: v for k, v in result.metrics.items() if k not in ("seconds", "cpu_seconds", "environment")}
    parts = {f"{name}.{k}": v for name, part in result.parts().items() for k, v in part.state_dict().items()}
    return result.network().state_dict() | parts, log, metrics
