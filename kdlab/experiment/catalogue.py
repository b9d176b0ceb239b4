"""The table of methods: what each needs, its loss, and what it costs.

The cost is for a pair of networks.
"""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch

from ..core.errors import Error
from ..data import ImageSet
from ..methods import METHODS, Method, keepers
from .config import Config
from .setup import Foundation, build_method, check_room


def pipeline(method: str, student: Mapping[str, Any], teacher: Mapping[str, Any], **fields: Any) -> Config:
    """Return the shortest chain that ends in a run of `method`.

    It is made from Config fields of its student and of its teacher, if any.

    `fields` belong to the last run alone.
    """
    cls, stages = METHODS[method], {}
    if cls.first_phase:
        stages["init"] = pipeline(cls.first_phase, student, teacher)
    elif cls.needs_init:
        stages["init"] = Config(**student)
    if cls.needs_teacher:
        stages["teacher"] = Config(**teacher)
    for part in cls.needs_parts:
        keeper = next(name for name in keepers(part) if METHODS[name].needs_init)
        stages["teacher"] = Config(**{**teacher, "method": keeper, "init": Config(**teacher)})
    return Config(**{**student, **stages, "method": method, **fields})


def catalogue(
    student: str = "wrn_16_2",
    teacher: str = "wrn_40_2",
    classes: int = 100,
    samples: int = 50_000,
    batch: int = 64,
    size: int = 32,
) -> pd.DataFrame:
    """Tabulate what each method needs for a pair of networks and a training set.

    There is one row per method; the training set is CIFAR-100's by default.

    `extra parameters` are trained beside the student and dropped afterwards; `memory` is everything that the method
    holds beside the student in MB: those parameters, queues, tables, memories, copies. Where a pair does not fit, both
    give way to the sentence that says why. Nothing is allocated.
    """
    blank = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    names, y = tuple(map(str, range(classes))), torch.arange(samples) % classes
    images = ImageSet("blank", names, blank, y[:1], blank, y[:1], "colour", mean=(0.5,) * 3, std=(0.5,) * 3)
    common = {"width": 1.0, "batch": batch}
    rows, known = {}, dict[str, Method]()
    for key, method in METHODS.items():
        config = pipeline(key, {**common, "model": student}, {**common, "model": teacher})
        # Authors (or the paper's short name) and year
        match = re.fullmatch(r"(.+?)(?:, [A-Za-z]+)? ?,? ?((?:19|20)\d\d).*", method.paper)
        paper, year = match.groups() if match else (method.paper, "")
        rows[key] = {"paper": paper, "year": year, "learns from": method.learns_from, "loss": loss_text(method)}
        try:
            built = _untrained(config, images, y, known)
        except Error as error:
            rows[key] |= {"extra parameters": None, "memory": None, "refused": str(error)}
            continue
        of_model = set(built.model.parameters())
        extra = sum(p.numel() for p in built.parameters() if p.requires_grad and p not in of_model)
        rows[key] |= {"extra parameters": extra, "memory": round(built.held_megabytes, 1)}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
    return frame.astype({"extra parameters": "Int64"})


def loss_text(method: type[Method]) -> str:
    """Return the weighted sum of a method's terms, as text."""
    return " + ".join(f"{weight:g} {term}" for term, weight in method.weights.items() if weight)


def _untrained(config: Config, images: ImageSet, labels: torch.Tensor, known: dict[str, Method]) -> Method:
    """Build a run's method on the meta device; `known` caches those of its chain."""
    foundations = {}
    for role, stage in config.nested.items():
        if (key := repr(stage)) not in known:
            known[key] = _untrained(stage, images, labels, known)
        foundations[role] = Foundation(known[key].model, known[key].parts)
    with torch.device("meta"):
        method = build_method(config, images, labels, foundations, "meta")
    check_room(config.method, method, "cpu")
    return method


def markdown(frame: pd.DataFrame) -> str:
    """Format the catalogue as a table of a page."""
    lines = ["| method | paper | learns from | loss | extra parameters | memory, MB |", "|---|---|---|---|---:|---:|"]
    for key, row in frame.iterrows():
        cost = f"{row['extra parameters']:,.0f} | {row.memory:,.1f}"
        lines.append(f"| `{key}` | {row.paper} {row.year} | {row['learns from']} | {row.loss} | {cost} |")
    return "\n".join(lines)
