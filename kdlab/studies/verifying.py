"""After a change of code that should change no number: repeat one seed of each system, and stamp the evidence anew."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..config import Config
from ..engine.experiment import run
from . import evidence


def verify(study: str, systems: Mapping[str, Config]) -> pd.DataFrame:
    """What of a study's evidence still holds, though its code has changed: a row a system.

    Of each system whose rows have its settings and another code, the smallest seed is run again. Where every metric
    agrees in all digits that the table has, its rows are stamped with today's identity and count as evidence again;
    else they stay as they are, and `moved` says which metrics are others, before and after.
    """
    now = evidence.identities(systems)
    stale = evidence.split(study, systems)[1]
    told = []
    for name, config in systems.items():
        of_system = stale[stale.system == name]
        fits = [_has_settings(each, now[name]) for each in of_system[["seed", "settings"]].to_numpy().tolist()]
        rows = of_system[pd.Series(fits, index=of_system.index, dtype=bool)].sort_values("seed")
        if not len(rows):
            continue
        seed = int(rows.seed.iloc[0])
        new = evidence.row(name, run(config.seeded(seed)))
        moved = _moved(rows.iloc[0].to_dict(), new)
        if not moved:
            for old in rows.to_dict("records"):
                identity = evidence.reseeded(now[name], int(old["seed"]))
                evidence.add(study, {**{str(c): v for c, v in old.items()}, "identity": evidence.hash_of(identity)})
        told.append({"system": name, "seed": seed, "rows": len(rows), "holds": not moved, "moved": moved})
    return pd.DataFrame(told, columns=["system", "seed", "rows", "holds", "moved"])


def _has_settings(row: list[Any], identity: Mapping[str, Any]) -> bool:
    seed, settings = row
    return evidence.hash_of(evidence.settings(evidence.reseeded(identity, int(seed)))) == settings


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The metrics that are others, as text."""
    metrics = [name for name in new if name.startswith(("val/", "test/")) and name in old]
    return ", ".join(
        f"{name} {old[name]:g} -> {new[name]:g}" for name in metrics if f"{old[name]:.6g}" != f"{new[name]:.6g}"
    )
