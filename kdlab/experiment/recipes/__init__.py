"""Published recipes by method and preset.

A recipe is a function of what its paper varies (networks, data set).
"""

from functools import partial

from . import benchmark, imagenet, pretraining, rotations, self_distillation, stl10
from .pairs import PAIRS
from .recipe import Preset, Recipe

# Method -> preset -> recipe. A method of which nothing was published needs no entry: its preset "paper" is the
# benchmark's then (see `presets.recipe`).
RECIPES: dict[str, dict[str, Preset]] = {
    # labels
    "supervised": {
        "paper": benchmark.classifier,
        "imagenet": imagenet.classifier,
        "imagenet_teacher": imagenet.teacher,
        "finetune": pretraining.fine_tuning,
        "stl10": stl10.clean_teacher,
        "as_released": stl10.released_teacher,
    },
    "label_smoothing": {"paper": self_distillation.pskd},
    # no labels
    "simclr": {"short": partial(pretraining.short, "simclr"), "paper": partial(pretraining.long, "simclr")},
    "moco": {"short": partial(pretraining.short, "moco"), "paper": partial(pretraining.long, "moco")},
    "byol": {"short": partial(pretraining.short, "byol"), "paper": partial(pretraining.long, "byol")},
    "mokd": {"short": partial(pretraining.short, "mokd"), "paper": partial(pretraining.short, "mokd")},
    # a teacher
    "kd": {"paper": benchmark.pair, "imagenet": imagenet.kd},
    "scheduled_kd": {
        "paper": stl10.paper,
        "as_released": stl10.as_released,
        "early_stopping": stl10.early_stopping,
        "early_stopping_2500": stl10.early_stopping_2500,
    },
    "dkd": {"paper": benchmark.decoupled},
    **{key: {"paper": benchmark.pair} for key in ("fitnet", "at", "nst", "vid", "rkd", "sp", "cc", "pkt", "semckd")},
    "crd": {"paper": partial(benchmark.pair, hp={"negatives": 16_384})},
    "ab_init": {"paper": partial(benchmark.first_phase, "ab_init")},
    "ab": {"paper": partial(benchmark.second_phase, "ab_init")},
    "fsp_init": {"paper": partial(benchmark.first_phase, "fsp_init", model="resnet20", teacher="resnet56")},
    "fsp": {"paper": partial(benchmark.second_phase, "fsp_init", model="resnet20", teacher="resnet56")},
    "ft_paraphraser": {"paper": benchmark.paraphraser},
    "ft": {"paper": benchmark.factor_transfer},
    "litenet_ssd": {
        "paper": pretraining.litenet,
        "cifar10": pretraining.litenet,
        "mnist": partial(pretraining.litenet, dataset="mnist"),
    },
    "sskd_head": {"paper": rotations.sskd_head, "imagenet": imagenet.sskd_head},
    "sskd": {
        "paper": rotations.sskd,
        "as_code": rotations.sskd,
        "imagenet": imagenet.sskd,
        "as_written": partial(rotations.sskd, weights={"tf": 10.0, "ss": 2.7}),
    },
    "sskd_pretext_head": {"paper": rotations.sskd_pretext_head},
    "sskd_pretext": {"paper": rotations.sskd_pretext},
    "hsakd_teacher": {"paper": rotations.joint_teacher},
    "hsakd_branches": {"paper": rotations.frozen_teacher},
    "hsakd": {"paper": rotations.hsakd, "joint": rotations.hsakd_joint},
    "tfkd_self": {"paper": self_distillation.tfkd_self},
    # itself
    "tfkd_reg": {"paper": self_distillation.tfkd_reg},
    "cskd": {"paper": self_distillation.cskd},
    "pskd": {"paper": self_distillation.pskd},
    "deep_supervision": {"paper": self_distillation.byot},
    "byot": {"paper": self_distillation.byot},
    "hsakd_online": {"paper": rotations.hsakd_online},
    "lsskd": {"paper": rotations.lsskd, "coc": rotations.lsskd_coc, "imagenet": imagenet.lsskd},
}
