"""Training methods, by name.

A new method is one file, its import and its line in METHODS; a notebook adds its own to the same table.

What the texts of the methods take for granted: B images a batch, K classes, T a temperature, E epochs; logits z (B, K),
feature maps F (B, C, H, W); `ce` is the cross-entropy with the labels, mean over labelled images; KL sums over classes
and is a mean over images; s is the student, t the teacher, which gets no gradient. RepDistiller is the code of the
CIFAR benchmark (Tian et al. 2020, CRD). A *reconstruction* fills in what a paper does not say.
"""

from .ab import AB, ABInit
from .at import AT
from .base import Distill, Method
from .byol import BYOL
from .byot import BYOT
from .cc import CC
from .compress import CompRess
from .crd import CRD
from .cskd import CSKD
from .deep_supervision import DeepSupervision
from .dkd import DKD
from .fitnet import FitNet
from .fsp import FSP, FSPInit
from .ft import FT, FTParaphraser
from .hsakd import HSAKD, HSAKDBranches, HSAKDOnline, HSAKDTeacher
from .kd import KD
from .label_smoothing import LabelSmoothing
from .litenet_ssd import LiteNetSSD
from .lsskd import LSSKD
from .moco import MoCo
from .mokd import MOKD
from .nst import NST
from .pixels import Pixels
from .pkt import PKT
from .probe import Probe
from .pskd import PSKD
from .rkd import RKD
from .scheduled_kd import ScheduledKD
from .seed_kd import SEED
from .semckd import SemCKD
from .simclr import SimCLR
from .simreg import SimReg
from .sp import SP
from .sskd import SSKD, SSKDHead
from .sskd_pretext import SSKDPretext, SSKDPretextHead
from .supervised import Supervised
from .tfkd import TfKDReg, TfKDSelf
from .vid import VID

METHODS: dict[str, type[Method]] = {
    # labels
    "supervised": Supervised,
    "label_smoothing": LabelSmoothing,
    "probe": Probe,
    # no labels
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "mokd": MOKD,
    # a teacher's features, no labels
    "seed_kd": SEED,
    "compress": CompRess,
    "simreg": SimReg,
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
    "ft_paraphraser": FTParaphraser,
    "ft": FT,
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
    "sskd_pretext_head": SSKDPretextHead,
    "sskd_pretext": SSKDPretext,
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
    # nothing: the control
    "pixels": Pixels,
}


def keepers(part: str) -> list[str]:
    """Return the keys of the methods that keep `part` and train a classifier.

    They come in the order of METHODS.

    A method that names this part in `needs_parts` can be taught by each of them. The first needs no teacher itself.
    """
    return [key for key, method in METHODS.items() if part in method.keeps and method.trains_head]
