"""LSSKD without each of its parts."""

from .ablation import ablation
from .lsskd import lsskd
from .study import Study


def ablate_lsskd(dataset: str = "digits", labels: int = 50, budget: str = "lab") -> Study:
    """Which of LSSKD's branches, targets and terms earn their place?"""
    return ablation(
        "ablate_lsskd",
        "Which of LSSKD's branches, targets and terms earn their place?",
        lsskd(dataset, labels, budget).systems["LSSKD"],
        {
            "joint labels": {"weights": {"joint": 0}},
            "KL between branches": {"weights": {"kl": 0}},
            "features": {"weights": {"feature": 0}},
            "softening": {"hp": {"alpha": 0.0}},
        },
        {
            "the deepest branch only": {"hp": {"last": 1}},
            "the two deepest branches": {"hp": {"last": 2}},
            "hard labels for the branches": {"hp": {"soften_branches": False}},
            "a snapshot for the past": {"hp": {"past": "snapshot"}},
            "each branch taught by the next": {"hp": {"kl_from": "next"}},
            "the classifier teaching the deepest": {"hp": {"kl_from": "class"}},
            "features of the deepest branch": {"hp": {"feature_to": "branch"}},
        },
    )  # fmt: skip
