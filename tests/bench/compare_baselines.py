"""Every way of learning from a teacher, on digits, under one tuning budget: the numbers of notebook 03's comparison.

    python tests/bench/compare_baselines.py      writes figures/data/03_baselines.csv and 03_baselines_tuning.csv

One pair (ResNet-18 teaches LiteNet-DSC, both at a quarter of their width, 10 x 10 pixels, 200 labels) and one budget:
200 steps of 64 labelled images for every student, published weights, and seven learning rates, of which each method
gets the best by validation accuracy on the seeds 100 to 102. Test accuracies are those of seeds 0 to 2, the last epoch.
What a method needs before the student (a first phase, a head, branches) is trained for 100 steps more. About 45 minutes
on one core; finished runs are kept, so it can be stopped and started again.
"""

import pandas as pd
import torch

from kdlab import METHODS, Config, report, run_seeds
from kdlab.catalogue import pipeline
from kdlab.plots import save_table

torch.set_num_threads(1)
TUNING, TEST, GRID = (100, 101, 102), (0, 1, 2), (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128)
COMMON = {"size": 10, "labels": 200, "width": 0.25, "steps": 10, "batch": 64, "evaluate_every": 1000}
STUDENT = {**COMMON, "model": "litenet_dsc", "epochs": 20}
TEACHER = {**COMMON, "model": "resnet18", "epochs": 30, "lr": 4e-3}
FIRST = {"epochs": 10, "lr": 4e-3}
LEFT_OUT = {
    "fsp": "needs equal channels in every stage, this pair has others",
    "litenet_ssd": "learns from the unlabelled images too",
    "tfkd_self": "is KD from a teacher of the same kind",
    "scheduled_kd": "is KD with a schedule, see notebook 04",
}


def student(key: str, **fields) -> Config:
    """The student of a method with whatever it stands on."""
    config = pipeline(key, STUDENT, TEACHER, **fields)
    stages = {"init": config.init} if config.init else {}  # a first phase
    if config.teacher is not None and config.teacher.init is not None:
        stages["teacher"] = config.teacher  # which got a head or branches
    return config.replace(**{role: stage.replace(**FIRST) for role, stage in stages.items()})


def rivals() -> list[str]:
    """Methods whose student learns from a teacher and ends with a trained classifier."""
    taught = [k for k, m in METHODS.items() if m.needs_teacher or m.first_phase]
    return [k for k in taught if METHODS[k].trains_head and k not in LEFT_OUT]


def mean(results: list, metric: str) -> float:
    return report.interval([result[metric] for result in results])[0]


if __name__ == "__main__":
    tuning, rows = [], []
    for key in ["supervised", *rivals()]:
        candidates = [student(key, lr=lr) for lr in GRID]
        scores = [mean(run_seeds(config, TUNING), "val/accuracy") for config in candidates]
        tuning += [{"method": key, "lr": c.lr, "val/accuracy": s} for c, s in zip(candidates, scores, strict=True)]
        best = candidates[scores.index(max(scores))]
        rows += [
            {"method": key, "lr": best.lr, "seed": result.config.seed,
             **{name: result[name] for name in ("test/accuracy", "images_seen", "seconds")}}
            for result in run_seeds(best, TEST)
        ]  # fmt: skip
        print(key, best.lr, rows[-1]["test/accuracy"], flush=True)
    save_table(pd.DataFrame(tuning).set_index("method"), "03_baselines_tuning")
    save_table(pd.DataFrame(rows).drop(columns="seconds").set_index("method"), "03_baselines")
