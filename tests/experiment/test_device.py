"""Networks whose gradients oneDNN would get wrong in one memory layout train in the other."""

import os
import subprocess
import sys

import pytest
import torch

import kdlab
from kdlab.experiment import device
from kdlab.experiment.device import device_of, layout, make_fabric
from kdlab.models import build

TINY = {"model": "resnet8", "width": 0.25, "epochs": 1, "steps": 1, "batch": 8}
TRAIN = """
import sys, kdlab
config = kdlab.Config(model="resnet8", epochs=3, steps=3, size=int(sys.argv[1]), evaluate_every=3)
print(kdlab.run(config)["epochs"])
"""


@pytest.mark.parametrize(
    "capability, width, side, format_",
    [
        ("AVX512", 0.25, 32, "channels_last"),
        ("AVX512", 0.25, 64, "contiguous_format"),
        ("AVX512", 1.0, 64, "channels_last"),
        ("AVX512_VNNI", 0.5, 96, "contiguous_format"),
        ("AVX2", 0.25, 8, "contiguous_format"),
        ("AVX2", 0.5, 64, "channels_last"),
        ("DEFAULT", 0.25, 8, "contiguous_format"),
    ],
)
def test_the_layout_of_a_narrow_resnet(capability, width, side, format_, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    net = build("resnet8", 10, 1, width)
    assert layout(net, side, "cpu") is getattr(torch, format_)
    assert layout(net, side, "cuda") is torch.channels_last
    assert layout(build("litenet_dsc", 10, 1, width), side, "cpu") is torch.channels_last, "it has no such shortcut"


@pytest.mark.parametrize("limits, side", [({}, 64), ({"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}, 8)])
def test_a_narrow_resnet_trains_to_the_end(limits, side, tmp_path):
    environment = {**os.environ, "KDLAB_RUNS": str(tmp_path), "OMP_NUM_THREADS": "1", "KDLAB_PROGRESS": "0", **limits}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(side)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "3", done.stderr[-500:]


@pytest.fixture
def three_processors(monkeypatch):
    """A machine whose user has not chosen a number of threads."""
    before = torch.get_num_threads()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(device, "processors", lambda: 3)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_small_steps_take_one_thread_and_large_ones_all(three_processors, runs, monkeypatch):
    small, threads = kdlab.Config(**TINY), []
    assert kdlab.run(small)["environment"]["threads"] == 1
    kdlab.watch(small, lambda setup: threads.append(torch.get_num_threads()))
    assert threads == [1, 1] and torch.get_num_threads() == 3
    monkeypatch.setattr(device, "SMALL", 1e3)
    assert kdlab.run(small, fresh=True)["environment"]["threads"] == 3


def test_a_number_of_threads_that_somebody_chose_stays(three_processors, monkeypatch):
    torch.set_num_threads(4)
    with device.fitting_threads(lambda: 0):
        assert torch.get_num_threads() == 4
    torch.set_num_threads(3)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with device.fitting_threads(lambda: 0):
        assert torch.get_num_threads() == 3


@pytest.mark.parametrize("name", ["auto", "cpu", *(["cuda", "cuda:0"] if torch.cuda.is_available() else [])])
def test_the_device_of_a_config_is_that_of_its_fabric(name):
    from lightning_fabric import Fabric

    config = kdlab.Config(device=name)
    assert device_of(config) == make_fabric(config).device
    assert name != "auto" or device_of(config) == Fabric(accelerator="auto", devices=1).device


@pytest.mark.parametrize(
    "mps, cuda, best", [(True, True, "mps:0"), (True, False, "mps:0"), (False, True, "cuda:0"), (False, False, "cpu")]
)
def test_auto_takes_the_best_device_that_is_there(mps, cuda, best, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    assert str(device_of(kdlab.Config(device="auto"))) == best
    for name, there in {"cpu": True, "mps": mps, "cuda": cuda, "cuda:0": cuda, "cuda:1": False}.items():
        if there:
            assert device_of(kdlab.Config(device=name)).type == name.partition(":")[0]
        else:
            with pytest.raises(kdlab.Error, match=f"'{name}' is not there"):
                device_of(kdlab.Config(device=name))
