"""The tour: twenty labels, a teacher that saw all images, a tiny student."""

from ...core.errors import lookup
from ...experiment.config import Config
from ..study import Study
from ..verdicts import Question
from .pretraining import HEAD

GRID = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)  # of learning rates; fine-tuning begins at a quarter of it


def tour(dataset: str = "digits", labels: int = 20, budget: str = "lab", size: int | None = None) -> Study:
    """Can a tiny student of a self-supervised teacher read digits from twenty labels?"""
    scale = lookup("budget", budget, {"smoke": 0.1, "lab": 1, "paper": 10})
    paper = budget == "paper"
    common = {
        "dataset": dataset,
        "labels": labels,
        "size": size or (32 if paper else 8),
        "width": 1.0 if paper else 0.25,
    }
    small = {**common, "model": "litenet_dsc", "steps": 10, "epochs": round(30 * scale)}
    large = {**common, "model": "vgg8", "steps": 20, "evaluate_every": 1000}
    simclr = Config(
        **large, method="simclr", hp=HEAD, epochs=round(20 * scale), batch=128, lr=3.2e-2, weight_decay=1e-3
    )
    by_labels = Config(**large, epochs=round(45 * scale), batch=128, lr=3.2e-2)
    by_ssl = Config(**large, init=simclr, epochs=round(10 * scale), batch=64, lr=2.5e-4, head_lr=10)
    student = Config(**small, method="litenet_ssd", teacher=by_ssl, batch=16, lr=0.256)
    systems = {
        "student, labels only": Config(**small, batch=128, lr=3.2e-2),
        "teacher, labels only": by_labels,
        "random network": simclr.replace(epochs=0),
        "SimCLR": simclr,
        "teacher, SimCLR + fine-tuning": by_ssl,
        "student of the SimCLR teacher": student,
        "student of the labels-only teacher": student.replace(teacher=by_labels, lr=3.2e-2),
    }
    return Study(
        "tour",
        "How well can a network of 35,000 parameters read digits, from twenty labels and a thousand images?",
        systems,
        [
            Question("Has SimCLR learned anything?", "SimCLR", "random network", "test/knn"),
            Question("Does pre-training help the teacher?", "teacher, SimCLR + fine-tuning", "teacher, labels only"),
            Question("Does a teacher help the student?", "student of the SimCLR teacher", "student, labels only"),
            Question(
                "Does a teacher without pre-training help it?",
                "student of the labels-only teacher",
                "student, labels only",
            ),
            Question(
                "Does the student need a self-supervised teacher?",
                "student of the SimCLR teacher",
                "student of the labels-only teacher",
            ),
        ],
        grid={
            name: {"lr": [lr / 4 for lr in GRID] if config.init else GRID}
            for name, config in systems.items()
            if config.epochs
        },
        shown=[name for role in ("student", "teacher") for name in systems if name.startswith(role)],
    )
