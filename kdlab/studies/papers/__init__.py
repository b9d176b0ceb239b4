"""Published experiments as studies, by the name of their table or figure."""

from collections.abc import Callable
from functools import partial

from .cells import Cell
from .compact import components, ordering, scheduled
from .lsskd import coc, figure_5, figure_6, hold_out
from .published import TABLES
from .replication import Replication
from .sskd import few_shot, noisy, selective, terms
from .sskd_pretext import linear, pretext, transformations
from .tables import SPECS, table

_OTHERS: dict[str, Callable[..., Replication]] = {
    "litenet-ssd/ordering": ordering,
    "litenet-ssd/components": components,
    "ss-kd/2500": partial(scheduled, 2500),
    "ss-kd/5000": partial(scheduled, 5000),
    "lsskd/figure-5": figure_5,
    "lsskd/figure-6": figure_6,
    "lsskd/coc": coc,
    "lsskd/hold-out": hold_out,
    "sskd/few-shot": few_shot,
    "sskd/noisy": noisy,
    "sskd/terms": terms,
    "sskd/selective": selective,
    "sskd/pretext": pretext,
    "sskd/transformations": transformations,
    "sskd/linear": linear,
}
_EVERY: dict[str, Callable[..., Replication]] = {**{name: partial(table, name) for name in SPECS}, **_OTHERS}
_PAPERS = ("litenet-ssd", "ss-kd", "lsskd", "sskd", "crd", "hsakd", "after-crd")
PUBLISHED = {name: _EVERY[name] for paper in _PAPERS for name in _EVERY if name.partition("/")[0] == paper}

PRINTED = {name: about for name, about in TABLES.items() if name not in PUBLISHED}  # which no study repeats

__all__ = ["PRINTED", "PUBLISHED", "Cell", "Replication"]
