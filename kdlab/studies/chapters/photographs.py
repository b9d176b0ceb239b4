"""Chapter 10: photographs, and the teacher that one would take today.

Students are LiteNet-DSC at its full width, 484,000 parameters. They see images of 16 pixels, as the teachers do that
learn from these images alone.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ...experiment.config import Config
from ...methods import METHODS
from ..ablation import changed
from ..control import PIXELS, against_pixels, pixels
from ..study import Study, study
from ..tuning import chosen_rates
from ..verdicts import Question
from .pretraining import PROBES
from .scheduled import CURVES
from .tour import PRETRAINED, RANDOM, STUDENT, TAUGHT, TEACHER, at

COPIES = "folder:cifar10-jpeg"  # what was measured: CIFAR-10's images as JPEG files, which lose detail
OF_LABELS = "student of the labels-only teacher"
FROZEN, OF_FROZEN = "frozen teacher", "student of the frozen teacher"
TAUGHT_BY = (OF_LABELS, TAUGHT, OF_FROZEN)
STUDENTS = (STUDENT, *TAUGHT_BY)
NAMES = (TEACHER, PRETRAINED, FROZEN, *STUDENTS)  # students after their teachers, as they are tuned
PAIRS = {  # of every number of labels
    "Does pre-training help the teacher": (PRETRAINED, TEACHER),
    "Does the SimCLR teacher help the student": (TAUGHT, STUDENT),
    "Does the labels-only teacher help the student": (OF_LABELS, STUDENT),
    "Does the student need a self-supervised teacher": (TAUGHT, OF_LABELS),
    "Does the frozen teacher help the student": (OF_FROZEN, STUDENT),
    "Is the student of the frozen teacher better than SimCLR's": (OF_FROZEN, TAUGHT),
    "Is the frozen teacher better than its student": (FROZEN, OF_FROZEN),
    "Is the SimCLR teacher better than its student": (PRETRAINED, TAUGHT),
}
LENGTH, PRETRAINING = 4_000, 3_000  # steps of a student and of SimCLR, where nothing else is said
LENGTHS = (1_000, 2_000, LENGTH, 8_000)  # steps of students, at ONE number of labels
ONE = 250  # labels at which settings were chosen
SIMCLR_ALONE = 100  # labels at which the other two teachers have no student
JUDGES = 1_000  # labels that rate features
ADAMW, SGD = (4e-3, 8e-3, 1.6e-2), (0.12, 0.24, 0.48)  # learning rates that are tried
SETTINGS: dict[str, dict[str, Any]] = {
    "SimCLR": {"method": "simclr", "hp": {"T": 0.2}},
    "MoCo v2": {"method": "moco", "hp": {"T": 0.2, "queue": 4096}},
    "BYOL": {"method": "byol"},
}
STEPS = {"SimCLR": (1_000, 3_000, 10_000, 20_000), "MoCo v2": (3_000, 10_000), "BYOL": (3_000, 10_000)}
OWN = "SimCLR first"
BEFORE = {"SEED first": "seed_kd", "CompRess first": "compress", "SimReg first": "simreg", OWN: "simclr"}


def by_steps(system: str, steps: int) -> str:
    """Return the name of a system at a number of training steps."""
    return f"{system}, {steps:,} steps"


def _task(dataset: str, budget: str) -> dict[str, Any]:
    """Return what all runs share; an epoch is 100 steps at the lab's budget."""
    return {
        "dataset": dataset,
        "size": 32 if budget == "paper" else 16,
        "steps": {"smoke": 1, "lab": 100, "paper": 1000}[budget],
        "augment": None if dataset == "digits" else "colour" if budget == "paper" else "colour_small",
        "evaluate_every": 1000,
    }


def _large(dataset: str, budget: str) -> dict[str, Any]:
    return {**_task(dataset, budget), "model": "resnet18", "width": 1.0 if budget == "paper" else 0.25}


