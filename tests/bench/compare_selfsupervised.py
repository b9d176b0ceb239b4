"""Do SimCLR, MoCo and BYOL learn as much as lightly's own code does, at equal steps?

    python tests/bench/compare_selfsupervised.py FOLDER [--seeds 0-4] [--steps 300] [--only SYSTEM ...]

FOLDER holds train/ and test/ with CIFAR-10's images (or a copy of them). lightly is no dependency of kdlab: install it
beside it. Each seed gives both codes the same initial network (ResNet-18 at a quarter of its width), batches, views and
learning rates; heads, losses, queue and momentum are each code's own ("equal start": lightly's has our head and queue,
and moves it after both directions, as ours does). Compared is the kNN probe on the test images.
Rows are added to figures/data/ssl_against_lightly.csv; a row that is there is not measured again.
"""

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import heads
from lightly.models.utils import batch_shuffle, batch_unshuffle, deactivate_requires_grad, update_momentum
from torch import Tensor, nn

from kdlab import Config, assemble, evaluate, run
from kdlab.core.schedules import SCHEDULES
from kdlab.data import Images
from kdlab.engine.tables import digits
from kdlab.experiment.setup import Setup, chain_images
from kdlab.methods.moco import split_batch_norm

TABLE = Path(__file__).parents[2] / "figures" / "data" / "ssl_against_lightly.csv"
KEY = ["system", "code", "seed", "steps"]
BATCH, LR, WEIGHT_DECAY, EPOCHS = 256, 0.24, 5e-4, 10
OURS = {  # what the preset "short" of each method takes from lightly, and for SimCLR what it could do instead
    "simclr": {"norm": "all"},
    "simclr, joint views": {"norm": "all", "joint_views": True},
    "simclr, norm hidden": {"norm": "hidden"},
    "simclr, norm hidden, joint views": {"norm": "hidden", "joint_views": True},
    "moco": {"splits": 8, "symmetric": True},
    "moco, queue moved once": {"splits": 8, "symmetric": True},
    "moco, equal start": {"splits": 8, "symmetric": True},
    "byol": {"hidden": 1024, "dim": 256, "tau_end": 0.99},
}
CODES = {
    "simclr": ("kdlab", "lightly"),
    "moco": ("kdlab", "lightly"),
    "byol": ("kdlab", "lightly"),
    "moco, queue moved once": ("lightly",),
    "moco, equal start": ("lightly",),
}
WEIGHTS = {"moco": {"info_nce": 0.5}, "byol": {"byol": 0.25}}  # lightly averages both directions, and takes -cos


def config(system: str, folder: str, seed: int, steps: int) -> Config:
    method = system.partition(",")[0]
    return Config(
        method=method,
        model="resnet18",
        width=0.25,
        dataset=f"folder:{folder}",
        size=32,
        validation=0.0,
        seed=seed,
        augment="lightly",
        epochs=EPOCHS,
        steps=steps // EPOCHS,
        batch=BATCH,
        optimizer="sgd",
        lr=LR,
        momentum=0.9,
        weight_decay=WEIGHT_DECAY,
        schedule="cosine",
        warmup=0.0,
        evaluate_every=1000,
        hp=OURS[system],
        weights=WEIGHTS.get(method, {}),
    )


def started(head: nn.Module, ours: nn.Module | None) -> nn.Module:
    """lightly's head with the weights of ours, if that is given."""
    if ours is not None:
        head.load_state_dict(dict(zip(head.state_dict(), ours.state_dict().values(), strict=True)))
    return head


def simclr(method: nn.Module, equal: bool = False) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    net, width = method.model, method.model.feature_width
    head = started(heads.SimCLRProjectionHead(width, width, 128), method.projector if equal else None)
    criterion = NTXentLoss()

    def loss(first: Tensor, second: Tensor) -> Tensor:
        return criterion(head(net.features(first).pooled), head(net.features(second).pooled))

    return head, loss


