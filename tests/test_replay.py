"""Watching a run trains the same bits again and changes nothing."""

import torch

from kdlab import Config, run
from kdlab.replay import watch

TEACHER = Config(model="litenet_dsc", width=0.125, size=8, labels=20, epochs=1, steps=2)
STUDENT = TEACHER.replace(method="litenet_ssd", teacher=TEACHER, epochs=3, batch=10)


def weights(method, data, normalise):
    assert not method.training and not torch.is_grad_enabled() and len(data.truth) == len(data.x)
    return {name: tensor.clone() for name, tensor in method.model.state_dict().items()}


def test_the_last_look_is_at_the_weights_of_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    seen = watch(STUDENT, weights)
    assert len(seen) == 4 and [p.name for p in tmp_path.iterdir() if "litenet_ssd" in p.name] == []
    stored = run(STUDENT).network().state_dict()
    assert all(torch.equal(stored[name], tensor) for name, tensor in seen[-1].items())
    assert any(not torch.equal(seen[0][name], tensor) for name, tensor in seen[-1].items())


def test_early_stopping_does_not_shorten_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    assert len(watch(TEACHER.replace(epochs=4, patience=1, evaluate_every=2), lambda *_: None)) == 5
