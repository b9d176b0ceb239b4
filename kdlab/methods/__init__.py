"""Training methods, by name. A new method is one file and one line here; a notebook adds its own to the same table."""

from .base import Distill, Method
from .byol import BYOL
from .hsakd import HSAKD
from .hsakd_teacher import HSAKDBranches, HSAKDTeacher
from .kd import KD
from .litenet_ssd import LiteNetSSD
from .lsskd import LSSKD
from .moco import MoCo
from .scheduled_kd import ScheduledKD
from .simclr import SimCLR
from .sskd import SSKD
from .sskd_head import SSKDHead
from .supervised import Supervised

METHODS: dict[str, type[Method]] = {
    "byol": BYOL,
    "hsakd": HSAKD,
    "hsakd_branches": HSAKDBranches,
    "hsakd_teacher": HSAKDTeacher,
    "kd": KD,
    "litenet_ssd": LiteNetSSD,
    "lsskd": LSSKD,
    "moco": MoCo,
    "scheduled_kd": ScheduledKD,
    "simclr": SimCLR,
    "sskd": SSKD,
    "sskd_head": SSKDHead,
    "supervised": Supervised,
}

__all__ = ["METHODS", "Distill", "Method"]
