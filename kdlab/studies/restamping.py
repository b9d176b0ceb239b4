"""Keep evidence after a change of code that moves no number.

Rows that the older code measured get the identities of today's.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import Error
from ..core.places import PACKAGE
from ..engine import code as trees
from ..engine import identity as identities
from ..engine.identity import far_code, hash_of, reseeded
from ..experiment.config import Config
from . import evidence

SEEDS = 2  # of each system, that are trained with both codes
# What the older code is asked. With files of today's code that make identities the second time, so that it is known
# whether an identity changed because its code did, or because identities are made in another way now.
IDENTITIES = """
import importlib.util, json, sys
rows, systems, files = sys.argv[1], json.load(open(sys.argv[2])), json.loads(sys.argv[3])
import kdlab
for name, file in files.items():
    spec = importlib.util.spec_from_file_location(name, file)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parent, _, own = name.rpartition(".")
    setattr(importlib.import_module(parent), own, module)
from kdlab.studies import evidence
import pandas as pd
systems = {name: kdlab.Config.model_validate(fields) for name, fields in systems.items()}
print(json.dumps(evidence.measured(systems, pd.read_csv(rows))))
"""
# Numbers of runs, each with a digest of all weights; the folder's time says nothing, so it is left out
NUMBERS = """
import hashlib, json, sys
import kdlab, torch
def known(fields):  # an older Config has fewer fields
    kept = {name: value for name, value in fields.items() if name in kdlab.Config.model_fields}
    return kept | {role: known(kept[role]) for role in ("teacher", "init") if kept.get(role)}
torch.set_num_threads(1)
for fields in json.load(sys.stdin):
    result = kdlab.run(kdlab.Config.model_validate(known(fields)))
    digest = hashlib.sha256()
    for name, tensor in sorted(result.network().state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    numbers = {n: v for n, v in result.metrics.items() if n.startswith(("val/", "test/", "train/"))}
    print(json.dumps({**numbers, "weights": digest.hexdigest()}), flush=True)
"""


def restamp(study: str, systems: Mapping[str, Config], old: Path, share: float = 1.0) -> pd.DataFrame:
    """Give rows that count for older code the identities of today's.

    `old` is a checkout of the older code.

    Returns a row a system: the number of its rows, `how` today's code was compared with the older one, and `moved`, the
    numbers that differ. Rows are stamped

    - "calculated": only the way in which identities are made has changed, not the code that they are made of;
    - "trained": with the two smallest seeds the older and today's code, each in a process of its own on this machine,
      on one thread, give the same metrics and the same weights in every digit. With `share` below 1 all stages train
      for that share of their epochs, rounded up, under schedules that are as much shorter.

    Rows that moved, and rows that did not count for the older code either, stay as they are.
    """
    if not 0 < share <= 1:
        raise Error(f"share={share}: give a share of the epochs above 0 and at most 1")
    check_checkout(old)
    rows = evidence.load(study)
    now = evidence.measured(systems, rows)
    then = _identities(old, rows, systems, {})
    made_anew = {module.__name__: str(module.__file__) for module in (trees, identities)}
    same = _identities(old, rows, systems, made_anew) if any(then[n] != now.get(n) for n in then) else {}
    stale = {}
    for name in [name for name in systems if name in now and name in then]:
        counted = [row for row in evidence.records(rows, name) if row["identity"] == identified(then[name], row)]
        if renamed := [row for row in counted if row["identity"] != identified(now[name], row)]:
            stale[name] = renamed
    calculated = {name for name in stale if hash_of(same[name]) == hash_of(now[name])}
    trained = {name: stale[name][:SEEDS] for name in stale if name not in calculated}
    moved = _moved(systems, trained, old, share)
    for name in stale:
        if not moved.get(name):
            code = {} if name in calculated else {"code": evidence.code(now[name], far_code())}
            evidence.stamp(study, [{**row, "identity": identified(now[name], row), **code} for row in stale[name]])
    table = [
        {
            "system": name,
            "rows": len(stale[name]),
            "how": "calculated" if name in calculated else "trained",
            "moved": moved.get(name, ""),
        }
        for name in stale
    ]
    return pd.DataFrame(table, columns=["system", "rows", "how", "moved"])


def shortened(config: Config, share: float) -> Config:
    """Return a run, and all that it stands on, of a share of the epochs."""
    stages = {role: shortened(stage, share) for role, stage in config.nested.items()}
    return config.replace(epochs=math.ceil(share * config.epochs), **stages)


def identified(identity: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return the hash of a system's identity with the seed of a row."""
    return hash_of(reseeded(identity, int(row["seed"])))


def _moved(
    systems: Mapping[str, Config], rows: Mapping[str, list[dict[str, Any]]], old: Path, share: float
) -> dict[str, str]:
    """Train rows with the older and today's code; return what differs, by system."""
    runs = [(name, systems[name].seeded(int(row["seed"]))) for name, of_system in rows.items() for row in of_system]
    if not runs:
        return {}
    configs = json.dumps([shortened(config, share).model_dump(mode="json") for _, config in runs])
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as both:
        before = both.submit(output, old, NUMBERS, configs, Path(folder, "old"))
        after = both.submit(output, PACKAGE.parent, NUMBERS, configs, Path(folder, "new"))
    moved: dict[str, list[str]] = {name: [] for name in rows}
    for (name, _), then, now in zip(runs, before.result(), after.result(), strict=True):
        moved[name] += changes(then, now)
    return {name: ", ".join(dict.fromkeys(each)) for name, each in moved.items()}


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what NUMBERS of two runs of one experiment differ in."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return [f"{name} {then.get(name)} -> {now.get(name)}" for name in names]


def check_checkout(old: Path) -> None:
    """Refuse a folder that holds no kdlab."""
    if not (old / "kdlab" / "__init__.py").is_file():
        raise Error(f"{old} is no checkout of kdlab: make one of the commit that the rows are of, git worktree add")


def _identities(
    old: Path, rows: pd.DataFrame, systems: Mapping[str, Config], files: Mapping[str, str | None]
) -> dict[str, dict[str, Any]]:
    """Return the identity of each system by the code in `old`.

    `files` take the place of its modules of these names.
    """
    with tempfile.TemporaryDirectory() as folder:
        table, configs = Path(folder, "rows.csv"), Path(folder, "systems.json")
        rows.reindex(columns=["system", "dataset", "data"]).drop_duplicates().to_csv(table, index=False)
        configs.write_text(json.dumps({name: config.model_dump(mode="json") for name, config in systems.items()}))
        return output(old, IDENTITIES, "", Path(folder), str(table), str(configs), json.dumps(files))[0]


def output(code: Path, script: str, text: str, runs: Path, *words: str) -> list[dict[str, Any]]:
    """Run a script with the package in `code`; return the JSON lines that it prints.

    `text` is its standard input.
    """
    variables = {**os.environ, "PYTHONPATH": str(code), "KDLAB_RUNS": str(runs), "KDLAB_PROGRESS": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        input=text,
        cwd=code,
        env=variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise Error(f"the code in {code} could not be asked: {last}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
