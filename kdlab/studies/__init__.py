"""Studies by name: questions, each a function of a notebook's parameters.

A new one is a file in chapters/ and its name in CHAPTERS.

STUDIES are the questions of the notebooks; what papers published stands in PUBLISHED, by the name of its table, and is
left out where all studies are listed, because most of it was never measured here.
"""

from importlib import import_module

from .papers import PUBLISHED
from .study import STUDIES, Study
from .verdicts import Question

CHAPTERS = (  # files of chapters/, in the order in which their studies are listed
    "tour",
    "labels",
    "pretraining",
    "distillation",
    "rivals",
    "scheduled",
    "sskd",
    "lsskd",
    "ablations",
    "photographs",
)
for _chapter in CHAPTERS:
    import_module(f".chapters.{_chapter}", __name__)

__all__ = ["PUBLISHED", "STUDIES", "Question", "Study"]
