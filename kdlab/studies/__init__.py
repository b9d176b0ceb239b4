"""Studies, by name: functions of a notebook's parameters. A new one is one file and one line, or a notebook cell.

STUDIES are the questions of the notebooks; what papers published stands in PUBLISHED, by the name of its table, and is
left out where all studies are told of, because most of it was never measured here.
"""

from collections.abc import Callable

from .ablate_litenet_ssd import ablate_litenet_ssd
from .ablate_lsskd import ablate_lsskd
from .ablate_scheduled import ablate_scheduled
from .ablate_sskd import ablate_sskd
from .ablate_views import ablate_views
from .distillation import distillation
from .label_budgets import label_budgets
from .lsskd import lsskd
from .noise import noise
from .omitted import omitted
from .papers import PUBLISHED
from .pretraining import pretraining
from .real_images import real_images
from .rivals import rivals
from .scheduled import scheduled
from .simclr_forms import simclr_forms
from .sskd import sskd
from .study import Study
from .tour import tour
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
