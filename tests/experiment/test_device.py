"""Networks whose gradients oneDNN would get wrong in one memory layout train in the other."""

import os
import subprocess
import sys

import pytest
import torch

from kdlab.experiment.device import layout
from kdlab.models import build

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
