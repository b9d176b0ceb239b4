"""Training methods, by name. A new method is one file and one line here; a notebook adds its own to the same table."""

from .ab import AB, ABInit
from .at import AT
from .base import Distill, Method
from .byol import BYOL
from .byot import BYOT
from .cc import CC
from .crd import CRD
from .cskd import CSKD
from .deep_supervision import DeepSupervision
from .dkd import DKD
from .fitnet import FitNet
from .fsp import FSP, FSPInit
from .hsakd import HSAKD
from .hsakd_online import HSAKDOnline
from .hsakd_teacher import HSAKDBranches, HSAKDTeacher
from .kd import KD
from .label_smoothing import LabelSmoothing
from .litenet_ssd import LiteNetSSD
from .lsskd import LSSKD
from .moco import MoCo
from .mokd import MOKD
from .nst import NST
from .pkt import PKT
from .pskd import PSKD
from .rkd import RKD
from .scheduled_kd import ScheduledKD
from .semckd import SemCKD
from .simclr import SimCLR
from .sp import SP
from .sskd import SSKD
from .sskd_head import SSKDHead
from .supervised import Supervised
from .tfkd_reg import TfKDReg
from .tfkd_self import TfKDSelf
from .vid import VID

METHODS: dict[str, type[Method]] = {
    # labels
    "supervised": Supervised,
    "label_smoothing": LabelSmoothing,
    # no labels
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "mokd": MOKD,
    # a teacher
    "kd": KD,
    "scheduled_kd": ScheduledKD,
    "dkd": DKD,
    "fitnet": FitNet,
    "at": AT,
    "nst": NST,
    "ab_init": ABInit,
    "ab": AB,
    "fsp_init": FSPInit,
    "fsp": FSP,
    "vid": VID,
    "rkd": RKD,
    "sp": SP,
    "cc": CC,
    "pkt": PKT,
    "crd": CRD,
    "semckd": SemCKD,
    "litenet_ssd": LiteNetSSD,
    "sskd_head": SSKDHead,
    "sskd": SSKD,
    "hsakd_teacher": HSAKDTeacher,
    "hsakd_branches": HSAKDBranches,
    "hsakd": HSAKD,
    "tfkd_self": TfKDSelf,
    # itself
    "tfkd_reg": TfKDReg,
    "cskd": CSKD,
    "pskd": PSKD,
    "deep_supervision": DeepSupervision,
    "byot": BYOT,
    "hsakd_online": HSAKDOnline,
    "lsskd": LSSKD,
}

__all__ = ["METHODS", "Distill", "Method"]
