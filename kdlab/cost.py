"""What a network costs: parameters, multiply-accumulates, and the latency of a single image."""

import time

import torch
from torch.fx.experimental.optimization import fuse
from torch.utils.flop_counter import FlopCounterMode

from .models import Network, evaluating, parameter_count


def macs(net: Network, shape: tuple[int, int, int]) -> int:
    """Multiply-accumulates of convolutions and linear layers for one image (C, H, W)."""
    with evaluating(net) as device, FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, *shape, device=device))
    return counter.get_total_flops() // 2


def latency(
    net: Network, shape: tuple[int, int, int], runs: int = 500, warm_up: int = 50
) -> dict[str, float | str | int]:
    """Milliseconds for one image (C, H, W): median and 90th percentile of `runs` after `warm_up` untimed ones.

    Batch of 1, eval mode, inference mode, batch norms folded into the convolutions, the device waited for after each
    run. Reports the device and torch's number of threads, without which the number means little.
    """
    times = []
    with evaluating(net) as device, torch.inference_mode():
        folded, image = fuse(net), torch.zeros(1, *shape, device=device)
        wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
        for _ in range(warm_up + runs):
            began = time.perf_counter()
            folded(image)
            wait()
            times.append(1e3 * (time.perf_counter() - began))
    median, p90 = torch.tensor(times[warm_up:]).quantile(torch.tensor([0.5, 0.9])).tolist()
    return {"median_ms": median, "p90_ms": p90, "device": str(device), "threads": torch.get_num_threads()}


def report(net: Network, shape: tuple[int, int, int]) -> dict[str, int]:
    """Parameters and multiply-accumulates."""
    return {"parameters": parameter_count(net), "macs": macs(net, shape)}
