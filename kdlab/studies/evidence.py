"""Evidence: one long table a study, a row for each system and seed.

Every row holds the identity of its run.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from ..core.errors import Error
from ..data import Recorded, is_here
from ..engine.identity import dataset_label, hash_of, identity, reseeded
from ..engine.result import Result
from ..engine.tables import AGAIN, file_of, numbers, places, read_texts, save_table
from ..engine.transfer import transfer_scores
from ..experiment.config import Config
from ..experiment.setup import chain_images
from ..metrics import METRICS

KEY = ["system", "seed", "settings"]  # one row each: what is measured anew under other code takes the old one's place
SAME = [*KEY, "identity"]  # the same experiment, repeated: the first measurement stands
DATA = re.compile(r"(?:^|; )(.+?) (\d+|own) (\S+) ([0-9a-f]{16})(?=; |$)")  # name, size, style, fingerprint
SETTINGS = 2  # how the settings of a row are made: as part of identities of that version
TEXTS = ("system", "dataset", "data", "settings", "identity", "code", "device", "processor", "budget")
ALWAYS = ("accuracy", "knn")  # what no row lacks where another one of its system has it
ABOUT = ("parameters", "trained_parameters", "labels", "epochs", "images_seen", "seconds", "cpu_seconds")


def row(system: str, result: Result) -> dict[str, Any]:
    """Return a finished run as a row of evidence.

    It holds the system, every metric that was computed, costs, device and processor.

    Several numbers of a metric that is due on request, one a class say, are left out: they would be as many columns.

    `identity` covers settings, data and the code that makes the loss, `settings` the same without the code; `code` is
    all code that the run stood on, whatever its seed. `data` names the images, from which the identity can be made
    again where their files are not.
    """
    about = json.loads((result.folder / "config.json").read_text())["identity"]
    images = chain_images(result.config)
    data = [
        f"{dataset_label(name)} {size or 'own'} {each.style} {each.fingerprint()}"
        for (name, size), each in images.items()
    ]
    metrics = {}
    for column, value in result.metrics.items():
        part, name, several = [*column.split("/", 2), "", ""][:3]
        on_request = name in METRICS and METRICS[name].due == "request"
        if part in ("val", "test", "track") and not (several and on_request):
            metrics[column] = value
    return {
        "system": system,
        "seed": result.config.seed,
        "dataset": dataset_label(result.config.dataset),
        "data": "; ".join(data),
        "settings": hash_of(settings(about)),
        "identity": hash_of(about),
        "code": code(about, result.metrics["code"]["far"]),
        **metrics,
        **{name: result.metrics.get(name) for name in ABOUT},  # what is stored of an older version lacks some
        "device": result.metrics["environment"]["device"],
        "processor": result.metrics["environment"].get("processor"),
    }


def transferred(study: str, identity: str, result: Result, datasets: Sequence[str]) -> dict[str, float]:
    """Return a column transfer/NAME for each data set that was not measured yet.

    Of `datasets`, those of which the study's evidence has no number for this identity.

    How often a linear classifier of the frozen features, taught by all labelled training images of the data set at the
    size that the network was trained at, is right on its test images, in percent (`kdlab.transfer` with shots=None).
    """
    if not datasets:
        return {}
    rows = load(study)
    have = {str(column) for column, there in rows[rows.identity == identity].notna().any().items() if there}
    wanted = {column: name for name in datasets if (column := f"transfer/{name}") not in have}
    return {column: round(transfer_scores(result, name, shots=None)[0], 4) for column, name in wanted.items()}


def load(study: str) -> pd.DataFrame:
    """Load committed and local rows; of repeated measurements keep the first."""
    frames = [_read(file) for file in places(study)]
    rows = pd.concat(frames) if frames else pd.DataFrame(columns=SAME)
    return rows.groupby(SAME, sort=False, as_index=False).first()  # and of a later one what the first did not measure


def _read(file: Path) -> pd.DataFrame:
    """Read a table of evidence.

    Digests are text, also where they look like numbers, and a system may be called None.

    An `Error` names the line of a row that is damaged.
    """
    texts = read_texts(file)
    if lost := [name for name in SAME if name not in texts]:
        raise Error(f"{file}, line 1: no column {lost[0]!r}; {AGAIN}")
    frame = pd.DataFrame({name: _column(file, str(name), texts[name]) for name in texts}, columns=texts.columns)
    measured = [name for name in map(str, frame) if "/" in name]
    odd = (texts[measured] == "").all(axis=1) if measured else pd.Series(False, index=texts.index)
    _refuse(file, odd, "not one of its metrics is there")
    for name in measured:
        if name.rpartition("/")[2] in ALWAYS:
            others = frame[name].notna().groupby(frame.system).transform("any")
            _refuse(file, frame[name].isna() & others, f"no {name}, which other rows of this system have")
    return frame.reset_index(drop=True)


def _column(file: Path, name: str, cells: "pd.Series[str]") -> "pd.Series[Any]":
    """Return a column with its type; raise an `Error` at a cell that does not fit."""
    if name in TEXTS:
        if name in SAME:
            _refuse(file, cells == "", f"no {name}")
        return cells if name in ("identity", "settings", "code") else cells.mask(cells == "")
    values = numbers(cells)
    if name == "seed":
        if values is None or values.dtype.kind != "i":
            _refuse(file, cells.map(lambda cell: not re.fullmatch(r"-?\d{1,18}", cell)), "the seed is no whole number")
        return pd.Series(values, index=cells.index)
    if "/" in name or name in ABOUT:
        if values is None or not np.isfinite(values[cells != ""]).all():
            finite = np.isfinite(pd.to_numeric(cells, errors="coerce"))
            _refuse(file, (cells != "") & ~finite, f"{name} is no number")
        return pd.Series(values, index=cells.index)
    return cells.mask(cells == "") if values is None else pd.Series(values, index=cells.index)


def _refuse(file: Path, odd: "pd.Series[bool]", why: str) -> None:
    """Raise an `Error` at the first of the odd rows."""
    if odd.any():
        raise Error(f"{file}, line {odd.idxmax()}: {why}; {AGAIN}")


def add(study: str, new: Mapping[str, Any]) -> None:
    """Add a row to the local table of a study; processes take turns.

    It takes the place of a row of the same settings and another identity. Of the same experiment the first measurement
    stands, and only metrics that it did not have are added to it.
    """
    with _locked(study) as local:
        same = (local[KEY] == [new[name] for name in KEY]).all(axis=1)
        if (local[same].identity == new["identity"]).any():
            measured = local[same].iloc[0].dropna().to_dict()
            new = {**new, **{str(column): value for column, value in measured.items()}}
        _replace(study, local, new)


def measured(systems: Mapping[str, Config], rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the identities of the systems that `rows` may be about.

    These have a row's name and data of its name.

    Where their files are missing nothing is opened or downloaded: the images are those that the rows name, and a
    system is left out where none does.
    """
    about = rows.reindex(columns=["system", "dataset"]).astype(object).fillna("")  # "": an older row does not say
    pairs = set(about.itertuples(index=False, name=None))
    facts, recorded = {}, _named(rows)
    for name, config in systems.items():
        if not {(name, dataset_label(config.dataset)), (name, "")} & pairs:
            continue
        wanted = {(stage.dataset, stage.size): (dataset_label(stage.dataset), stage.size) for stage in config.chain()}
        if all(is_here(dataset) for dataset, _ in wanted):
            facts[name] = identity(config, chain_images(config))
        elif set(wanted.values()) <= set(recorded):
            facts[name] = identity(config, {key: recorded[image_set] for key, image_set in wanted.items()})
    return facts


