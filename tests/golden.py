"""Reference values of official implementations (golden.json) and their inputs, regenerated from NumPy's PCG64."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

ENTRIES = json.loads(Path(__file__).with_name("golden.json").read_text())


def inputs(name: str) -> dict[str, Tensor]:
    """The input tensors of a reference, float64 (or int64), float ones ready to collect gradients."""
    tensors = {}
    for key, spec in ENTRIES[name]["inputs"].items():
        draw = np.random.Generator(np.random.PCG64(spec["seed"]))
        if spec["kind"] == "integers":
            tensors[key] = torch.from_numpy(draw.integers(spec["low"], spec["high"], spec["shape"]))
        elif spec["kind"] == "permutation":
            tensors[key] = torch.from_numpy(draw.permutation(spec["n"])[: spec["shape"][0]])
        else:
            values = draw.standard_normal(spec["shape"]).astype("float32") * np.float32(spec.get("scale", 1))
            tensors[key] = torch.from_numpy(values).double().requires_grad_()
    return tensors


def stages(tensors: dict[str, Tensor], prefix: str) -> list[Tensor]:
    """The tensors called prefix_0, prefix_1, ... in order."""
    return [tensors[key] for key in sorted(tensors) if key.startswith(f"{prefix}_")]


def constants(name: str) -> dict[str, Any]:
    """The constants that the official implementation was called with."""
    return ENTRIES[name]["constants"]


def expected(name: str) -> dict[str, Any]:
    """What it gave: losses, their parts, norms of gradients."""
    return ENTRIES[name]["expected"]


def near(value: Any) -> Any:
    """Equal to 1e-5 relative, the precision of the references."""
    return pytest.approx(value, rel=1e-5, abs=1e-9)


def grad_l2(loss: Tensor, *tensors: Tensor) -> float:
    """L2 norm of the gradient over all `tensors` together."""
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, tensors, retain_graph=True)]).norm().item()


def reaches(loss: Tensor, tensor: Tensor) -> bool:
    """Whether any gradient of `loss` arrives at `tensor`."""
    return torch.autograd.grad(loss, tensor, retain_graph=True, allow_unused=True)[0] is not None


def rand(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers, float64, ready to collect gradients."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()
