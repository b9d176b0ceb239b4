"""What CRD costs over KD: time of a step, and memory.

    python tests/bench/bench_crd.py      WRN-40-2 teaches WRN-16-2, batch 64, 50,000 images, 4,096 negatives

Each method runs in a process of its own, one thread; CPU time, rounds interleaved by the parent, medians; memory is the
difference of the two processes' peaks.
"""

import resource
import subprocess
import sys
import time
from statistics import median

import torch

ROUNDS = 5


def serve(key: str) -> None:
    """Take one step for every line on stdin and answer with its CPU seconds; at the end with the peak memory in MB."""
    from kdlab.data import Batch
    from kdlab.methods import METHODS
    from kdlab.models import build

    torch.set_num_threads(1)
    torch.manual_seed(0)
    labels = torch.arange(50_000) % 100
    method = METHODS[key](build("wrn_16_2", 100), build("wrn_40_2", 100), labels=labels, batch=64).train()
    for module in (method, method.teacher):
        module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], 0.05, momentum=0.9)
    x = torch.randn(1, 64, 3, 32, 32)
    for line in sys.stdin:
        if line == "peak\n":
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)
            continue
        index = torch.randperm(50_000)[:64]
        began = time.process_time()
        loss, _ = method(Batch(x, labels[index], index, index), 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step(0.5)
        print(time.process_time() - began, flush=True)


if len(sys.argv) > 1:
    serve(sys.argv[1])
else:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    servers = {key: subprocess.Popen([sys.executable, __file__, key], **pipes) for key in ("kd", "crd")}

    def ask(key: str, what: str) -> float:
        servers[key].stdin.write(f"{what}\n")
        servers[key].stdin.flush()
        return float(servers[key].stdout.readline())

    for key in servers:
        ask(key, "step")
    rounds = [(ask("kd", "step"), ask("crd", "step")) for _ in range(ROUNDS)]
    peak = {key: ask(key, "peak") for key in servers}
    for server in servers.values():
        server.stdin.close()
        server.wait()
    ratios = [crd / kd for kd, crd in rounds]
    print(
        f"KD {median(k for k, _ in rounds):.2f} s   CRD {median(c for _, c in rounds):.2f} s   "
        f"ratio {median(ratios):.3f} [{min(ratios):.3f}-{max(ratios):.3f}]   "
        f"extra memory {peak['crd'] - peak['kd']:.0f} MB"
    )
