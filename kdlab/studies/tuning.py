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
STEPS_BEYOND = 4  # how often a grid may grow
Grid = Mapping[str, Mapping[str, Sequence[Any]]]  # system -> Config field -> values


def tune(study: str, systems: Mapping[str, Config], grids: Grid) -> dict[str, Config]:
    """The systems with the best values of their grids; every score goes into data/`study`_tuning.csv.

    In the order of the grids, each standing on what was chosen for those before it: a stage that is such a system is
    exchanged for it. The score is the validation metric that early stopping would watch, its mean over the seeds 100 to
    102; the smallest of equals wins. Where the best of several numbers is the smallest or the largest, the grid grows
    by one at that end, in the ratio of the last two, up to four times; a best value that is at the edge still is an
    `Error`, after the table is written.
    """
    told, chosen, at_edge = [], dict(systems), []
    for name, grid in grids.items():
        config, values = chosen[name], {field: sorted(given) for field, given in grid.items()}
        metric = f"val/{monitored(config)}"
        sign = METRICS[metric.split("/")[1]].sign
        scores: dict[tuple[Any, ...], float] = {}
        for _ in range(1 + STEPS_BEYOND):
            for combination in product(*values.values()):
                if combination not in scores:
                    scores[combination] = _score(config.replace(**dict(zip(values, combination, strict=True))), metric)
            best = max(sorted(scores), key=lambda combination: sign * scores[combination])
            if not (edges := _edges(values, best)):
                break
            for field, value in edges.items():
                values[field] = _grown(values[field], value)
        at_edge += [f"{name}: {field}={value:g}" for field, value in edges.items()]
        told += [
            {"system": name, **dict(zip(values, combination, strict=True)), "metric": metric,
             "mean": scores[combination], "seeds": " ".join(map(str, SEEDS)), "chosen": combination == best}
            for combination in sorted(scores)
        ]  # fmt: skip
        save_table(pd.DataFrame(told).set_index("system"), f"{study}_tuning")
        better = config.replace(**dict(zip(values, best, strict=True)))
        print(f"{name}: {', '.join(f'{f}={v:g}' for f, v in zip(values, best, strict=True))}", flush=True)
        chosen = {each: _in_chain(other, config, better) for each, other in chosen.items()}
    if at_edge:
        raise Error(f"the best value is still at the edge of its grid, which is to be extended: {'; '.join(at_edge)}")
    return chosen


def _score(config: Config, metric: str) -> float:
    results = run_seeds(config, SEEDS)
    return sum(result[metric] for result in results) / len(results)


def _edges(grid: Mapping[str, Sequence[Any]], best: tuple[Any, ...]) -> dict[str, Any]:
    """Fields whose best value is the smallest or the largest of several numbers."""
    return {
        field: value
        for (field, values), value in zip(grid.items(), best, strict=True)
        if len(values) > 1 and isinstance(value, int | float) and value in (values[0], values[-1])
    }


def _grown(values: list[float], edge: float) -> list[float]:
    """Numbers in order, with one more beyond the edge."""
    if edge == values[-1]:
        return [*values, edge * edge / values[-2]]
    return [edge * edge / values[1], *values]


def _in_chain(config: Config, old: Config, new: Config) -> Config:
    """The config, with `new` wherever it or one of its stages is `old`."""
    if config == old:
        return new
    stages = {role: _in_chain(stage, old, new) for role in ("teacher", "init") if (stage := getattr(config, role))}
    return config.replace(**stages) if stages else config
