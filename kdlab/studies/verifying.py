"""Train rows of evidence again, and compare every digit."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..core.places import PACKAGE, environment, figures_root, runs_root
from ..engine.identity import far_code, hash_of, reseeded
from ..engine.sweep import Failed, Outcome, run_all
from ..experiment.config import Config
from . import evidence
from .restamping import NUMBERS, changes, check_checkout, identified, output
from .tuning import Run

COLUMNS = ["system", "seed", "rows", "holds", "moved", "processor"]
UNREPEATED = "not repeated"  # how `moved` begins where nothing could be trained
Row = Mapping[str, Any]


class Group(NamedTuple):
    """Rows of a system that one code measured, and those that are trained again."""

    system: str
    rows: Sequence[Row]
    repeated: Sequence[Row]


def verify(
    study: str,
    systems: Mapping[str, Config],
    run: Run = run_all,
    repeat: int = 0,
    old: Path | None = None,
    folder: Path | None = None,
) -> pd.DataFrame:
    """Train rows again and compare all their digits, by system and seed.

    Of the rows that have a system's settings and came from other code than today's, the smallest seed of each code is
    trained anew; with `repeat` the so many smallest seeds of every system are, whatever their code. Where every metric
    of a code's rows agrees, all rows of that code are stamped with today's. Else they stay as they are, and `moved`
    says which metrics are others, before and after, or why nothing could be trained: the data are not here, say.
    Processors of two kinds round differently, and training amplifies that: `processor` is the one that a row names,
    empty where it names none.

    With `old`, a checkout of older code, that code trains the same runs here, and metrics and weights are compared with
    these instead of the rows, which stay as they are: on any processor that shows whether the code moved a number.

    Runs go into `folder`, which is kept, so that a second call goes on; by default into one that is removed at the end.
    """
    if old is not None:
        check_checkout(old)
    rows, far = evidence.load(study), far_code()
    now = evidence.measured(systems, rows)
    groups = [each for name, about in now.items() for each in _groups(name, about, rows, far, repeat)]
    repeated = [row for group in groups for row in group.repeated]
    configs = [systems[row["system"]].seeded(int(row["seed"])) for row in repeated]
    with _separate(folder) as path:
        before, outcomes = _trained(configs, run, old, path)
        moved = list(map(_moved, repeated, before, outcomes))
    remaining, table = iter(moved), list[dict[str, Any]]()
    for group in groups:
        differences = [next(remaining) for _ in group.repeated]
        code = evidence.code(now[group.system], far)
        if old is None and not any(differences) and group.rows[0]["code"] != code:
            about = now[group.system]
            evidence.stamp(study, [{**row, "identity": identified(about, row), "code": code} for row in group.rows])
        for row, difference in zip(group.repeated, differences, strict=True):
            name = row.get("processor")
            facts = (group.system, int(row["seed"]), len(group.rows), not difference, difference)
            table.append(dict(zip(COLUMNS, (*facts, name if isinstance(name, str) else ""), strict=True)))
    return pd.DataFrame(table, columns=COLUMNS)


def _groups(system: str, about: Row, rows: pd.DataFrame, far: Mapping[str, str], repeat: int) -> Iterator[Group]:
    """Yield the rows of a system's settings by their code, where some are due."""
    today, by_code = evidence.code(about, far), dict[str, list[Row]]()
    for row in evidence.records(rows, system):
        if hash_of(evidence.settings(reseeded(about, int(row["seed"])))) == row["settings"]:
            by_code.setdefault(row["code"], []).append(row)
    current = by_code.pop(today, [])
    done = {row["seed"] for row in current}
    older = [[row for row in group if row["seed"] not in done] for group in by_code.values()]
    due = sorted({row["seed"] for group in (current, *older) for row in group})[:repeat]
    for group in (current, *older):
        first = group[: 0 if group is current else 1]
        if repeated := [row for row in group if row["seed"] in due] or first:
            yield Group(system, group, repeated)


@contextmanager
def _separate(folder: Path | None) -> Iterator[Path]:
    """Let runs lie in a folder of their own: stored ones may come from older code."""
    path = folder or kept_folder()
    with environment(KDLAB_RUNS=str(path), KDLAB_FIGURES=str(figures_root())):
        yield path
    if folder is None:
        shutil.rmtree(path, ignore_errors=True)


def kept_folder() -> Path:
    """Return where runs of a check by today's code lie, until it is complete."""
    return runs_root() / f"verify-{hash_of(far_code())}"


def _trained(
    configs: Sequence[Config], run: Run, old: Path | None, folder: Path
) -> tuple[list[dict[str, Any] | None], list[Outcome | dict[str, Any]]]:
    """Train runs with today's code, and with older code; return what is compared.

    Without older code: None for each, and outcomes. With it, NUMBERS of both; a run that failed has its outcome.
    """
    if old is None or not configs:
        return [None] * len(configs), list(run(configs))
    texts = [config.model_dump(mode="json") for config in configs]
    with ThreadPoolExecutor(1) as thread:
        before = thread.submit(output, old, NUMBERS, json.dumps(texts), folder / "older")
        outcomes: list[Outcome | dict[str, Any]] = list(run(configs))
        trained = [i for i, outcome in enumerate(outcomes) if not isinstance(outcome, Failed)]
        after = output(PACKAGE.parent, NUMBERS, json.dumps([texts[i] for i in trained]), folder)
    for i, numbers in zip(trained, after, strict=True):
        outcomes[i] = numbers
    return list(before.result()), outcomes


def _moved(row: Row, before: dict[str, Any] | None, outcome: Outcome | dict[str, Any]) -> str:
    """Return what differs from a row or older numbers, or why there is no run."""
    if isinstance(outcome, Failed):
        return f"{UNREPEATED}: {outcome.message}"
    if isinstance(outcome, dict):
        return ", ".join(changes(before or {}, outcome))
    new = evidence.row(row["system"], outcome)
    metrics = [name for name in new if name.startswith(("test/", "val/")) and name in row]
    metrics.sort(key=lambda name: not name.startswith("test/"))
    return ", ".join(
        f"{name} {row[name]:g} -> {new[name]:g}" for name in metrics if f"{row[name]:.6g}" != f"{new[name]:.6g}"
    )
