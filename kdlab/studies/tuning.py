"""Choosing settings: every combination of a grid, by validation images of seeds that are not the study's own."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from ..config import Config
from ..engine.experiment import run_seeds
from ..errors import Error
from ..metrics import METRICS, monitored
from ..tables import save_table

SEEDS = (100, 101, 102)
Grid = Mapping[str, Mapping[str, Sequence[Any]]]  # system -> Config field -> values


def tune(study: str, systems: Mapping[str, Config], grids: Grid) -> dict[str, Config]:
    """The systems with the best values of their grids; every score goes into data/`study`_tuning.csv.

    In the order of the grids, each standing on what was chosen for those before it: a stage that is such a system is
    exchanged for it. The score is the validation metric that early stopping would watch, its mean over the seeds 100 to
    102; the first of equals wins. A best value at the edge of its grid is an `Error` after the table is written: the
    grid is to be extended.
    """
    rows, chosen, at_edge = [], dict(systems), []
    for name, grid in grids.items():
        config = chosen[name]
        metric = f"val/{monitored(config)}"
        scores = {}
        for values in product(*grid.values()):
            fields = dict(zip(grid, values, strict=True))
            results = run_seeds(config.replace(**fields), SEEDS)
            scores[values] = sum(result[metric] for result in results) / len(results)
            rows.append(
                {"system": name, **fields, "metric": metric, "mean": scores[values], "seeds": " ".join(map(str, SEEDS))}
            )
            print(rows[-1], flush=True)
        sign = METRICS[metric.split("/")[1]].sign
        best = max(scores, key=lambda values: sign * scores[values])
        at_edge += [f"{name}: {field}={value}" for field, value in _edges(grid, best).items()]
        better = config.replace(**dict(zip(grid, best, strict=True)))
        chosen = {each: _in_chain(other, config, better) for each, other in chosen.items()}
    save_table(pd.DataFrame(rows).set_index("system"), f"{study}_tuning")
    if at_edge:
        raise Error(f"the best value is at the edge of its grid, which is to be extended: {'; '.join(at_edge)}")
    return chosen


def _edges(grid: Mapping[str, Sequence[Any]], best: tuple[Any, ...]) -> dict[str, Any]:
    """Fields whose best value is the smallest or the largest of several numbers."""
    return {
        field: value
        for (field, values), value in zip(grid.items(), best, strict=True)
        if len(values) > 1 and isinstance(value, int | float) and value in (min(values), max(values))
    }


def _in_chain(config: Config, old: Config, new: Config) -> Config:
    """The config, with `new` wherever it or one of its stages is `old`."""
    if config == old:
        return new
    stages = {role: _in_chain(stage, old, new) for role in ("teacher", "init") if (stage := getattr(config, role))}
    return config.replace(**stages) if stages else config
