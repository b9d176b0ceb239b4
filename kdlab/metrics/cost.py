"""What a network costs: parameters, multiply-accumulates, latency of one image.

Parameters are memory, multiply-accumulates (MACs, one multiplication and one addition each) are arithmetic, latency is
what a user waits for. They do not follow from each other: on a GPU a single image waits for launches, not for MACs.
"""

import time
from collections.abc import Sequence

import torch
from torch.fx.experimental.optimization import fuse

from ..experiment.device import synchronize
from ..models import Network, evaluating, parameter_count


def macs(net: Network, shape: Sequence[int]) -> int:
    """Count multiply-accumulates of convolutions and linear layers for one image.

    The image is (C, H, W). Batch norms, activations and pooling are not counted.
    """
    from torch.utils.flop_counter import FlopCounterMode  # here: it loads triton

    with evaluating(net) as device, FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, *shape, device=device))
    return counter.get_total_flops() // 2


def latency(net: Network, shape: Sequence[int], runs: int = 500, warm_up: int = 50) -> dict[str, float | str | int]:
    """Time one image (C, H, W): median and 90th percentile of `runs`, in milliseconds.

    `warm_up` untimed ones come first. A batch of 1, eval mode, inference mode, batch norms folded into the
    convolutions, the device waited for after each run. Reports the device and torch's number of threads too, without
    which the numbers mean little.
    """
    times = []
    with evaluating(net) as device, torch.inference_mode():
        folded, image = fuse(net), torch.zeros(1, *shape, device=device)
        for _ in range(warm_up + runs):
            began = time.perf_counter()
            folded(image)
            synchronize(device)
            times.append(1e3 * (time.perf_counter() - began))
    median, p90 = torch.tensor(times[warm_up:]).quantile(torch.tensor([0.5, 0.9])).tolist()
    return {"median_ms": median, "p90_ms": p90, "device": str(device), "threads": torch.get_num_threads()}


def report(net: Network, shape: Sequence[int]) -> dict[str, int]:
    """Count parameters, and multiply-accumulates for one image (C, H, W)."""
    return {"parameters": parameter_count(net), "macs": macs(net, shape)}
