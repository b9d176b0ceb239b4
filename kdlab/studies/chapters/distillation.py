"""Chapter 03: what a teacher's answers teach; LiteNet-SSD (2025), term by term."""

from typing import Any

from ...core.errors import lookup
from ...experiment.config import Config
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question
from .tour import HEAD

GRID = (8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 0.128, 0.256)
TEACHER_GRID = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
OFF = {"+ KD on all": ("feature", "consistency", "pseudo"), "+ features": ("consistency", "pseudo"), "LiteNet-SSD": ()}
OMITTED_GRID = (4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
TUNED = (  # validation images of classes that a student must not know choose nothing for it
    "teacher",
    "labels, all digits",
    "teacher's answers, all digits",
    "teacher's answers at T = 1, all digits",
)
THREE, ALL_BUT_7_AND_8 = (3,), (0, 1, 2, 3, 4, 5, 6, 9)


@study
def omitted(dataset: str = "digits", budget: str = "lab") -> Study:
    """What does a student learn from its teacher of a class that it never sees?

    After Hinton, Vinyals & Dean (2015, section 3), whose student of MNIST never saw a 3. "Omitted" is the accuracy on
    test images of the classes that were left out.
    """
    scale, rates = {"smoke": 0.1, "lab": 1, "paper": 10}[budget], chosen_rates("omitted")
    common: dict[str, Any] = {
        "dataset": dataset,
        "size": 8 if dataset == "digits" else 28,
        "model": "resnet8",
        "evaluate_every": 1000,
    }
    teacher = Config(**common, width=1.0, epochs=round(15 * scale), steps=10, lr=rates[TUNED[0]])
    alone = Config(**common, width=0.5, epochs=round(20 * scale), steps=20, lr=rates[TUNED[1]])
    taught = alone.replace(method="kd", teacher=teacher, weights={"ce": 0, "kd": 1}, hp={"T": 8}, lr=rates[TUNED[2]])
    cold = taught.replace(hp={"T": 1}, lr=rates[TUNED[3]])
    systems = {
        "teacher": teacher,
        "labels, all digits": alone,
        "teacher's answers, all digits": taught,
        "teacher's answers at T = 1, all digits": cold,
        "labels, no 3": alone.replace(omit=THREE),
        "teacher's answers, no 3": taught.replace(omit=THREE),
        "teacher's answers at T = 1, no 3": cold.replace(omit=THREE),
        "labels, only 7 and 8": alone.replace(omit=ALL_BUT_7_AND_8),
        "teacher's answers, only 7 and 8": taught.replace(omit=ALL_BUT_7_AND_8),
        f"{PIXELS}, all digits": pixels(alone),
        f"{PIXELS}, no 3": pixels(alone.replace(omit=THREE)),
        f"{PIXELS}, only 7 and 8": pixels(alone.replace(omit=ALL_BUT_7_AND_8)),
    }
    return Study(
        "omitted",
        "What does a student learn of a class that it never sees, from a teacher that knows it?",
        systems,
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
            *against_pixels(systems, [name for name in systems if name.startswith(("labels", "teacher's answers,"))]),
        ],
        grid={name: {"lr": OMITTED_GRID} for name in TUNED},
    )


