"""Tables: all runs, and groups of runs with confidence intervals."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import Error, known, machine_errors
from ..core.formats import HALF
from ..core.places import runs_root
from ..core.settings import flat
from ..core.statistics import interval, summary, tidy, wilson
from ..experiment.config import Config
from ..methods import METHODS
from ..metrics import METRICS
from .identity import changed_rooms, defaults, far_code, hash_of, method_code, metric_code, reseeded
from .reading import ROLES, Stored, read_runs, stages
from .result import Result, trusted

ORDER = {name: position for position, name in enumerate(Config.model_fields)}
CHOSEN = ("optimizer_hp", "weights", "hp")  # fields with names of their own, of which a run gives some
CODE = ("kdlab", "note", "other code")


def table(root: Path | str | None = None) -> pd.DataFrame:
    """Tabulate all finished runs under `root`, a row each, newest last.

    `root` is the runs folder unless you give another. The fields of the Config come first, by dotted names: `lr`,
    `teacher.model`, and of `hp.T` and its like those that some run sets. Where another run leaves one at the default of
    its method, that stands there, unless the method's code has changed since. `labels` is a number of images also where
    the Config has a share. Metrics and costs follow. `kdlab` is the version that trained it; runs of version 0.1, whose
    identity said nothing of the package's code, are shown but never returned by `run`. `other code` names what has
    changed since: the code of the loss, rooms of the package. `note` says whose network or teacher saw the internet.
    Runs of one `group` differ in their seeds alone. Folders whose files are damaged are left out, and named in a
    warning.
    """
    folder = Path(root or runs_root())
    with machine_errors(folder):
        runs = read_runs(folder)
    metrics, rooms, code = metric_code(), far_code(), functools.cache(_method_code)
    fields = configs(runs)
    numbers = pd.DataFrame([_numbers(run, metrics) for run in runs], index=fields.index)
    if "labels" in numbers:
        fields["labels"] = numbers.pop("labels").fillna(fields["labels"])
    about = {
        "kdlab": [run.version for run in runs],
        "note": [_note(run) for run in runs],
        "other code": [", ".join(_changed(run, code, rooms)) for run in runs],
        "group": [_group(run) for run in runs],
        "folder": [run.folder.name for run in runs],
    }
    return pd.concat([fields, numbers, pd.DataFrame(about)], axis=1)


def configs(runs: Sequence[Stored]) -> pd.DataFrame:
    """Tabulate the Configs of runs, a row each, with the columns that `table` says."""
    code, chosen = functools.cache(_method_code), set[str]()
    rows = [_settings(run, code) for run in runs]
    for run in runs:
        for prefix, stage, _ in stages(run):
            chosen |= flat({name: stage.get(name) or {} for name in CHOSEN}, prefix).keys()
    names = dict.fromkeys(
        name for row in rows for name in row if name in chosen or not {*name.split(".")[:-1]} & {*CHOSEN}
    )
    return pd.DataFrame(rows, columns=sorted(names, key=_position))


def means(frame: pd.DataFrame, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Average the rows of `table` over seeds, a row a group of runs.

    A group is all that is equal but for the seeds. `n` counts its runs; beside each of `columns`, by default all
    numbers that were measured, stands the half-width of its 95 % interval, in a column NAME ± 95 %.
    """
    fields = fields_of(frame)
    seeds = [name for name in fields if name.rpartition(".")[2] == "seed"]
    single = frame.drop_duplicates(["group", *seeds])  # a copied folder is no second measurement
    measured = list(single.drop(columns=fields).select_dtypes("number"))
    averaged = [name for name in columns if column_of(frame, name) not in fields] if columns else measured
    kept = [name for name in fields if name not in seeds]
    rows = []
    for _, runs in single.groupby("group", sort=False):
        row: dict[Any, Any] = {**runs.iloc[0][kept], "n": len(runs)}
        for name in averaged:
            row[name], row[f"{name}{HALF}"] = interval(runs[name].tolist())
        rows.append(row | {name: ", ".join(sorted({*runs[name]} - {""})) for name in CODE})
    pairs = [column for name in averaged for column in (name, f"{name}{HALF}")]
    return pd.DataFrame(rows, columns=[*kept, "n", *pairs, *CODE])


