"""How the learning rates of notebooks 03 and 04 were chosen: four for every student, on validation images, other seeds.

    python tests/bench/tune_distillation.py       writes figures/data/0[34]_*_tuning.csv (about 8 minutes on two cores)

Seeds 100 to 102, whose labelled and validation images are not those of the notebooks' seeds. Test accuracies are not
looked at. Later stages stand on the earlier stages' choice.
"""

import pandas as pd
import torch

from kdlab import Config, run_seeds
from kdlab.plots import save_table

torch.set_num_threads(1)
SEEDS = (100, 101, 102)
rows = []


def tune(system: str, grid: tuple[float, ...], metric: str = "val/accuracy", **fields) -> Config:
    """The Config with the best mean validation score; the first of equals."""
    candidates = [Config(**fields, lr=lr) for lr in grid]
    scores = []
    for config in candidates:
        scores.append(sum(result[metric] for result in run_seeds(config, SEEDS)) / len(SEEDS))
        seeds = " ".join(map(str, SEEDS))
        rows.append({"system": system, "lr": config.lr, "metric": metric, "mean": scores[-1], "seeds": seeds})
        print(rows[-1], flush=True)
    return candidates[scores.index(max(scores))]


def write(notebook: str) -> None:
    save_table(pd.DataFrame(rows).set_index("system"), f"{notebook}_tuning")
    rows.clear()


GRID = (8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
data = {"dataset": "digits", "labels": 20, "size": 8, "width": 0.25, "steps": 10, "evaluate_every": 1000}
large, small = {**data, "model": "resnet18"}, {**data, "model": "litenet_dsc", "epochs": 13}
ssl = tune("SimCLR", (4e-3, 8e-3), "val/knn", **large, method="simclr", epochs=20, batch=128, weight_decay=1e-3)
teacher = tune("teacher, SimCLR + fine-tuning", (2.5e-4, 5e-4, 1e-3, 2e-3), **large, init=ssl, epochs=8, head_lr=10)
supervised = tune("teacher, labels only", (1e-3, 2e-3, 4e-3, 8e-3), **large, epochs=12)
student = {**small, "method": "litenet_ssd", "batch": 16}
off = {"+ KD on all": ("feature", "consistency", "pseudo"), "+ features": ("consistency", "pseudo"), "LiteNet-SSD": ()}
for name, terms in off.items():
    tune(name, GRID, **student, teacher=teacher, weights=dict.fromkeys(terms, 0))
tune("labels only", GRID, **small, batch=128)
equal = {"ce": 1, "kd": 1}
tune("+ KD on the labelled", GRID, **small, method="kd", teacher=teacher, batch=128, weights=equal)
tune("labels-only teacher", GRID, **student, teacher=supervised)
write("03_distillation")

data = {"dataset": "digits", "size": 8, "steps": 5, "batch": 32}
large = {**data, "model": "resnet20", "width": 1.0, "evaluate_every": 1000}
small = {**data, "method": "scheduled_kd", "model": "resnet8", "width": 0.25, "epochs": 30, "patience": 5}
teacher = tune("teacher, all", (4e-3, 8e-3, 1.6e-2), **large, epochs=25, labels=100)
half = tune("teacher, half", (4e-3, 8e-3, 1.6e-2), **large, epochs=25, labels=50)
ssl = {**large, "method": "simclr", "epochs": 10, "steps": 10, "batch": 64, "weight_decay": 1e-3}
ssl = tune("SimCLR", (8e-3, 1.6e-2), "val/knn", **ssl, labels=100)
tuned = tune("fine-tuning", (1e-3, 2e-3, 4e-3, 8e-3), **large, init=ssl, epochs=15, head_lr=10, labels=100)
variants = {
    "labels only": {"start": 0, "end": 0}, "alpha 0.9 throughout": {"start": 0.9, "end": 0.9, "warmup": 0, "ramp": 0.7},
    "linear": {}, "cosine": {"curve": "cosine"}, "step": {"curve": "step"}, "as released": {"as_released": True},
}  # fmt: skip
for name, hp in variants.items():
    tune(name, GRID, **small, teacher=teacher, labels=100, hp=hp)
for name in ("labels only", "linear"):
    tune(f"{name}, half", GRID, **small, teacher=half, labels=50, hp=variants[name])
tune("of the SSL teacher", GRID, **small, teacher=tuned, labels=100)
write("04_scheduled_distillation")
