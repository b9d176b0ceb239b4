"""SS-KD with other ramps and temperatures, all trained to the end, and with rules to stop."""

from ..ablation import ablation, crossed
from ..study import Study
from .scheduled import scheduled

RATES = (1.6e-2, 3.2e-2, 6.4e-2, 0.128, 0.256)
LR = {"whole": 0.128, "bare": 3.2e-2}


def ablate_scheduled(dataset: str = "digits", labels: int = 100, budget: str = "lab") -> Study:
    """Which of SS-KD's choices matter: the ramp, the temperature, or when to stop?"""
    linear = scheduled(dataset, labels, budget).systems["linear, to the end"]
    return ablation(
        "ablate_scheduled",
        "Which of SS-KD's choices matter: the ramp, the temperature, or when to stop?",
        linear,
        {"distillation": {"hp": {"start": 0.0, "end": 0.0}}},
        {
            "no warm-up": {"hp": {"warmup": 0.0, "ramp": 21 / 30}},
            "a short ramp": {"hp": {"ramp": 4 / 30}},
            "a ramp to the end": {"hp": {"ramp": 25 / 30}},
            "a ramp to 0.5": {"hp": {"end": 0.5}},
            "a ramp to 1": {"hp": {"end": 1.0}},
            "early stopping, patience 2": {"patience": 2},
            "early stopping, patience 5": {"patience": 5},
            "early stopping, patience 10": {"patience": 10},
        },
        crossed(
            "temperature",
            {T: {"hp": {"T": T}} for T in (1.0, 3.0, 9.0)},
            "last alpha",
            {a: {"hp": {"end": a}} for a in (0.5, 0.7, 0.9)},
        ),
        rates=RATES,
        lr={} if budget == "paper" else LR,
    )
