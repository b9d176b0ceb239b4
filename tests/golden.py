"""Reference values of official implementations (golden.json) and their inputs, regenerated from NumPy's PCG64."""

import json
from pathlib import Path

import numpy as np
import torch

ENTRIES = json.loads(Path(__file__).with_name("golden.json").read_text())


def inputs(name: str) -> dict[str, torch.Tensor]:
    """The input tensors of a reference, float64 (or int64), float ones ready to collect gradients."""
    tensors = {}
    for key, spec in ENTRIES[name]["inputs"].items():
        draw = np.random.Generator(np.random.PCG64(spec["seed"]))
        if spec["kind"] == "integers":
            tensors[key] = torch.from_numpy(draw.integers(spec["low"], spec["high"], spec["shape"]))
        else:
            values = draw.standard_normal(spec["shape"]).astype("float32") * np.float32(spec.get("scale", 1))
            tensors[key] = torch.from_numpy(values).double().requires_grad_()
    return tensors


def expected(name: str) -> dict:
    return ENTRIES[name]["expected"]
