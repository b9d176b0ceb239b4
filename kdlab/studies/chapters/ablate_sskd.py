"""SSKD without each of its parts."""

from ..ablation import ablation
from ..study import Study
from .sskd import sskd

RATES = (1.6e-2, 3.2e-2, 6.4e-2, 0.128, 0.256)
LR = {
    "whole": 0.128,
    "bare": 6.4e-2,
    "without kd": 0.128,
    "without tf": 6.4e-2,
    "without ss": 0.128,
    "only kd": 3.2e-2,
    "only tf": 0.128,
    "only ss": 3.2e-2,
}


def ablate_sskd(dataset: str = "digits", labels: int = 100, budget: str = "lab") -> Study:
    """Which of SSKD's terms earn their place, and what does its selection do?"""
    return ablation(
        "ablate_sskd",
        "Which of SSKD's terms earn their place, and what does its selection do?",
        sskd(dataset, labels, budget).systems["SSKD"],
        {
            "kd": {"weights": {"kd": 0}},
            "tf": {"weights": {"tf": 0}},
            "ss": {"weights": {"ss": 0}},
        },
        {
            "the paper's weights of tf and ss": {"weights": {"tf": 10.0, "ss": 2.7}},
            "equal weights of labels and KD": {"weights": {"ce": 0.5, "kd": 0.5}},
            "only turned images that the teacher reads": {"hp": {"ratio_tf": 0.0}},
            "half of the wrong ones": {"hp": {"ratio_tf": 0.5}},
            "only relations that the teacher gets right": {"hp": {"ratio_ss": 0.0}},
            "all relations": {"hp": {"ratio_ss": 1.0}},
        },
        rates=RATES,
        lr={} if budget == "paper" else LR,
    )