@study
def distillation(
    dataset: str = "digits", labels: int = 20, budget: str = "lab", ssl: str = "simclr", size: int | None = None
) -> Study:
    """What does each part of LiteNet-SSD add to a student?"""
    scale = {"smoke": 0.1, "lab": 1, "paper": 1}[budget]
    paper = budget == "paper"
    full, alone = _published(dataset, labels, ssl, size) if paper else _small(dataset, labels, scale, ssl, size)
    assert full.teacher is not None
    assert full.teacher.init is not None
    # As many images as the others draw, in as many steps: they draw twice the views of `batch` and three times as many
    wide = full.replace(method="supervised", teacher=None, batch=8 * full.batch, steps=full.steps or _steps(full))
    systems = {
        "pre-training": full.teacher.init,
        "teacher": full.teacher,
        "teacher, labels only": alone,
        "labels only": wide,
        "+ KD on the labelled": wide.replace(method="kd", weights={"ce": 1, "kd": 1}, teacher=full.teacher),
        **{name: full.replace(weights=dict.fromkeys(terms, 0)) for name, terms in OFF.items()},
        "of the labels-only teacher": full.replace(teacher=alone),
    }
    if not paper:
        rates = chosen_rates("distillation")
        systems = {name: config.replace(lr=rates[name]) for name, config in systems.items()}
    systems[PIXELS] = pixels(full)
    rungs = ("labels only", "+ KD on the labelled", "+ KD on all", "+ features", "LiteNet-SSD")
    return Study(
        "distillation",
        "What does each part of LiteNet-SSD add to a student?",
        systems,
        [
            Question("Does KD on the labelled images help?", rungs[1], rungs[0]),
            Question("Does KD on all images help more?", rungs[2], rungs[1]),
            Question("Do features add to it?", rungs[3], rungs[2]),
            Question("Do pseudo-labels and consistency?", rungs[4], rungs[3]),
            Question("Is the whole better than KD on all images?", rungs[4], rungs[2]),
            Question("Than labels only?", rungs[4], rungs[0]),
            Question("Does pre-training help the teacher?", "teacher", "teacher, labels only"),
            Question("Does its student gain by it?", "LiteNet-SSD", "of the labels-only teacher"),
            *against_pixels(systems, ["pre-training"], "test/knn", "kNN"),
            *against_pixels(systems, ["teacher", "teacher, labels only", *rungs, "of the labels-only teacher"]),
        ],
        grid={
            **{name: {"lr": TEACHER_GRID} for name in ("pre-training", "teacher", "teacher, labels only")},
            **{name: {"lr": GRID} for name in (*rungs, "of the labels-only teacher")},
        },
        shown=[*rungs, "of the labels-only teacher", "teacher", "teacher, labels only", PIXELS],
    )


def _small(dataset: str, labels: int, scale: float, ssl: str, size: int | None) -> tuple[Config, Config]:
    """Return the whole system and the labels-only teacher, for two cores."""
    common: dict[str, Any] = {
        "dataset": dataset,
        "labels": labels,
        "size": size or (8 if dataset == "digits" else 16),
        "width": 0.25,
        "steps": 10 if scale == 1 else 3,
        "evaluate_every": 1000,
    }
    large, rates = {**common, "model": "resnet18"}, chosen_rates("distillation")
    epochs = [max(1, round(n * scale)) for n in (20, 8, 44, 13)]
    hp = HEAD if ssl == "simclr" else {}
    first = Config(method=ssl, hp=hp, epochs=epochs[0], batch=128, lr=rates["pre-training"], weight_decay=1e-3, **large)
    teacher = Config(init=first, epochs=epochs[1], lr=rates["teacher"], head_lr=10, **large)
    full = Config(
        method="litenet_ssd", model="litenet_dsc", teacher=teacher, epochs=max(2, epochs[3]), batch=16, **common
    )
    # The other teacher sees as many images as both stages of this one
    return full, Config(epochs=epochs[2], batch=128, lr=rates["teacher, labels only"], **large)


def _steps(full: Config) -> int:
    """Return the batches in which all unlabelled images pass by once.

    A batch has three times as many of them as labelled ones.
    """
    training = {"cifar10": 45_000, "mnist": 55_000, "digits": 1_080}  # without those for validation
    return (lookup("data set of a published recipe", full.dataset, training) - int(full.labels or 0)) // (
        3 * full.batch
    )


def _published(dataset: str, labels: int, ssl: str, size: int | None) -> tuple[Config, Config]:
    """Return the published system, a reconstruction, and a labels-only teacher.

    The published numbers of labels; on the digits, which no paper has, `labels`.
    """
    task: dict[str, Any] = {
        "dataset": dataset,
        **({"labels": labels} if dataset == "digits" else {}),
        **({"size": size} if size else {}),
    }
    full = Config(method="litenet_ssd", preset="paper", teacher={"init": {"method": ssl}}, **task)
    assert full.teacher is not None
    return full, full.teacher.replace(init=None, epochs=200, lr=0.05, head_lr=1.0)
