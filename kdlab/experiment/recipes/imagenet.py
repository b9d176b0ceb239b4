"""Recipes on ImageNet, 224 pixels: ResNet-18 taught by torchvision's ResNet-34.

By MoCo's ResNet-50 where features are distilled without labels.
"""

from .recipe import Recipe

EXAMPLE, LSSKD = "PyTorch's ImageNet example", "LSSKD, section IV-A"
KD, SSKD = "torchdistill, KD on ImageNet", "torchdistill, SSKD on ImageNet"  # both ResNet-18 of ResNet-34
OPTIMIZER = Recipe(
    EXAMPLE,
    size=224,
    validation=0.0,
    width=1.0,
    augment="photographs",
    batch=256,
    optimizer="sgd",
    lr=0.1,
    momentum=0.9,
    nesterov=False,
    weight_decay=1e-4,
    decay_all=True,
    schedule="step",
    decay=0.1,
    warmup=0.0,
) | Recipe(KD, epochs=100, milestones=(0.3, 0.6, 0.9))


def classifier(model: str = "resnet18_imagenet", dataset: str = "imagenet") -> Recipe:
    """Train a network by labels alone."""
    return OPTIMIZER | Recipe(EXAMPLE, model=model, dataset=dataset)


def teacher(model: str = "resnet34_imagenet", dataset: str = "imagenet") -> Recipe:
    """Take the teacher of all tables: torchvision's weights as they are.

    ResNet-34 has 73.31 %.
    """
    return classifier(model, dataset) | Recipe("torchvision, IMAGENET1K_V1", pretrained=True, epochs=0)


def kd(model: str = "resnet18_imagenet", teacher: str = "resnet34_imagenet", dataset: str = "imagenet") -> Recipe:
    """Train a student of that teacher by KD at T = 1, half of it labels."""
    settings = Recipe(KD, hp={"T": 1.0}, weights={"ce": 0.5, "kd": 0.5}, teacher=_teacher(teacher, dataset))
    return classifier(model, dataset) | settings


def sskd_head(model: str = "resnet34_imagenet", dataset: str = "imagenet") -> Recipe:
    """Train SSKD's head on the teacher: 30 epochs of 85 images a batch.

    With their versions these are 340.
    """
    return classifier(model, dataset) | Recipe(
        SSKD,
        method="sskd_head",
        epochs=30,
        milestones=(10 / 30, 20 / 30),
        batch=85,
        weight_decay=5e-4,
        init=_teacher(model, dataset),
    )


def sskd(model: str = "resnet18_imagenet", teacher: str = "resnet34_imagenet", dataset: str = "imagenet") -> Recipe:
    """SSKD's student of that; cross-entropy has weight 1 here, 0.1 on CIFAR-100."""
    return classifier(model, dataset) | Recipe(
        SSKD, batch=85, weight_decay=5e-4, weights={"ce": 1.0}, teacher=sskd_head(teacher, dataset)
    )


def lsskd(model: str = "resnet18_imagenet", dataset: str = "imagenet") -> Recipe:
    """LSSKD: 240 epochs of 64 images, the text says, as on CIFAR-100.

    It pads by 4 pixels as there; the crops here are ImageNet's. Tables of the past, 64 probabilities a row,
    would take 5.6 GB.
    """
    text = Recipe(LSSKD, epochs=240, batch=64, lr=0.05, milestones=(150 / 240, 210 / 240))
    return classifier(model, dataset) | text | Recipe("reconstruction", weight_decay=5e-4, hp={"past": "snapshot"})


# The released code where it says them, else as reported: SEED's and MoCo's rates, epochs and decay
FEATURES = {
    "seed_kd": Recipe(
        "SEED", epochs=200, lr=0.03, schedule="cosine", hp={"T": 0.2, "T_teacher": 1e-4, "queue": 65_536}
    ),
    "compress": Recipe(
        "CompRess",
        epochs=130,
        lr=0.01,
        milestones=(90 / 130, 120 / 130),
        decay=0.2,
        hp={"T": 0.04, "momentum": 0.999, "queue": 128_000},
    ),
    "simreg": Recipe("SimReg", epochs=130, lr=0.05, schedule="cosine"),
}


def moco(model: str = "resnet50_imagenet", dataset: str = "imagenet") -> Recipe:
    """Pre-train the teacher of SEED, CompRess and SimReg: MoCo v2, 800 epochs."""
    hp = {"T": 0.2, "queue": 65_536, "momentum": 0.999, "splits": 8}
    return classifier(model, dataset) | Recipe("MoCo v2", method="moco", epochs=800, lr=0.03, schedule="cosine", hp=hp)


def feature_student(
    method: str, model: str = "resnet18_imagenet", teacher: str = "resnet50_imagenet", dataset: str = "imagenet"
) -> Recipe:
    """Distil that teacher's features into a student.

    SEED's views have SimCLR's jitter, crops of CompRess and SimReg keep 8 % and more, as `photographs` has them.
    """
    return classifier(model, dataset) | FEATURES[method] | Recipe("MoCo v2", teacher=moco(teacher, dataset))


_teacher = teacher  # a parameter has its name