def _pretrained(dataset: str, budget: str, method: str, steps: int) -> Config:
    """Return a ResNet-18 that learns from all images and no label."""
    rates = chosen_rates("photograph_features")
    return Config(
        **_large(dataset, budget),
        **SETTINGS[method],
        labels=JUDGES,
        batch=256,
        epochs=steps // 100,
        optimizer="sgd",
        lr=rates.get(by_steps(method, STEPS[method][0]), SGD[1]),
        weight_decay=5e-4,
    )


@study
def photograph_features(dataset: str = COPIES, budget: str = "lab") -> Study:
    """What are features of photographs worth that were learned without a label?

    SimCLR for up to 20,000 steps, MoCo v2 and BYOL for up to 10,000, of 256 images; 1,000 labels rate their features.
    Each learning rate is tuned at the method's shortest length.
    """
    curves = {method: [by_steps(method, n) for n in lengths] for method, lengths in STEPS.items()}
    systems = {by_steps(m, n): _pretrained(dataset, budget, m, n) for m, lengths in STEPS.items() for n in lengths}
    first = systems[curves["SimCLR"][0]]
    systems = {RANDOM: first.replace(epochs=0), **systems, PIXELS: pixels(first)}
    questions = []
    for metric, title in PROBES.items():
        for n in (3_000, 10_000):
            simclr, moco, byol = (by_steps(method, n) for method in STEPS)
            questions += [
                Question(f"{a}: better than {b.partition(',')[0]}, by {title}?", a, b, metric)
                for a, b in ((simclr, moco), (simclr, byol), (moco, byol))
            ]
        for names in curves.values():
            questions += against_pixels(systems, names, metric, title)
            questions += [
                Question(f"{long}: better than {short.rpartition(', ')[2]}, by {title}?", long, short, metric)
                for short, long in pairwise(names)
            ]
        questions.append(Question(f"{simclr}: better than a random network, by {title}?", simclr, RANDOM, metric))
    return Study(
        "photograph_features",
        "What are features of photographs worth that were learned without a label, and how long does that take?",
        systems,
        questions,
        seeds=range(5),
        grid={names[0]: {"lr": SGD} for names in curves.values()},
        curves=curves,
    )


