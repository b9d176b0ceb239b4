"""After a change of code that should change no number: repeat one seed of each system, and stamp the evidence anew."""

import shutil
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..core.errors import Error
from ..core.places import environment, figures_root, runs_root
from ..engine.identity import far_code, hash_of
from ..engine.run import run
from ..experiment.config import Config
from . import evidence


def verify(study: str, systems: Mapping[str, Config]) -> pd.DataFrame:
    """What of a study's evidence still holds, though its code has changed: a row a system and code.

    Of the rows that have a system's settings and came from other code than today's, the smallest seed of each code is
    trained anew. Where every metric agrees in all digits that the table has, the rows of that code are stamped with
    today's; else they stay as they are, and `moved` says which metrics are others, before and after, or why nothing
    could be trained: the data are not here, say.
    """
    rows, far, told = evidence.load(study), far_code(), []
    now, place = evidence.measured(systems, rows), runs_root() / f"verify-{hash_of(far)}"
    # Runs in a folder of their own: what is stored elsewhere may come from the older code
    with environment(KDLAB_RUNS=str(place), KDLAB_FIGURES=str(figures_root())):
        for name, about in now.items():
            today = evidence.code(about, far)
            of_system = rows[rows.system == name]
            verified = of_system[of_system.code == today].seed
            other = of_system[(of_system.code != today) & ~of_system.seed.isin(verified)]
            fits = [_has_settings(each, about) for each in other[["seed", "settings"]].to_numpy().tolist()]
            for _, group in other[pd.Series(fits, index=other.index, dtype=bool)].groupby("code"):
                first = group.sort_values("seed").iloc[0].to_dict()
                moved = _moved(first, systems[name])
                old = [] if moved else [{str(c): v for c, v in row.items()} for row in group.to_dict("records")]
                identities = [hash_of(evidence.reseeded(about, int(row["seed"]))) for row in old]
                pairs = zip(old, identities, strict=True)
                evidence.stamp(study, [{**row, "identity": new, "code": today} for row, new in pairs])
                told.append(
                    {
                        "system": name,
                        "seed": int(first["seed"]),
                        "rows": len(group),
                        "holds": not moved,
                        "moved": moved,
                    }
                )
    shutil.rmtree(place, ignore_errors=True)
    return pd.DataFrame(told, columns=["system", "seed", "rows", "holds", "moved"])


def _has_settings(row: list[Any], identity: Mapping[str, Any]) -> bool:
    seed, settings = row
    return evidence.hash_of(evidence.settings(evidence.reseeded(identity, int(seed)))) == settings


def _moved(old: Mapping[str, Any], config: Config) -> str:
    """The metrics of a row that are others when it is measured anew, as text; or why that cannot be."""
    try:
        new = evidence.row(old["system"], run(config.seeded(int(old["seed"]))))
    except Error as error:
        return f"not repeated: {error}"
    metrics = [name for name in new if name.startswith(("val/", "test/")) and name in old]
    return ", ".join(
        f"{name} {old[name]:g} -> {new[name]:g}" for name in metrics if f"{old[name]:.6g}" != f"{new[name]:.6g}"
    )
