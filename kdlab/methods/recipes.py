"""Training recipes that several methods were published with: Config fields, for the methods' presets."""

from typing import Any

Recipe = dict[str, Any]

# The recipe of the CIFAR benchmark, Tian et al. 2020 (CRD) and its successors; 0.01 for MobileNetV2 and the ShuffleNets
CRD: Recipe = {
    "epochs": 240, "batch": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
    "schedule": "step", "milestones": (150 / 240, 180 / 240, 210 / 240), "decay": 0.1, "warmup": 0.0,
}  # fmt: skip

# lightly's CIFAR-10 benchmark of self-supervised methods: lr 0.06 per 128 images
LIGHTLY: Recipe = {
    "epochs": 200, "batch": 512, "optimizer": "sgd", "lr": 0.24, "momentum": 0.9, "weight_decay": 5e-4,
    "schedule": "cosine", "warmup": 0.0,
}  # fmt: skip

# What solo-learn's CIFAR recipes share; 10 of the 1,000 epochs warm up
SOLO_LEARN: Recipe = {
    "epochs": 1000, "batch": 256, "optimizer": "lars", "momentum": 0.9, "weight_decay": 1e-4, "decay_all": False,
    "schedule": "cosine", "warmup": 0.01,
}  # fmt: skip

# LiteNet-SSD, *reconstruction*: the student, and the teacher's fine-tuning, whose new classifier learns ten times faster
LITENET: Recipe = {
    "model": "litenet_dsc", "epochs": 200, "batch": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9,
    "nesterov": True, "weight_decay": 5e-4, "schedule": "cosine", "warmup": 0.0,
}  # fmt: skip
FINE_TUNING: Recipe = {
    "epochs": 100, "batch": 128, "optimizer": "sgd", "lr": 0.01, "head_lr": 10.0, "momentum": 0.9, "nesterov": True,
    "weight_decay": 5e-4, "schedule": "cosine", "warmup": 0.0,
}  # fmt: skip

# SS-KD, from the released script: what teacher and student share, and the flaws that "as_released" repeats
STL10: Recipe = {
    "dataset": "stl10", "size": 96, "batch": 32, "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant",
    "warmup": 0.0,
}  # fmt: skip
STL10_TEACHER: Recipe = {**STL10, "model": "mobilenet_v2", "epochs": 25, "lr": 5e-4}
STL10_STUDENT: Recipe = {**STL10, "model": "efficientnet_b0", "epochs": 30, "lr": 1e-3, "patience": 5}
AS_RELEASED: Recipe = {"validation": 0.0, "augment": "as_released", "normalise": False}