def moco(
    method: nn.Module, equal: bool = False, queue_once: bool = False
) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """lightly's benchmark queues the keys of one direction before the other, whose queries then find their own image
    among the negatives; with `queue_once` its loss sees both directions together, and the queue moves after them.
    """
    net, width = method.model, method.model.feature_width
    split_batch_norm(net, 8)
    head = started(heads.MoCoProjectionHead(width, width, 128), method.projector if equal else None)
    criterion = NTXentLoss(0.1, memory_bank_size=(4096, 128))
    if equal:
        criterion.memory_bank.bank = method.queue.T.clone()
    slow_net, slow_head = copy.deepcopy(net), copy.deepcopy(head)
    deactivate_requires_grad(slow_net)
    deactivate_requires_grad(slow_head)

    def direction(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        shuffled, order = batch_shuffle(key)
        keys = batch_unshuffle(slow_head(slow_net.features(shuffled).pooled), order)
        return head(net.features(query).pooled), keys

    def loss(first: Tensor, second: Tensor) -> Tensor:
        update_momentum(net, slow_net, 0.99)
        update_momentum(head, slow_head, 0.99)
        if queue_once:
            queries, keys = zip(direction(first, second), direction(second, first), strict=True)
            return criterion(torch.cat(queries), torch.cat(keys))
        return 0.5 * (criterion(*direction(first, second)) + criterion(*direction(second, first)))

    return head, loss


def byol(method: nn.Module, equal: bool = False) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    net, width = method.model, method.model.feature_width
    head = started(heads.BYOLProjectionHead(width, 1024, 256), method.projector if equal else None)
    predictor = started(heads.BYOLPredictionHead(256, 1024, 256), method.predictor if equal else None)
    criterion, slow_net, slow_head = NegativeCosineSimilarity(), copy.deepcopy(net), copy.deepcopy(head)
    deactivate_requires_grad(slow_net)
    deactivate_requires_grad(slow_head)

    def direction(online: Tensor, target: Tensor) -> Tensor:
        return criterion(
            predictor(head(net.features(online).pooled)), slow_head(slow_net.features(target).pooled).detach()
        )

    def loss(first: Tensor, second: Tensor) -> Tensor:
        update_momentum(net, slow_net, 0.99)
        update_momentum(head, slow_head, 0.99)
        return 0.5 * (direction(first, second) + direction(second, first))

    return nn.ModuleList([head, predictor]), loss


LIGHTLYS = {
    "simclr": simclr,
    "moco": moco,
    "moco, queue moved once": partial(moco, queue_once=True),
    "moco, equal start": partial(moco, equal=True, queue_once=True),
    "byol": byol,
}


def lightlys(setup: Setup, make: Callable) -> float:
    """kNN of the network after lightly's code has trained it on the batches of the run."""
    torch.manual_seed(setup.config.seed)
    net = setup.method.model.train()
    head, loss = make(setup.method)
    optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], LR, momentum=0.9, weight_decay=WEIGHT_DECAY)
    total, step = EPOCHS * setup.batches.steps, 0
    for epoch in range(EPOCHS):
        for batch in setup.batches.epoch(setup.config.seed, epoch):
            for group in optimizer.param_groups:
                group["lr"] = LR * SCHEDULES["cosine"](step / total)
            value = loss(*batch.x)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            step += 1
    return evaluate(setup, "test", ["knn"])["test/knn"]


def measure(system: str, code: str, settings: Config, images: Images) -> float:
    if code == "kdlab":
        return run(settings)["test/knn"]
    return lightlys(assemble(settings, images), LIGHTLYS[system])


def rows() -> pd.DataFrame:
    """What has been measured, by this process or another."""
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=KEY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--only", nargs="*", default=list(OURS))
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    images = chain_images(config("simclr", given.folder, 0, given.steps))
    for seed in range(int(first), int(last or first) + 1):
        for system in given.only:
            for code in CODES.get(system, ("kdlab",)):
                key = [system, code, seed, given.steps]
                if any(list(row) == key for row in rows()[KEY].to_numpy()):
                    continue
                began = time.perf_counter()
                knn = measure(system, code, config(system, given.folder, seed, given.steps), images)
                row = dict(zip(KEY, key, strict=True)) | {
                    "batch": BATCH,
                    "knn": knn,
                    "seconds": round(time.perf_counter() - began),
                    "threads": torch.get_num_threads(),
                }
                pd.concat([rows(), pd.DataFrame([row])]).to_csv(TABLE, index=False, float_format=digits)
                print(row, flush=True)


if __name__ == "__main__":
    main()