@study
def photographs(
    dataset: str = COPIES, labels: Sequence[int] = (40, 100, 250, 1_000, 4_000), budget: str = "lab"
) -> Study:
    """By whom is a small student best taught, with few labels of photographs?

    ResNet-18 is taught by labels alone, or fine-tuned after SimCLR; the frozen teacher is an EfficientNet-Lite0 with
    weights of ImageNet, which reads every image at 128 pixels and of which a linear head is fitted. A student learns
    from its teacher's answers for all images, by LiteNet-SSD without its other losses: a frozen teacher keeps no maps,
    and consistency and pseudo-labels double the time of a step. At 250 labels students train for several lengths,
    and settings are chosen there: learning rates on the seeds of tuning, of students at 1,000 steps; temperature, the
    cross-entropy's weight and the probe's C were, by single runs of seed 100 with the frozen teacher, on validation.

    What was measured are not CIFAR-10's images but copies of them as JPEG files, which lose detail: a folder
    cifar10-jpeg, under the data root or with its path. The genuine ones, dataset="cifar10", have rows of their own.
    """
    large, simclr = _large(dataset, budget), _pretrained(dataset, budget, "SimCLR", PRETRAINING)
    small = {**_task(dataset, budget), "model": "litenet_dsc", "width": 1.0, "epochs": LENGTH // 100}
    taught: dict[str, Any] = {
        **small,
        "method": "litenet_ssd",
        "batch": 16,
        "hp": {"ratio": 7, "T": 1.0},
        "weights": {"ce": 0.1, "feature": 0.0, "consistency": 0.0, "pseudo": 0.0},
    }
    probe: dict[str, Any] = {"method": "probe", "model": "efficientnet_lite0", "pretrained": True, "size": 128}
    systems: dict[str, Config] = {}
    for n in labels:
        teachers = {
            TEACHER: _tuned(TEACHER, Config(**large, labels=n, batch=128, epochs=20)),
            PRETRAINED: _tuned(PRETRAINED, Config(**large, labels=n, batch=64, epochs=10, init=simclr, head_lr=10)),
            FROZEN: Config(**probe, dataset=dataset, labels=n, hp={"C": 0.1}),
        }
        made = {STUDENT: _tuned(STUDENT, Config(**small, labels=n, batch=128)), **teachers}
        for name, teacher in zip(TAUGHT_BY, teachers.values(), strict=True):
            made[name] = _tuned(name, Config(**taught, labels=n, teacher=teacher))
        if n == SIMCLR_ALONE:
            made = {name: config for name, config in made.items() if name not in (OF_LABELS, FROZEN, OF_FROZEN)}
        systems |= {at(name, n): config for name, config in {**made, PIXELS: pixels(made[STUDENT])}.items()}
    questions = []
    for n in labels:
        pairs = {text: (at(a, n), at(b, n)) for text, (a, b) in PAIRS.items()}
        questions += [
            Question(f"{text} at {n} labels?", *pair) for text, pair in pairs.items() if {*pair} <= {*systems}
        ]
        questions += against_pixels(systems, [at(name, n) for name in NAMES if at(name, n) in systems])
    curves = {}
    for name in STUDENTS if ONE in labels else ():
        usual = systems[at(name, ONE)]
        lengths = {by_steps(at(name, ONE), n): usual.replace(epochs=n // 100) for n in LENGTHS if n != LENGTH}
        systems |= lengths
        curves[name] = sorted([*lengths, at(name, ONE)], key=lambda each: systems[each].epochs)
    return Study(
        "photographs",
        "By whom is a small student best taught, with few labels of photographs?",
        systems,
        questions,
        seeds=range(5),
        grid={_chosen_at(name): {"lr": ADAMW} for name in NAMES if name != FROZEN} if curves else {},
        shown=[name for name in systems if not name.endswith("steps")],
        curves=curves,
    )


def _tuned(name: str, config: Config) -> Config:
    """Return a run with the rate chosen for it, at any labels and length."""
    return config.replace(lr=chosen_rates("photographs").get(_chosen_at(name), ADAMW[1]))


def _chosen_at(name: str) -> str:
    """Return the system that chose a learning rate: of a student the shortest."""
    return by_steps(at(name, ONE), LENGTHS[0]) if name in STUDENTS else at(name, ONE)


@study
def distil_first(dataset: str = COPIES, labels: int = ONE, budget: str = "lab") -> Study:
    """Is a student better taught before the labels come, or after?

    Before: it learns features of SimCLR's ResNet-18 from all images, by SEED, CompRess or SimReg, and is then
    fine-tuned with the labels. After: the teacher is fine-tuned, and answers for all images. Beside them the student
    that SimCLR itself pre-trained, of two views of half as many images. Through each student pass 512,000 views;
    fine-tuning adds 64,000. What the teacher's own training takes is not counted.
    """
    usual = photographs(dataset, (labels,), budget).systems
    after, alone = usual[at(TAUGHT, labels)], usual[at(STUDENT, labels)]
    assert after.teacher is not None
    rates, simclr = chosen_rates("distil_first"), after.teacher.init
    small = {**_task(dataset, budget), "model": "litenet_dsc", "width": 1.0, "labels": labels}
    systems, features = {STUDENT: alone, TAUGHT: after}, {}
    for title, method in BEFORE.items():
        name, steps = f"{title}, features", LENGTH // 2 if title == OWN else LENGTH  # of two views, of one
        stage = Config(
            **small,
            method=method,
            hp={"T": 0.2} if title == OWN else {},
            teacher=None if title == OWN else simclr,
            batch=128,
            epochs=steps // 100,
            lr=rates.get(name, ADAMW[1]),
        )
        features[name] = stage
        systems[title] = Config(**small, init=stage, epochs=10, head_lr=10, lr=rates.get(title, ADAMW[0]))
    systems |= {**features, PIXELS: pixels(alone)}
    taught = [title for title in BEFORE if title != OWN]
    return Study(
        "distil_first",
        "Should a student learn its teacher's features before the labels come, or its answers after?",
        systems,
        [
            *(
                Question(f"Is {title} better than the student of the fine-tuned teacher?", title, TAUGHT)
                for title in taught
            ),
            *(Question(f"Is {title} better than labels only?", title, STUDENT) for title in BEFORE),
            *(Question(f"Is {title} better than SimCLR first, of the student itself?", title, OWN) for title in taught),
            *against_pixels(systems, [STUDENT, TAUGHT, *BEFORE]),
            *against_pixels(systems, features, "test/knn", "kNN"),
        ],
        seeds=range(3),
        grid={name: {"lr": ADAMW} for name in (*features, *BEFORE)},
        shown=[STUDENT, TAUGHT, *BEFORE],
    )


@study
def photograph_parts(dataset: str = COPIES, labels: int = ONE, budget: str = "lab") -> Study:
    """Which of LiteNet-SSD's five terms help a student on photographs?

    With all weights and constants of the method, and the learning rate of the study `photographs`.
    """
    usual = photographs(dataset, (labels,), budget).systems
    whole = usual[at(TAUGHT, labels)].replace(weights={}, hp={"ratio": 7})
    terms = METHODS[whole.method].weights
    systems = {"whole": whole, **{f"without {term}": changed(whole, {"weights": {term: 0.0}}) for term in terms}}
    systems |= {STUDENT: usual[at(STUDENT, labels)], PIXELS: pixels(whole)}
    return Study(
        "photograph_parts",
        "Which of LiteNet-SSD's terms earn their place on photographs?",
        systems,
        [
            *(Question(f"Does the whole need {term}?", "whole", f"without {term}") for term in terms),
            Question("Is the whole better than labels only?", "whole", STUDENT),
            *against_pixels(systems, [name for name in systems if name != PIXELS]),
        ],
        seeds=range(5),
    )


@study
def photograph_schedules(dataset: str = COPIES, labels: int = ONE, budget: str = "lab") -> Study:
    """Does SS-KD's schedule help the student of a frozen teacher on photographs?

    The student sees labelled images alone, as in the paper, and its teacher has weights of ImageNet, as there.
    """
    usual = photographs(dataset, (labels,), budget).systems
    linear = usual[at(STUDENT, labels)].replace(
        method="scheduled_kd",
        teacher=usual[at(FROZEN, labels)],
        lr=chosen_rates("photograph_schedules").get("linear", ADAMW[1]),
        evaluate_every=1,
        patience=5,
    )
    systems = {
        **{name: linear.replace(hp=CURVES[name]) for name in ("labels only", "alpha 0.9 throughout", "linear")},
        "linear, to the end": linear.replace(patience=None),
        "linear, chosen on test": linear.replace(select="test"),
        "linear, as released": linear.replace(select="test", normalise=False, hp={"as_released": True}),
    }
    systems |= {PIXELS: pixels(linear), f"{PIXELS}, not normalised": pixels(systems["linear, as released"])}
    return Study(
        "photograph_schedules",
        "Does it help on photographs that distillation grows stronger while the student trains?",
        systems,
        [
            Question("Does distillation help?", "linear", "labels only"),
            Question("Does the schedule help?", "linear", "alpha 0.9 throughout"),
            Question("Does early stopping help?", "linear", "linear, to the end"),
            Question("What does choosing on the test set add?", "linear, chosen on test", "linear"),
            Question("Is it better as released?", "linear, as released", "linear"),
            *against_pixels(systems, [name for name in systems if not name.startswith(PIXELS)]),
        ],
        seeds=range(3),
        grid={"linear": {"lr": ADAMW}},
    )
