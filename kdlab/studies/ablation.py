"""Ablations: a whole without each of its parts, and each of its parts alone.

Beside them what several studies need: a baseline that sees as many images, and sizes of images.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..core.errors import Error
from ..experiment.config import Config
from .control import PIXELS, against_pixels, pixels
from .study import Study
from .verdicts import Question

Change = Mapping[str, Any]  # fields of Config; weights and hp are laid over those that are there
Cells = Mapping[str, tuple[Change, Change]]
CELL = re.compile(r"(?P<row>.+) = (?P<at_row>[\d.]+), (?P<column>.+) = (?P<at_column>[\d.]+)")


def changed(config: Config, *changes: Change) -> Config:
    """Return the config with each change laid over it."""
    for change in changes:
        laid = {name: {**getattr(config, name), **change[name]} for name in ("weights", "hp") if name in change}
        config = config.replace(**{**change, **laid})
    return config


def ablation(
    name: str,
    question: str,
    whole: Config,
    parts: Mapping[str, Change],
    others: Mapping[str, Change],
    cells: Cells | None = None,
    rates: Sequence[float] = (),
    lr: Mapping[str, float] | None = None,
) -> Study:
    """Return a study of what earns its place in `whole`.

    `parts` are switched off by their change: one at a time ("without X"), all at once ("bare"), and all but one ("only
    X"); what is left has a learning rate of its own, tuned over `rates`, and `lr` says which was chosen for a system.
    `others` are settings that are exchanged for the whole's own, and `cells`, named "A = 1, B = 2", a grid of two
    settings, which `cells_of` reads: these keep the whole's rate. The control is `pixels`.
    """
    every, chosen = list(parts.values()), lr or {}
    whole = whole.replace(lr=chosen.get("whole", whole.lr))
    systems = {"whole": whole, "bare": changed(whole, *every)}
    if len(parts) > 1:
        systems |= {f"without {part}": changed(whole, off) for part, off in parts.items()}
    if len(parts) > 2:  # of two, the bare with one is the whole without the other
        for part, change in parts.items():
            systems[f"only {part}"] = changed(whole, *(off for off in every if off is not change))
    systems = {system: config.replace(lr=chosen.get(system, config.lr)) for system, config in systems.items()}
    grid = {system: {"lr": rates} for system in systems} if rates else {}
    systems |= {other: changed(whole, change) for other, change in others.items()}
    systems |= {cell: changed(whole, *both) for cell, both in (cells or {}).items()}
    systems[PIXELS] = pixels(whole)
    questions = [Question("Is the whole better than none of its parts?", "whole", "bare")]
    questions += [
        Question(f"Does the whole need {part}?", "whole", f"without {part}")
        for part in parts
        if f"without {part}" in systems
    ]
    questions += [
        Question(f"Is the bare better with {part}?", f"only {part}", "bare")
        for part in parts
        if f"only {part}" in systems
    ]
    questions += [Question(f"Is it better with {other}?", other, "whole") for other in others]
    questions += against_pixels(systems, ["whole", "bare"])
    shown = [system for system in systems if not CELL.fullmatch(system)]
    return Study(name, question, systems, questions, grid=grid, shown=shown)


def crossed(row: str, rows: Mapping[float, Change], column: str, columns: Mapping[float, Change]) -> Cells:
    """Return all pairs of two settings as the `cells` of an ablation."""
    return {
        f"{row} = {at_row:g}, {column} = {at_column:g}": (above, left)
        for at_row, above in rows.items()
        for at_column, left in columns.items()
    }


def cells_of(study: Study, metric: str = "test/accuracy") -> pd.DataFrame:
    """Return means over seeds of a study's grid of two settings, a row a value."""
    scores, grid = study.scores(metric), {}
    measured = {system: cell for system in study.systems if (cell := CELL.fullmatch(system)) and system in scores}
    if not measured:
        raise Error(f"study {study.name} has no evidence of two settings crossed")
    for system, cell in measured.items():
        grid.setdefault(float(cell["at_row"]), {})[float(cell["at_column"])] = scores[system].mean()
    cell = next(iter(measured.values()))
    return pd.DataFrame(grid).T.rename_axis(index=cell["row"], columns=cell["column"])


def worth(study: Study) -> pd.DataFrame:
    """Return what each part is worth beside what it costs, a row a part.

    Worth: by how much the whole is better than without it, and by how much it alone is better than the bare, with 95 %
    intervals, paired by seed. Cost: of the whole's CPU time the share that is saved without the part (medians over
    seeds; below 0 where noise decides), and by how many trained parameters it is the smaller.
    """
    answers = {(row["system"], row["minus"]): row for row in study.answers().to_dict("records")}
    costs = study.rows().groupby("system")[["cpu_seconds", "trained_parameters"]].median().to_dict("index")
    whole, rows = costs["whole"], {}
    for part in (name.removeprefix("without ") for name in study.systems if name.startswith("without ")):
        ways = {"left out": ("whole", f"without {part}"), "added": (f"only {part}", "bare")}
        measured = {way: answers[pair] for way, pair in ways.items() if pair in answers}
        without = costs[f"without {part}"]
        rows[part] = {
            **{f"points, {way}": row["difference"] for way, row in measured.items()},
            **{f"± 95 %, {way}": row["± 95 %"] for way, row in measured.items()},
            "CPU time, %": 100 * (1 - without["cpu_seconds"] / whole["cpu_seconds"]),
            "parameters": int(whole["trained_parameters"] - without["trained_parameters"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")


def with_images(config: Config, times: int, **fields: object) -> Config:
    """Return the run with so many times the images a step, in as many steps.

    Where an epoch is one pass over the images, larger batches make it shorter, and there are as many times more epochs.
    """
    longer = {} if config.steps else {"epochs": times * config.epochs}
    return config.replace(batch=times * config.batch, **longer, **fields)


def one_size(dataset: str) -> int | None:
    """Return pixels per side for folders of images, whose sizes may differ.

    None where a data set has its own.
    """
    return 16 if dataset.startswith(("folder:", "photographs:")) else None
