"""LiteNet-SSD without each of its parts."""

from ..ablation import ablation, crossed
from ..study import Study
from .distillation import distillation

RATES = (8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128)
LR = {
    "whole": 6.4e-2,
    "bare": 3.2e-2,
    "without KD": 6.4e-2,
    "without features": 6.4e-2,
    "without consistency": 3.2e-2,
    "without pseudo-labels": 3.2e-2,
    "only KD": 3.2e-2,
    "only features": 1.6e-2,
    "only consistency": 3.2e-2,
    "only pseudo-labels": 3.2e-2,
}


def ablate_litenet_ssd(dataset: str = "digits", labels: int = 50, budget: str = "lab") -> Study:
    """Which of LiteNet-SSD's terms, stages and sources of pseudo-labels earn their place?"""
    return ablation(
        "ablate_litenet_ssd",
        "Which of LiteNet-SSD's terms, stages and sources of pseudo-labels earn their place?",
        distillation(dataset, labels, budget).systems["LiteNet-SSD"],
        {
            "KD": {"weights": {"kd": 0}},
            "features": {"weights": {"feature": 0}},
            "consistency": {"weights": {"consistency": 0}},
            "pseudo-labels": {"weights": {"pseudo": 0}},
        },
        {
            "features of the second stage": {"hp": {"feature_stages": "second"}},
            "features of the third stage": {"hp": {"feature_stages": "third"}},
            "features by MSE": {"hp": {"feature_as": "mse"}, "weights": {"feature": 100}},
            "features by attention": {"hp": {"feature_as": "at"}, "weights": {"feature": 1000}},
            "pseudo-labels of the student": {"hp": {"pseudo_from": "student"}},
            "pseudo-labels of an average": {"hp": {"pseudo_from": "ema", "ema": 0.9}},
            "consistency by MSE": {"hp": {"consistency_as": "mse"}},
        },
        crossed(
            "temperature",
            {T: {"hp": {"T": T}} for T in (1.0, 4.0, 16.0)},
            "weight of KD",
            {w: {"weights": {"kd": w}} for w in (0.25, 1.0, 4.0)},
        ),
        rates=RATES,
        lr={} if budget == "paper" else LR,
    )
