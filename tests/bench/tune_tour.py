"""How the tour's learning rates were chosen: the same grid for every system, on validation images, on other seeds.

    python tests/bench/tune_tour.py       writes figures/data/tour_tuning.csv (about 10 minutes on two cores)

The tour has 2 labels a class and cannot afford a validation set of its own; its settings are therefore fixed here, on
the seeds 100 to 102, whose labelled and validation images are not those of the tour's seeds. Test accuracies are not
looked at. Later stages stand on the earlier stages' choice.
"""

import pandas as pd

from kdlab import Config, run_seeds
from kdlab.plots import save_table

SEEDS, GRID = (100, 101, 102), (1e-3, 2e-3, 4e-3, 8e-3)
COMMON = {"dataset": "digits", "size": 10, "labels": 20, "steps": 10, "evaluate_every": 100, "width": 0.25}
rows = []


def tune(system: str, metric: str, grid=GRID, **fields) -> Config:
    """The Config with the best mean validation score."""
    candidates = [Config(**COMMON, **fields, lr=lr) for lr in grid]
    scores = []
    for config in candidates:
        values = [result[metric] for result in run_seeds(config, SEEDS)]
        scores.append(sum(values) / len(values))
        rows.append(
            {
                "system": system,
                "lr": config.lr,
                "metric": metric,
                "mean": scores[-1],
                "seeds": " ".join(map(str, SEEDS)),
            }
        )
        print(rows[-1], flush=True)
    return candidates[scores.index(max(scores))]


teacher = {"model": "resnet18"}
student = {"model": "litenet_dsc", "epochs": 30}
ssl = tune("SimCLR", "val/knn", method="simclr", epochs=20, batch=128, weight_decay=1e-3, **teacher)
tuned = tune(
    "teacher, SimCLR + fine-tuning", "val/accuracy", (2.5e-4, 5e-4, 1e-3), init=ssl, epochs=10, head_lr=10, **teacher
)
supervised = tune("teacher, labels only", "val/accuracy", batch=128, epochs=45, **teacher)
tune("student, labels only", "val/accuracy", batch=128, **student)
for name, source in (("SimCLR teacher", tuned), ("supervised teacher", supervised)):
    tune(f"student of the {name}", "val/accuracy", method="litenet_ssd", teacher=source, batch=16, **student)
save_table(pd.DataFrame(rows).set_index("system"), "tour_tuning")