def _named(rows: pd.DataFrame) -> dict[tuple[str, int | None], Recorded]:
    """Return the image sets that rows name, by name and size.

    Where rows differ the first one counts, which is a committed one.
    """
    recorded: dict[tuple[str, int | None], Recorded] = {}
    for text in rows.reindex(columns=["data"])["data"].dropna().unique():
        for name, size, style, fingerprint in DATA.findall(text):
            recorded.setdefault((name, None if size == "own" else int(size)), Recorded(style, fingerprint))
    return recorded


def fresh_and_stale(study: str, systems: Mapping[str, Config]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows that are evidence of today's systems, and stale rows.

    Stale ones are of other settings or other code.
    """
    rows = load(study)
    now = measured(systems, rows)
    fits = [
        system in now and hash_of(reseeded(now[system], seed)) == known
        for system, seed, known in rows[["system", "seed", "identity"]].to_numpy().tolist()
    ]
    fresh = pd.Series(fits, index=rows.index, dtype=bool)
    again = pd.MultiIndex.from_frame(rows[KEY]).isin(pd.MultiIndex.from_frame(rows[fresh][KEY]))
    return rows[fresh].reset_index(drop=True), rows[~again].reset_index(drop=True)


def records(rows: pd.DataFrame, system: str) -> list[dict[str, Any]]:
    """Return the rows of a system, by seed."""
    of_system = rows[rows.system == system].sort_values("seed").to_dict("records")
    return [{str(column): value for column, value in row.items()} for row in of_system]


def stamp(study: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace rows of the same settings, whatever their identities."""
    with _locked(study) as local:
        _replace(study, local, *rows)


def _replace(study: str, local: pd.DataFrame, *rows: Mapping[str, Any]) -> None:
    """Replace rows that have the same KEY, and append new ones."""
    new = pd.DataFrame(rows)
    where = {key: i for i, key in enumerate(local[KEY].itertuples(index=False, name=None))}
    order = [where.get(key, len(local)) for key in new[KEY].itertuples(index=False, name=None)]
    kept = local.reset_index(drop=True).drop(index=[i for i in order if i < len(local)])
    every = pd.concat([kept, new.set_index(pd.Index(order))]).sort_index(kind="stable")
    save_table(every.set_index("system"), study)


@contextmanager
def _locked(study: str) -> Iterator[pd.DataFrame]:
    """Lock the local table of a study and read it."""
    file = file_of(study)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.stem}.lock")):
        yield _read(file) if file.exists() else pd.DataFrame(columns=SAME)


def code(identity: Mapping[str, Any], far: Mapping[str, str]) -> str:
    """Return a digest of all code that a run stands on.

    That is the code in its identity, stages included, and the rooms further away (`identity.far_code`).
    """

    def of(stage: Mapping[str, Any]) -> dict[str, Any]:
        return {"own": stage["code"], **{role: of(stage[role]) for role in ("teacher", "init") if role in stage}}

    return hash_of({"loss": of(identity), "far": far})


def settings(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity without its code, in a form that never changes.

    A run of today would not take the place of its committed row otherwise.
    """
    stages = {role: settings(identity[role]) for role in ("teacher", "init") if role in identity}
    form = {"version": SETTINGS} if "version" in identity else {}
    return {**{name: value for name, value in identity.items() if name != "code"}, **form, **stages}
