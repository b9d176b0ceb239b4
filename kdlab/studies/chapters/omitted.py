"""Hinton's omitted digit: what a student reads of classes of which it never saw an image."""

from typing import Any

from ...core.errors import lookup
from ...experiment.config import Config
from ..study import Study
from ..verdicts import Question

GRID = (4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
TUNED = (  # validation images of classes that a student must not know choose nothing for it
    "teacher",
    "labels, all digits",
    "teacher's answers, all digits",
    "teacher's answers at T = 1, all digits",
)
THREE, ALL_BUT_7_AND_8 = (3,), (0, 1, 2, 3, 4, 5, 6, 9)


def omitted(dataset: str = "digits", budget: str = "lab") -> Study:
    """What does a student learn of a class that it never sees, from a teacher that knows it?

    After Hinton, Vinyals & Dean (2015, section 3), whose student of MNIST never saw a 3. "Omitted" is the accuracy on
    test images of the classes that were left out.
    """
    scale = lookup("budget", budget, {"smoke": 0.1, "lab": 1, "paper": 10})
    common: dict[str, Any] = {
        "dataset": dataset,
        "size": 8 if dataset == "digits" else 28,
        "model": "resnet8",
        "evaluate_every": 1000,
    }
    teacher = Config(**common, width=1.0, epochs=round(15 * scale), steps=10, lr=2e-3)
    alone = Config(**common, width=0.5, epochs=round(20 * scale), steps=20, lr=1.6e-2)
    taught = alone.replace(method="kd", teacher=teacher, weights={"ce": 0, "kd": 1}, hp={"T": 8}, lr=6.4e-2)
    cold = taught.replace(hp={"T": 1}, lr=8e-3)
    return Study(
        "omitted",
        "What does a student learn of a class that it never sees, from a teacher that knows it?",
        {
            "teacher": teacher,
            "labels, all digits": alone,
            "teacher's answers, all digits": taught,
            "teacher's answers at T = 1, all digits": cold,
            "labels, no 3": alone.replace(omit=THREE),
            "teacher's answers, no 3": taught.replace(omit=THREE),
            "teacher's answers at T = 1, no 3": cold.replace(omit=THREE),
            "labels, only 7 and 8": alone.replace(omit=ALL_BUT_7_AND_8),
            "teacher's answers, only 7 and 8": taught.replace(omit=ALL_BUT_7_AND_8),
        },
        [
            Question(
                "Does a student read threes that it never saw?",
                "teacher's answers, no 3",
                "labels, no 3",
                "test/omitted",
            ),
            Question(
                "Does it need the temperature?",
                "teacher's answers, no 3",
                "teacher's answers at T = 1, no 3",
                "test/omitted",
            ),
            Question(
                "Does one that saw only 7 and 8 read the eight others?",
                "teacher's answers, only 7 and 8",
                "labels, only 7 and 8",
                "test/omitted",
            ),
            Question(
                "Do threes that nobody shows cost accuracy?", "teacher's answers, all digits", "teacher's answers, no 3"
            ),
            Question("Do the teacher's answers replace labels?", "teacher's answers, all digits", "labels, all digits"),
        ],
        grid={name: {"lr": GRID} for name in TUNED},
    )