def brief(frame: pd.DataFrame, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Select columns of `table` or `means`: what differs, and `columns`.

    Method and model are always there. By default `columns` are `scores`.
    """
    wanted = [each for name in columns or scores(frame) for each in (column_of(frame, name), f"{name}{HALF}")]
    code = [name for name in CODE if len({*frame[name]} - {""}) > (name == "kdlab")]
    shown = dict.fromkeys([*differing(frame, columns), "n", *wanted, *code, "folder"])
    return frame[[name for name in shown if name in frame]]


def differing(frame: pd.DataFrame, always: Iterable[str] = ()) -> list[str]:
    """Return fields of which runs have several values, and method and model."""
    return [name for name in fields_of(frame) if name in ("method", "model", *always) or _differs(frame, name)]


def scores(frame: pd.DataFrame) -> list[str]:
    """Return the metrics in a table that are due at every validation, and seconds."""
    due = [name for name, metric in METRICS.items() if metric.due == "validation" and metric.unit]
    return [
        name for name in (*(f"{part}/{each}" for part in ("val", "test") for each in due), "seconds") if name in frame
    ]


def fields_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a table that are fields of the Config."""
    return [name for name in map(str, frame) if name.partition(".")[0] in ORDER]


def column_of(frame: pd.DataFrame, name: str) -> str:
    """Return `name` if it is a column, else raise an `Error`.

    It lists columns with dots only for a name that has one.
    """
    names = [each for each in map(str, frame) if "." in name or "." not in each]
    return name if name in frame else known("column", name, names)


def _settings(run: Stored, code: Callable[[str], str]) -> dict[str, Any]:
    """Return the fields of a run and its stages, with defaults for what it lacks."""
    usual = {name: field.default for name, field in Config.model_fields.items() if name not in ROLES}
    settings = dict[str, Any]()
    for prefix, stage, about in stages(run):
        fields = {**usual, **{name: value for name, value in stage.items() if name not in ROLES}}
        if (digest := code(stage["method"])) and digest == about.get("code", {}).get("method"):
            fields |= {
                name: {**value, **(fields[name] or {})} for name, value in defaults(METHODS[stage["method"]]).items()
            }
        settings |= flat(fields, prefix)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def _numbers(run: Stored, metrics: dict[str, str]) -> dict[str, Any]:
    """Return what was measured, by column; version 0.1 wrote val_accuracy."""
    old = run.identity is None
    result = run.result if old else trusted(run.result, metrics)
    names = {name: re.sub("^(val|test)_", r"\1/", name) if old else name for name in result}
    names["epochs"] = "trained_epochs"  # fewer than the Config's where patience ended them
    return {names[name]: value for name, value in result.items() if not isinstance(value, dict)}


def _changed(run: Stored, code: Callable[[str], str], rooms: dict[str, str]) -> list[str]:
    """Name what code of a run has changed: the loss, rooms of the package."""
    if run.identity is None:
        return []
    pairs = [(code(stage["method"]), about.get("code", {}).get("method")) for _, stage, about in stages(run)]
    edited = any(now and then and now != then for now, then in pairs)
    return [*(["loss"] if edited else []), *changed_rooms(run.result, rooms)]


def _method_code(key: str) -> str:
    """Digest the code of a method; empty where it is not known here."""
    with suppress(Error):
        return method_code(key) if key in METHODS else ""
    return ""


def _note(run: Stored) -> str:
    """Return `Config.internet` of a stored run."""
    pretrained = [prefix for prefix, stage, _ in stages(run) if stage.get("pretrained")]
    if not pretrained:
        return ""
    of_network = any("teacher" not in prefix for prefix in pretrained)
    return f"its {'network' if of_network else 'teacher'} saw the internet"


def _group(run: Stored) -> str:
    """Digest what runs have in common that differ in seeds alone."""
    if run.identity is None:
        return hash_of({name: value for name, value in flat(run.config).items() if name.rpartition(".")[2] != "seed"})
    return hash_of(reseeded(run.identity, 0))


def _position(name: str) -> list[int]:
    """Return where a field stands in Config, stages after the run's own."""
    return [ORDER.get(part, len(ORDER)) for part in name.split(".")]


def _differs(frame: pd.DataFrame, name: str) -> bool:
    """Return whether a field has several values among the runs that have it."""
    *stage, field = name.split(".")
    values = frame[name]
    if {*stage} & {*CHOSEN}:
        values = values.dropna()
    elif field == "method":
        stage = stage[:-1]  # none is a value too: a run without a teacher, say
    if f"{'.'.join(stage)}.method" in frame:
        values = values[frame[f"{'.'.join(stage)}.method"].notna()]
    return len({*values.astype(str)}) > 1


def difference(
    system: Sequence[Result], baseline: Sequence[Result], metric: str = "test/accuracy"
) -> tuple[float, float]:
    """Return mean and 95 % half-width of system - baseline, paired by seed."""
    return interval(_paired(system, baseline, metric))


def _paired(system: Sequence[Result], baseline: Sequence[Result], metric: str) -> list[float]:
    of_baseline = {result.config.seed: result[metric] for result in baseline}
    if (seeds := {result.config.seed for result in system}) != set(of_baseline):
        raise Error(
            f"seeds {sorted(seeds)} and {sorted(of_baseline)} cannot be paired: run both systems with the same ones"
        )
    return [result[metric] - of_baseline[result.config.seed] for result in system]


def compare(
    groups: Mapping[str, Sequence[Result]], metric: str = "test/accuracy", baseline: str | None = None
) -> pd.DataFrame:
    """Tabulate mean, 95 % interval and n of `metric` for groups of runs, a row each.

    With a `baseline` (the name of a group) also the mean difference to it, paired by seed, with its own interval: that
    one tells whether a difference is established, the overlap of the two others does not.
    """
    if baseline is not None:
        known("group", baseline, groups)
    for name, results in groups.items():
        if isinstance(results, Result):
            raise Error(f"group {name!r} is one Result: give a list of them, [run(config)] or run_seeds(config, seeds)")
        if len({result.folder for result in results}) < len(results):
            raise Error(f"group {name!r} holds a run twice, which would pass for evidence: give each seed once")
    scores = {name: [result[metric] for result in results] for name, results in groups.items()}
    if baseline is None:
        return summary(scores)
    others = {name: results for name, results in groups.items() if name != baseline}
    gained = {name: _paired(results, groups[baseline], metric) for name, results in others.items()}
    return summary(scores, gained, baseline)


__all__ = [
    "brief",
    "column_of",
    "compare",
    "configs",
    "difference",
    "differing",
    "interval",
    "means",
    "scores",
    "summary",
    "table",
    "tidy",
    "wilson",
]
