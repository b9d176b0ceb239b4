"""Chapter 07: each system of the chapters before without each of its parts.

And SimCLR with other views and temperatures.
"""

from ..ablation import Change, ablation, changed, crossed
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question
from .distillation import distillation
from .lsskd import lsskd
from .scheduled import scheduled
from .sskd import sskd

VARIANTS: dict[str, Change] = {
    "T = 0.1": {"hp": {"T": 0.1}},
    "T = 0.2": {"hp": {"T": 0.2}},
    "T = 1": {"hp": {"T": 1.0}},
}
VIEWS: dict[str, Change] = {  # of digits; photographs would change crops, flips and colours at once
    "weak views": {"augment": "digits_weak"},
    "geometry only": {"augment": "digits_geometry"},
    "pixels only": {"augment": "digits_pixels"},
}


@study
def ablate_litenet_ssd(dataset: str = "digits", labels: int = 50, budget: str = "lab") -> Study:
    """Which terms, stages and pseudo-labels of LiteNet-SSD earn their place?"""
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
        rates=(8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128),
        lr={} if budget == "paper" else chosen_rates("ablate_litenet_ssd"),
    )


@study
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
        rates=(1.6e-2, 3.2e-2, 6.4e-2, 0.128, 0.256),
        lr={} if budget == "paper" else chosen_rates("ablate_sskd"),
    )


@study
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
        rates=(4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2),
        lr={} if budget == "paper" else chosen_rates("ablate_lsskd"),
    )


@study
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
        rates=(1.6e-2, 3.2e-2, 6.4e-2, 0.128, 0.256),
        lr={} if budget == "paper" else chosen_rates("ablate_scheduled"),
    )


@study
def ablate_views(dataset: str = "digits", labels: int = 20, budget: str = "lab") -> Study:
    """Do SimCLR's views and its temperature matter to the student in the end?

    Teacher and student are those of LiteNet-SSD's study, with its learning rates. The questions about views are of
    digits only.
    """
    chain = distillation(dataset, labels, budget).systems
    features, student = chain["pre-training"], chain["LiteNet-SSD"]
    assert student.teacher is not None
    systems = {"features": features, "student": student}
    variants = VARIANTS | (VIEWS if dataset in ("digits", "mnist") else {})
    for name, change in variants.items():
        other = changed(features, change)
        systems[f"features, {name}"] = other
        systems[f"student, {name}"] = student.replace(teacher=student.teacher.replace(init=other))
    learned = list(systems)
    systems[PIXELS] = pixels(student)
    return Study(
        "ablate_views",
        "Do SimCLR's views and its temperature matter to the student in the end?",
        systems,
        [
            *(
                Question(f"Are features better with {name}?", f"features, {name}", "features", "test/knn")
                for name in variants
            ),
            *(Question(f"Is the student better with {name}?", f"student, {name}", "student") for name in variants),
            *against_pixels(systems, [n for n in learned if n.startswith("features")], "test/knn", "kNN"),
            *against_pixels(systems, [n for n in learned if n.startswith("student")]),
        ],
    )
