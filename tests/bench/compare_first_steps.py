"""Are SimCLR, MoCo and BYOL step by step what lightly's own code computes, from the same weights?

    python tests/bench/compare_first_steps.py FOLDER [--steps 20] [--seed 0]

As `compare_selfsupervised.py`, which says what FOLDER holds, but both codes also start from the same heads and queue
and shuffle the same images, in double precision: rounding grows hundredfold a step at this learning rate. It prints
every loss of both codes and how far they are apart. lightly's MoCo moves its queue after both directions here, as ours
does; its BYOL is minus the cosine, ours 1 minus it.
"""

import argparse
from functools import partial

import torch
from compare_selfsupervised import EPOCHS, LIGHTLYS, LR, WEIGHT_DECAY, config
from torch import Tensor

from kdlab import assemble

CONSTANT = {"byol": 1.0}
SYSTEMS = {"simclr": "simclr", "moco": "moco, queue moved once", "byol": "byol"}


def losses(system: str, code: str, folder: str, steps: int, seed: int) -> Tensor:
    """The losses of `steps` steps (steps,)."""
    settings = config(system, folder, seed, EPOCHS * steps)
    setup = assemble(settings)
    method = setup.method.double().train()
    if code == "kdlab":
        parameters, loss = method.parameters(), lambda *x: method(batch._replace(x=torch.stack(x)), 0.0)[0]
    else:
        head, loss = LIGHTLYS[SYSTEMS[system]](method, equal=True)
        parameters = [*method.model.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, LR, momentum=0.9, weight_decay=WEIGHT_DECAY)
    rows = []
    for step, batch in enumerate(setup.batches.epoch(seed, 0)):
        torch.manual_seed(step)  # of MoCo's shuffling
        value = loss(*batch.x.double())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if code == "kdlab":
            method.after_step(0.0)
        rows.append(value.detach())
    return torch.stack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    for system in SYSTEMS:
        measure = partial(losses, system, folder=given.folder, steps=given.steps, seed=given.seed)
        ours, theirs = measure(code="kdlab") - CONSTANT.get(system, 0.0), measure(code="lightly")
        for step, (one, other) in enumerate(zip(ours.tolist(), theirs.tolist(), strict=True)):
            print(f"{system:8} step {step:3}  kdlab {one:.9f}  lightly {other:.9f}  {abs(one - other):.1e}", flush=True)


if __name__ == "__main__":
    main()
