"""Two processes that share each batch compute what one does."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest
import torch
from killing import killed, outcome
from making import TINY, config_of

import kdlab
from kdlab import METHODS, Config, assemble
from kdlab.core.errors import Error
from kdlab.engine import devices, store
from kdlab.engine.devices import Team
from kdlab.methods import Supervised

STEPS = 2
MOCO = {"queue": 40, "splits": 2}
CASES = {
    **{key: {} for key in ("supervised", "simclr", "moco", "byol", "kd", "crd", "rkd", "lsskd")},
    **{key: {} for key in ("seed_kd", "compress", "simreg")},  # queues of the whole batch, a slow copy, a head
    "litenet_ssd": {"hp": {"pseudo_from": "ema"}},  # several passes, in both modes
    "ab_init": {},  # maps before the last ReLU
    "fsp_init": {},  # the stem apart from the rest
    "pskd": {"cutmix": 0.9, "student": "efficientnet_b0"},  # dropout, and blocks that are left out
}


def made(key):
    """A tiny run of a method, in double precision."""
    setup = assemble(config_of(key, **CASES[key], device="cpu"))
    for each in filter(None, (setup.method, setup.method.teacher, *setup.method.teacher_parts.values())):
        each.double()
    return setup


def trained(setup, team=None):
    """The first gradients of a run, and its last state."""
    method, gradients = setup.method.train(), None
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.02)
    torch.manual_seed(5)
    for step, batch in zip(range(STEPS), setup.batches.epoch(0, 0), strict=True):
        with team or nullcontext():
            loss, _ = method(batch._replace(x=batch.x.double()), step / STEPS)
        optimizer.zero_grad()
        loss.backward()
        if team:
            team.average()
        gradients = gradients or {n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None}
        optimizer.step()
        method.after_step(step / STEPS)
    method.after_epoch(1.0)
    return gradients, method.state_dict()


def trained_by_two(key, rank, folder):
    setup = made(key)
    team = Team(setup, rank, 2, Path(folder) / key)
    try:
        return trained(setup, team)
    finally:
        team.leave()


def test_two_halves_of_a_batch_are_worth_the_whole(tmp_path):
    root = Path(__file__).parents[2]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")]), "OMP_NUM_THREADS": "1"}
    half = subprocess.Popen([sys.executable, __file__, str(tmp_path)], env=variables)
    for key in CASES:
        gradients, state = trained(made(key))
        for one, two in zip((gradients, state), trained_by_two(key, 0, tmp_path), strict=True):
            assert one.keys() == two.keys()
            for name in one:
                torch.testing.assert_close(two[name], one[name], rtol=1e-6, atol=1e-8, msg=f"{name} of {key} differs")
    assert half.wait() == 0


def others():
    """The processes that train along with this one."""
    children = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    return [each for each in children if devices.JOIN in each.cmdline()]


def test_a_run_changes_its_number_of_devices_when_a_process_is_gone(runs, monkeypatch):
    config = Config(model="resnet8", labels=200, batch=32, epochs=3, steps=2, optimizer="sgd", lr=0.01)
    two = config.replace(device="cpu", devices=2)
    log = store.RunFolder.log

    def kill(self, line):
        log(self, line)
        for process in others():
            process.kill()

    with monkeypatch.context() as patch:
        patch.setattr(store.RunFolder, "log", kill)
        with pytest.raises(Error, match="the process of device 1 ended .signal 9.: the last checkpoint is kept"):
            kdlab.run(two)
    with pytest.warns(UserWarning, match="devices 2 before, 1 now"):
        killed(config, monkeypatch, 2, "save")
    with pytest.warns(UserWarning, match="devices 1 before, 2 now"):
        result = kdlab.run(two)
    assert result["environment"]["devices"] == 2 and list(result.log().epoch) == [1, 2, 3]
    weights, _, _ = outcome(config, runs / "one device", monkeypatch)
    for name, value in result.network().state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=1e-3, atol=1e-4)
    assert not torch.distributed.is_initialized() and not others()


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"devices": 3}, "devices=3 share each batch equally: batch=8 is no multiple of it"),
        ({"devices": 2, "batch": 10, "method": "moco", "hp": MOCO}, "batch=10 has no 4 equal parts, 2 on each of"),
        ({"devices": 2, "device": "cuda:0"}, "device='cuda:0' is one device: for devices=2 give cpu, cuda or auto"),
        ({"devices": 0}, "devices=0: must be at least 1"),
    ],
)
def test_devices_that_cannot_share_are_refused(fields, message, runs):
    with pytest.raises(Error, match=message):
        kdlab.run(Config(**{**TINY, **fields}))
    assert not list(runs.iterdir())


def test_a_method_of_a_notebook_trains_on_one_device(runs, monkeypatch):
    own = type("Own", (Supervised,), {"__module__": "__main__"})
    monkeypatch.setitem(METHODS, "own", own)
    with pytest.raises(Error, match="the processes of devices=2 do not know 'own'"):
        kdlab.run(Config(**TINY, method="own", devices=2))


def test_what_a_process_says_at_its_end_is_said(runs, monkeypatch):
    monkeypatch.setattr(devices, "JOIN", "import sys; sys.exit('no such thing')")
    with pytest.raises(Error, match="the process of device 1 ended .no such thing."):
        kdlab.run(Config(**TINY, devices=2))


if __name__ == "__main__":
    for case in CASES:
        trained_by_two(case, 1, sys.argv[1])
