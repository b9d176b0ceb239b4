"""SS-KD with other ramps, temperatures and rules to stop."""

from .ablation import ablation, crossed
from .scheduled import scheduled
from .study import Study


def ablate_scheduled(dataset: str = "digits", labels: int = 100, budget: str = "lab") -> Study:
    """Which of SS-KD's choices matter: the ramp, the temperature, or when to stop?"""
    linear = scheduled(dataset, labels, budget).systems["linear"]
    return ablation(
        "ablate_scheduled",
        "Which of SS-KD's choices matter: the ramp, the temperature, or when to stop?",
        linear,
        {
            "distillation": {"hp": {"start": 0.0, "end": 0.0}},
            "early stopping": {"patience": None},
        },
        {
            "no warm-up": {"hp": {"warmup": 0.0, "ramp": 21 / 30}},
            "a short ramp": {"hp": {"ramp": 4 / 30}},
            "a ramp to the end": {"hp": {"ramp": 25 / 30}},
            "a ramp to 0.5": {"hp": {"end": 0.5}},
            "a ramp to 1": {"hp": {"end": 1.0}},
            "patience of 2": {"patience": 2},
            "patience of 10": {"patience": 10},
        },
        crossed(
            "temperature", {T: {"hp": {"T": T}} for T in (1.0, 3.0, 9.0)},
            "last alpha", {a: {"hp": {"end": a}} for a in (0.5, 0.7, 0.9)},
        ),
    )  # fmt: skip
