"""Studies, by name: functions of a notebook's parameters. A new one is one file and one line, or a notebook cell.

STUDIES are the questions of the notebooks; what papers published stands in PUBLISHED, by the name of its table, and is
left out where all studies are told of, because most of it was never measured here.
"""

from collections.abc import Callable

from .chapters.ablate_litenet_ssd import ablate_litenet_ssd
from .chapters.ablate_lsskd import ablate_lsskd
from .chapters.ablate_scheduled import ablate_scheduled
from .chapters.ablate_sskd import ablate_sskd
from .chapters.ablate_views import ablate_views
from .chapters.distillation import distillation
from .chapters.label_budgets import label_budgets
from .chapters.labels import noise
from .chapters.lsskd import lsskd
from .chapters.omitted import omitted
from .chapters.photographs import real_images
from .chapters.pretraining import pretraining
from .chapters.rivals import rivals
from .chapters.scheduled import scheduled
from .chapters.simclr_forms import simclr_forms
from .chapters.sskd import sskd
from .chapters.tour import tour
from .papers import PUBLISHED
from .study import Study
from .verdicts import Question

STUDIES: dict[str, Callable[..., Study]] = {
    "tour": tour,
    "label_budgets": label_budgets,
    "real_images": real_images,
    "noise": noise,
    "pretraining": pretraining,
    "simclr_forms": simclr_forms,
    "omitted": omitted,
    "distillation": distillation,
    "rivals": rivals,
    "scheduled": scheduled,
    "sskd": sskd,
    "lsskd": lsskd,
    "ablate_litenet_ssd": ablate_litenet_ssd,
    "ablate_sskd": ablate_sskd,
    "ablate_lsskd": ablate_lsskd,
    "ablate_scheduled": ablate_scheduled,
    "ablate_views": ablate_views,
}

__all__ = ["PUBLISHED", "STUDIES", "Question", "Study"]
