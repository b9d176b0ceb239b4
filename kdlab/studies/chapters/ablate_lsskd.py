"""LSSKD without each of its parts; the branches with their joint labels stay, since all else stands on them."""

from ..ablation import ablation
from ..study import Study
from .lsskd import lsskd

RATES = (4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
LR = {
    "whole": 3.2e-2,
    "bare": 8e-3,
    "without KL between branches": 1.6e-2,
    "without features": 3.2e-2,
    "without softening": 8e-3,
    "only KL between branches": 8e-3,
    "only features": 1.6e-2,
    "only softening": 1.6e-2,
}


def ablate_lsskd(dataset: str = "digits", labels: int = 50, budget: str = "lab") -> Study:
    """Which of LSSKD's branches, targets and terms earn their place?"""
    return ablation(
        "ablate_lsskd",
        "Which of LSSKD's branches, targets and terms earn their place?",
        lsskd(dataset, labels, budget).systems["LSSKD"],
        {
            "KL between branches": {"weights": {"kl": 0}},
            "features": {"weights": {"feature": 0}},
            "softening": {"hp": {"alpha": 0.0}},
        },
        {
            "the deepest branch only (no KL then)": {"hp": {"last": 1}},
            "the two deepest branches": {"hp": {"last": 2}},
            "hard labels for the branches": {"hp": {"soften_branches": False}},
            "a snapshot for the past": {"hp": {"past": "snapshot"}},
            "each branch taught by the next": {"hp": {"kl_from": "next"}},
            "the classifier teaching the deepest": {"hp": {"kl_from": "class"}},
            "features of the deepest branch": {"hp": {"feature_to": "branch"}},
        },
        rates=RATES,
        lr={} if budget == "paper" else LR,
    )
