"""The table of methods: what each transfers, its loss terms and weights, and what it costs for a given pair."""

import re

import pandas as pd
import torch

from .errors import Error
from .methods import METHODS, Method
from .models import Network, build


def catalogue(
    student: str = "wrn_16_2", teacher: str = "wrn_40_2", classes: int = 100, samples: int = 50_000, batch: int = 64,
    size: int = 32,
) -> pd.DataFrame:  # fmt: skip
    """One row per method, with what it needs for this pair of networks and this training set (by default CIFAR-100).

    `extra parameters` are trained beside the student and dropped afterwards; `memory` is everything that the method
    holds beside the student in MB: those parameters, queues, tables, memories, copies. Where a pair does not fit, both
    give way to the sentence that says why. Nothing is allocated.
    """
    labels = torch.arange(samples) % classes
    rows = {}
    with torch.device("meta"):
        teaching = build(teacher, classes)
        for key, method in METHODS.items():
            rows[key] = {
                **dict(zip(("paper", "year"), _reference(method.paper), strict=True)),
                "learns from": method.transfers,
                "loss": " + ".join(f"{weight:g} {term}" for term, weight in method.weights.items() if weight),
                **_cost(method, build(student, classes), teaching, labels, batch, size),
            }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
    return frame.astype({"extra parameters": "Int64"})


def _reference(paper: str) -> tuple[str, str]:
    """Authors (or the paper's short name) and year."""
    found = re.fullmatch(r"(.+?)(?:, [A-Za-z]+)? ?,? ?((?:19|20)\d\d).*", paper)
    return found.groups() if found else (paper, "")


def _cost(cls: type[Method], student: Network, teacher: Network, labels: torch.Tensor, batch: int, size: int) -> dict:
    parts = {}
    for part in cls.needs_parts:
        keeper = next(m for m in METHODS.values() if part in m.keeps and m.trains_head and not m.needs_teacher)
        parts[part] = keeper(teacher).parts[part]
    try:
        method = cls(
            student, teacher if cls.needs_teacher else None, teacher_parts=parts, labels=labels, batch=batch,
            shape=(3, size, size),
        )  # fmt: skip
    except Error as error:
        return {"extra parameters": None, "memory": None, "refused": str(error)}
    own = {p for p in student.parameters()}
    extra = sum(p.numel() for p in method.parameters() if p.requires_grad and p not in own)
    held = [*method.parameters(), *method.buffers()]
    mine = {id(t) for t in (*student.parameters(), *student.buffers())}
    megabytes = sum(t.numel() * t.element_size() for t in held if id(t) not in mine) / 1e6
    return {"extra parameters": extra, "memory": round(megabytes, 1)}


def markdown(frame: pd.DataFrame) -> str:
    """The catalogue as the README's table."""
    lines = ["| method | paper | learns from | loss | extra parameters | memory, MB |", "|---|---|---|---|---:|---:|"]
    for key, row in frame.iterrows():
        lines.append(
            f"| `{key}` | {row.paper} {row.year} | {row['learns from']} | {row.loss} | {row['extra parameters']:,.0f} | {row.memory:,.1f} |"
        )
    return "\n".join(lines)
