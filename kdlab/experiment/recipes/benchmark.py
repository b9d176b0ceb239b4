"""The benchmark on CIFAR-100 of CRD (Tian et al. 2020).

Most teacher-student methods are compared by it.
"""

from typing import Any

from .recipe import Recipe

SOURCE = "RepDistiller, the code of CRD"
# Networks that RepDistiller, SSKD and HSAKD train at a fifth of the learning rate
LIGHT = ("mobilenet_v2_half", "mobilenet_v2_half_highres", "mobilenet_v2_cifar", "shufflenet_v1", "shufflenet_v2")
OPTIMIZER = Recipe(
    SOURCE,
    epochs=240,
    batch=64,
    optimizer="sgd",
    momentum=0.9,
    nesterov=False,
    weight_decay=5e-4,
    decay_all=True,
    schedule="step",
    milestones=(150 / 240, 180 / 240, 210 / 240),
    decay=0.1,
    warmup=0.0,
)


def task(model: str, dataset: str, source: str = SOURCE) -> Recipe:
    """Set network and data: every training image, none held out.

    Images are cropped with padding and flipped, unless they are digits.
    """
    weak = "digits" if dataset in ("digits", "mnist") else "colour"
    return Recipe(source, model=model, dataset=dataset, validation=0.0, width=1.0, augment=weak)


def rate(model: str) -> Recipe:
    """Set the learning rate: 0.05, of light networks 0.01."""
    return Recipe(f"{SOURCE}: light networks", lr=0.01) if model in LIGHT else Recipe(SOURCE, lr=0.05)


def classifier(model: str = "wrn_16_2", dataset: str = "cifar100") -> Recipe:
    """Train a network by labels alone."""
    return OPTIMIZER | task(model, dataset) | rate(model)


def pair(model: str = "wrn_16_2", teacher: str = "wrn_40_2", dataset: str = "cifar100", **fields: Any) -> Recipe:
    """Train a student and its teacher, both by the benchmark's recipe.

    `fields` are the method's own, for the student.
    """
    return classifier(model, dataset) | Recipe(SOURCE, teacher=classifier(teacher, dataset), **fields)


# beta of DKD where it is not 8
DKD = {
    ("wrn_16_2", "wrn_40_2"): 6.0,
    ("wrn_40_1", "wrn_40_2"): 6.0,
    ("resnet20", "resnet56"): 2.0,
    ("resnet32", "resnet110"): 2.0,
    ("vgg8", "vgg13"): 6.0,
    ("mobilenet_v2_half", "vgg13"): 6.0,
}


def decoupled(model: str = "resnet8x4", teacher: str = "resnet32x4", dataset: str = "cifar100") -> Recipe:
    """DKD's recipe: the benchmark's, and a beta for each pair."""
    beta = Recipe("mdistiller, configs/cifar100/dkd", hp={"beta": DKD.get((model, teacher), 8.0)})
    return pair(model, teacher, dataset) | beta


def first_phase(method: str, model: str = "wrn_16_2", teacher: str = "wrn_40_2", dataset: str = "cifar100") -> Recipe:
    """Train the first phase of two: 30 epochs at a constant learning rate.

    It is the student's learning rate.
    """
    constant = Recipe(f"{SOURCE} (helper/pretrain.py)", method=method, epochs=30, schedule="constant")
    return pair(model, teacher, dataset) | constant


def second_phase(first: str, model: str = "wrn_16_2", teacher: str = "wrn_40_2", dataset: str = "cifar100") -> Recipe:
    """Train the second phase: labels alone, from the weights of the first.

    The method `first` reached these.
    """
    return classifier(model, dataset) | Recipe(SOURCE, init=first_phase(first, model, teacher, dataset))


def paraphraser(model: str = "wrn_40_2", dataset: str = "cifar100", lr: float = 0.01) -> Recipe:
    """Factor transfer's first phase, on the trained teacher `model`.

    Its learning rate goes by the student to come: 0.01 for small ResNets, WRNs and light networks, else 0.05 (VGG-8).
    """
    phase = Recipe(
        f"{SOURCE} (helper/pretrain.py)",
        method="ft_paraphraser",
        epochs=30,
        schedule="constant",
        lr=lr,
        init=classifier(model, dataset),
    )
    return classifier(model, dataset) | phase


def factor_transfer(model: str = "wrn_16_2", teacher: str = "wrn_40_2", dataset: str = "cifar100") -> Recipe:
    """Factor transfer's second phase and, as its teacher, the first."""
    small = model.startswith(("resnet", "wrn")) and model not in ("resnet18", "resnet34", "resnet50", "resnet101")
    phase = paraphraser(teacher, dataset, lr=0.01 if small else rate(model)["lr"])
    return classifier(model, dataset) | Recipe(SOURCE, teacher=phase)
