"""Published experiments scaled down to minutes on two cores.

They have the same losses on small networks and images.

What stays is what a method is: its loss terms with the published weights and hyper-parameters, the chain of runs that
it stands on, its share of labels and of wrong labels. Nothing that comes out compares with a published number.
"""

from dataclasses import dataclass
from typing import Any

from ...experiment.config import Config

WIDTH = 0.25
LR, LR_TUNED_ON = 0.02, 0.002  # from scratch, and on top of features that are there
TEACHER = 3  # times as many epochs: one that knows little has little to teach, and several students share it
FOR_SMALL = {  # networks whose first layers would leave nothing of 8 pixels
    "resnet18_imagenet": "resnet18",
    "resnet34_imagenet": "resnet34",
    "mobilenet_v2": "mobilenet_v2_cifar",
}
HP = {"crd": {"negatives": 64}, "moco": {"queue": 512}}
LABELS = 50  # so many published images with labels to one of these
TRAINING = (
    "optimizer",
    "optimizer_hp",
    "momentum",
    "nesterov",
    "weight_decay",
    "decay_all",
    "schedule",
    "milestones",
    "decay",
    "warmup",
)
DEFAULTS = {name: Config.model_fields[name].default for name in TRAINING}
# Of these networks, so many pixels leave a last map of one point, in which factor transfer has nothing to compare
POINTS = {8: ("vgg", "mobilenet", "shufflenet", "resnet50"), 16: ("mobilenet_v2_half",)}


@dataclass(frozen=True)
class Scale:
    """A small budget: epochs of a run, steps an epoch, images a batch.

    Then the data, and the number of labels where it is not the experiment's own.
    """

    epochs: int
    steps: int
    batch: int
    dataset: str = "digits"
    labels: int | float | None = None


SCALES = {"smoke": Scale(2, 2, 16), "lab": Scale(4, 10, 32)}


def scaled(config: Config, scale: Scale, teaches: bool = False) -> Config:
    """Return the experiment at `scale`, with all runs that it stands on.

    Of stages that go on from one another the longest in print has the epochs of `scale`, three times as many where it
    `teaches`, the others their share. AdamW with a cosine at one learning rate serves all of them; a tenth of the
    images is held out where the paper holds out none, and no network is pretrained.
    """
    line, stage = [config.epochs], config.init
    while stage is not None:
        line, stage = [*line, stage.epochs], stage.init
    return _stage(config, scale, scale.epochs * (TEACHER if teaches else 1) / max(1, *line))


def _stage(config: Config, scale: Scale, share: float) -> Config:
    stages: dict[str, Config] = {}
    if config.teacher:
        stages["teacher"] = scaled(config.teacher, scale, teaches=True)
    if config.init:
        stages["init"] = _stage(config.init, scale, share)
    # a teacher that is downloaded has no epochs
    epochs = max(2, round(share * config.epochs)) if config.epochs else scale.epochs * TEACHER
    fewer = scale.labels or max(10, config.labels // LABELS) if isinstance(config.labels, int) else config.labels
    tuned_on = config.init is not None and config.method == "supervised"
    small: dict[str, Any] = {
        "model": FOR_SMALL.get(config.model, config.model),
        "width": WIDTH,
        "pretrained": False,
        "dataset": scale.dataset,
        "size": size_of(scale),
        "augment": None,
        "labels": fewer,
        "validation": config.validation or 0.1,
        "epochs": epochs,
        "steps": scale.steps,
        "batch": scale.batch,
        "hp": {**config.hp, **HP.get(config.method, {})},
        "cutout": 2 if config.cutout else 0,
        "patience": config.patience and max(2, round(config.patience * epochs / max(1, config.epochs))),
        "lr": LR_TUNED_ON if tuned_on else LR,
    }
    return config.replace(**DEFAULTS, **small, **stages)


def too_small(config: Config, scale: Scale) -> str:
    """Return why an experiment has no scaled form; "" where it has."""
    size = size_of(scale) or 8
    models = [config.model, *([config.teacher.model] if config.teacher else [])]
    points = [model for model in models if model.startswith(POINTS[size])]
    if config.method == "ft" and points:
        return f"at {size} pixels {points[0]} ends in one point: no factor to transfer"
    return ""


def size_of(scale: Scale) -> int | None:
    """Return pixels per side; None: the digits' own, which are 8."""
    return None if scale.dataset == "digits" else 16
