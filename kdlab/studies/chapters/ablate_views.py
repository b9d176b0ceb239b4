"""SimCLR's views and temperature, judged by the features and, two stages later, by the student."""

from ..ablation import Change, changed
from ..study import Study
from ..verdicts import Question
from .distillation import distillation

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


def ablate_views(dataset: str = "digits", labels: int = 20, budget: str = "lab") -> Study:
    """Do SimCLR's views and its temperature matter to the student in the end?

    Teacher and student are those of LiteNet-SSD's study, with its learning rates; the views are asked of digits only.
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
        ],
    )
