"""What a step of LSSKD costs over the forward and backward passes that it cannot do without.

    python tests/bench/bench_lsskd.py [width]     ratio of CPU times, one thread, interleaved rounds, medians

Both sides put four rotations of 16 images of 32 x 32 pixels through ResNet-20 and its three branches, forward and
backward. LSSKD adds its four terms with softened targets of 100 classes and 400 joint labels, and its tables.
"""

import sys
import time
from statistics import median

import torch

from kdlab.data import Batch
from kdlab.data.augment import ops
from kdlab.methods import METHODS
from kdlab.methods.common.layered import through
from kdlab.models import build

torch.set_num_threads(1)
WIDTH, BATCH, SAMPLES, ROUNDS = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, 16, 50_000, 15

method = METHODS["lsskd"](
    build("resnet20", 100, 3, WIDTH), labels=torch.zeros(SAMPLES).long(), batch=BATCH, epochs=4
).train()
method.to(memory_format=torch.channels_last)
x, y = torch.randn(1, BATCH, 3, 32, 32), torch.randint(100, (BATCH,))
# Heads of no use: a gradient of ones reaches every logit, as every term of the loss does
ones = [torch.ones(BATCH * 4, n) for n in (100, 400, 400, 400)]


def bare():
    features = method.model.features(ops.rotations(x[0]))
    logits = [features.logits, *(out.logits for out in through(method.branches, features))]
    torch.autograd.backward(logits, ones)


def step():
    batch = Batch(x, y, *[torch.randperm(SAMPLES)[:BATCH]] * 2)
    loss, _ = method(batch, 0.5)
    loss.backward()
    method.after_step(0.5)


def seconds(function):
    method.zero_grad()
    began = time.process_time()
    function()
    return time.process_time() - began


seconds(bare), seconds(step)
rounds = [(seconds(bare), seconds(step)) for _ in range(ROUNDS)]
ratios = [s / b for b, s in rounds]
print(
    f"bare {1e3 * median(b for b, _ in rounds):.0f} ms   LSSKD {1e3 * median(s for _, s in rounds):.0f} ms   "
    f"ratio {median(ratios):.3f} [{min(ratios):.3f}-{max(ratios):.3f}]"
)
