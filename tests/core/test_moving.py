"""Tensors move in one piece, and come as they left."""

import torch
from fake_gpu import DEVICE, FakeGPU

from kdlab.core.moving import all_to_device, to_device, to_host
from kdlab.models import Features


def test_everything_comes_as_it_left_and_the_host_waits_once():
    draw = torch.Generator().manual_seed(0)
    tensors = [
        torch.randint(0, 2, (3,), generator=draw).bool(),
        torch.randn(2, 3, 4, 5, generator=draw).to(memory_format=torch.channels_last),
        torch.tensor(7),
        torch.randn(3, 5, generator=draw).half().T,
        torch.randn(6, generator=draw).expand(4, 6),
        torch.empty(0, 3),
        torch.randn(9, generator=draw)[1::2].requires_grad_(),
    ]
    with FakeGPU() as gpu:
        (packed, same), *_ = all_to_device(((tensors[:-1], "as it is"), {}), DEVICE)
        assert not gpu.waits and same == "as it is" and all_to_device(tensors, torch.device("cpu")) is tensors
        assert gpu.calls["_to_copy"] == 1 and all(x.device == DEVICE for x in packed)
        assert all(torch.equal(x.cpu(), y) and x.dtype == y.dtype for x, y in zip(packed, tensors, strict=False))
        gpu.waits.clear()
        away = [to_device(x, DEVICE) for x in tensors]
        assert not gpu.waits and all(x.device == DEVICE for x in away)
        assert not to_device(tensors[1], "cpu").is_pinned()
        host = torch.ones(2)
        tree = {
            "a": away[:3],
            "b": (away[3], {1: host, "text": "as it is"}),
            "c": Features((), *away[4:6]),
            "d": away[6],
        }
        back = to_host(tree)
        assert sum(gpu.waits.values()) == 1
        assert to_host({"a": [host]})["a"][0] is host and sum(gpu.waits.values()) == 1
    flat = [*back["a"], back["b"][0], *back["c"][1:], back["d"]]
    for x, y in zip(tensors, flat, strict=True):
        assert torch.equal(x, y) and x.dtype == y.dtype and type(y) is torch.Tensor and not y.requires_grad
    assert back["a"][1].is_contiguous(memory_format=torch.channels_last) and flat[3].stride() == tensors[3].stride()
    assert back["b"][1][1] is host and back["b"][1]["text"] == "as it is"
    assert len({x.untyped_storage().data_ptr() for x in flat if x.numel()}) == 6, "a file may hold each by itself"
