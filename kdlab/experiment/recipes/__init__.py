"""Published recipes by method and preset.

A recipe is a function of what its paper varies (networks, data set).
"""

from collections.abc import Iterable
from functools import partial

from . import benchmark, imagenet, pretraining, rotations, self_distillation, stl10
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
    "label_smoothing": {"paper": self_distillation.PSKD},
    # no labels
    "simclr": {"short": partial(pretraining.short, "simclr"), "paper": partial(pretraining.long, "simclr")},
    "moco": {"short": partial(pretraining.short, "moco"), "paper": partial(pretraining.long, "moco")},
    "byol": {"short": partial(pretraining.short, "byol"), "paper": partial(pretraining.long, "byol")},
    "mokd": {"short": partial(pretraining.short, "mokd"), "paper": partial(pretraining.short, "mokd")},
    # a teacher's features, no labels
    **{
        key: {
            "paper": partial(pretraining.feature_student, key),
            "imagenet": partial(imagenet.feature_student, key),
        }
        for key in ("seed_kd", "compress", "simreg")
    },
    # a teacher
    "kd": {"paper": benchmark.pair, "imagenet": imagenet.kd},
    "scheduled_kd": {
        "paper": stl10.paper,
        "as_released": stl10.as_released,
        "early_stopping": partial(stl10.early_stopping, labels=4500, validation=0.1),
        "early_stopping_2500": partial(stl10.early_stopping, labels=2250, validation=0.05),
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
    "hsakd_teacher": {"paper": partial(rotations.joint_teacher, model="wrn_40_2")},
    "hsakd_branches": {"paper": rotations.frozen_teacher},
    "hsakd": {"paper": rotations.hsakd, "joint": partial(rotations.hsakd, phase=rotations.joint_teacher)},
    "tfkd_self": {"paper": self_distillation.tfkd_self},
    # itself
    "tfkd_reg": {"paper": self_distillation.tfkd_reg},
    "cskd": {"paper": self_distillation.CSKD},
    "pskd": {"paper": self_distillation.PSKD},
    "deep_supervision": {"paper": self_distillation.BYOT},
    "byot": {"paper": self_distillation.BYOT},
    "hsakd_online": {"paper": rotations.nesterov},
    "lsskd": {
        "paper": rotations.lsskd,
        "coc": partial(rotations.lsskd, cutout=8, cutmix=0.5),
        "imagenet": imagenet.lsskd,
    },
}


# The networks for which results were published: pairs of student and teacher, and networks without a teacher

# student, teacher: Tian et al. 2020 (CRD), tables 1 and 2
CRD = (
    ("wrn_16_2", "wrn_40_2"),
    ("wrn_40_1", "wrn_40_2"),
    ("resnet20", "resnet56"),
    ("resnet20", "resnet110"),
    ("resnet32", "resnet110"),
    ("resnet8x4", "resnet32x4"),
    ("vgg8", "vgg13"),
    ("mobilenet_v2_half", "vgg13"),
    ("mobilenet_v2_half", "resnet50"),
    ("vgg8", "resnet50"),
    ("shufflenet_v1", "resnet32x4"),
    ("shufflenet_v2", "resnet32x4"),
    ("shufflenet_v1", "wrn_40_2"),
)
# Xu et al. 2020 (SSKD): eleven of these
SSKD = tuple(pair for pair in CRD if pair[1] != "resnet110")
# Yang et al. 2021 (HSAKD), with a MobileNetV2 of higher resolution
HSAKD = (
    ("wrn_16_2", "wrn_40_2"),
    ("wrn_40_1", "wrn_40_2"),
    ("resnet20", "resnet56"),
    ("resnet8x4", "resnet32x4"),
    ("mobilenet_v2_half_highres", "vgg13_by_resolution"),
    ("mobilenet_v2_half_highres", "resnet50"),
    ("shufflenet_v1", "wrn_40_2"),
    ("shufflenet_v2", "resnet32x4"),
)
HSAKD_ONLINE = (
    "wrn_40_2",
    "wrn_40_1",
    "resnet56",
    "resnet32x4",
    "vgg13_by_resolution",
    "mobilenet_v2_half_highres",
    "shufflenet_v1",
    "shufflenet_v2",
)
# LSSKD, tables II to IV
LSSKD = (
    "wrn_16_2",
    "wrn_40_1",
    "resnet20",
    "resnet8x4",
    "shufflenet_v1",
    "shufflenet_v2",
    "resnet18",
    "resnet101",
    "mobilenet_v2_cifar",
    "resnet56",
    "wrn_40_2",
    "resnet50",
)
PSKD = ("preact_resnet18", "resnet101", "densenet121", "resnext29_8x64d")
# Tf-KD's ShuffleNetV2 is another network than CRD's
TFKD = ("resnet18", "mobilenet_v2_cifar", "densenet121", "resnext29_8x64d")
# Where stem and stages have equal channels
FSP = tuple(
    pair for pair in CRD if pair[0] in ("wrn_16_2", "resnet20", "resnet32", "resnet8x4") or pair == ("vgg8", "vgg13")
)
# Zhao et al. 2022
DKD = tuple(pair for pair in CRD if pair not in (("resnet20", "resnet110"), ("vgg8", "resnet50")))

_TEACHERS = [teacher for _, teacher in CRD]
_CRD_METHODS = ("kd", "fitnet", "at", "nst", "ab", "vid", "rkd", "sp", "cc", "pkt", "crd", "ft", "semckd")
Pair = tuple[str, str | None]


def _alone(models: Iterable[str]) -> tuple[Pair, ...]:
    return tuple((model, None) for model in dict.fromkeys(models))


# Method -> (student, teacher or None)
PAIRS: dict[str, tuple[Pair, ...]] = {
    "supervised": _alone([student for student, _ in CRD] + _TEACHERS),
    **dict.fromkeys(_CRD_METHODS, CRD),
    "ab_init": CRD,
    "fsp": FSP,
    "fsp_init": FSP,
    "dkd": DKD,
    "ft_paraphraser": _alone(_TEACHERS),
    "sskd": SSKD,
    "sskd_head": _alone(teacher for _, teacher in SSKD),
    "sskd_pretext": (),
    "sskd_pretext_head": (),  # for which pair the paper has them is not known
    "hsakd": HSAKD,
    "hsakd_online": _alone(HSAKD_ONLINE),
    **dict.fromkeys(("hsakd_teacher", "hsakd_branches"), _alone(teacher for _, teacher in HSAKD)),
    "lsskd": _alone(LSSKD),
    **dict.fromkeys(("pskd", "cskd", "label_smoothing"), _alone(PSKD)),
    "tfkd_self": _alone((*TFKD, "resnet50")),
    "tfkd_reg": _alone(TFKD),
    **dict.fromkeys(("byot", "deep_supervision"), _alone(("resnet18", "resnet50"))),
    **dict.fromkeys(("simclr", "moco", "byol", "mokd"), _alone(("resnet18",))),
    **dict.fromkeys(("seed_kd", "compress", "simreg"), ()),  # at 32 pixels nothing was published
    "litenet_ssd": (("litenet_dsc", "resnet18"),),
    "scheduled_kd": (("efficientnet_b0", "mobilenet_v2"),),
}
