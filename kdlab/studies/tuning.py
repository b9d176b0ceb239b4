"""Tuning: try every combination of a grid, on validation images.

Its seeds are not those of the study.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from ..core.errors import Error
from ..core.places import shipped_only
from ..engine.sweep import Failed, Outcome, results_of, run_all
from ..engine.tables import load_table, places, save_table
from ..experiment.config import Config
from ..metrics import METRICS, monitored

SEEDS = (100, 101, 102)
STEPS_BEYOND = 4  # how often a grid may grow
Grid = Mapping[str, Mapping[str, Sequence[Any]]]  # system -> Config field -> values
Run = Callable[[Sequence[Config]], Sequence[Outcome]]


def chosen_rates(study: str) -> dict[str, float]:
    """Return the tuned learning rate of each system of a study.

    A system that was not tuned has Config's default.

    Rates are those of the committed table NAME_tuning. Tables of your own do not count: with other rates the systems
    would be other experiments than their committed rows.
    """
    rates = defaultdict(lambda: Config.model_fields["lr"].default)
    with shipped_only():
        if places(f"{study}_tuning"):
            table = load_table(f"{study}_tuning")
            rates.update(table[table.chosen].set_index("system").lr.to_dict())
    return rates


def tune(
    study: str, systems: Mapping[str, Config], grids: Grid, run: Run = run_all, only: Collection[str] = ()
) -> dict[str, Config]:
    """Return the systems with the best values of their grids.

    Every score goes into data/`study`_tuning.csv. With `only` some of the grids are tried, and what that table says of
    the other systems stays; they themselves are as they come.

    In the order of the grids, each standing on what was chosen for those before it: a stage that is such a system is
    exchanged for it. The score is the validation metric that early stopping would watch, its mean over the seeds 100 to
    102, percent to two decimals; the first of equals wins, and training that diverges loses. Where the smallest or the
    largest of several learning rates is among the best, that grid grows by one at that end, in the ratio of the last
    two, up to four times; a chosen rate that is at the edge still is an `Error`, after the table is written.
    """
    others = _tuned_before(study, [name for name in grids if only and name not in only])
    grids = {name: grid for name, grid in grids.items() if not only or name in only}
    for name in grids:
        if not systems[name].validation:
            raise Error(f"{name} holds out no validation images to choose by: tune it with validation=0.1")
    table, chosen, at_edge = [], dict(systems), []
    for name, grid in grids.items():
        config, values = chosen[name], {field: list(tried) for field, tried in grid.items()}
        metric = f"val/{monitored(config)}"
        sign, scores = METRICS[metric.split("/")[1]].sign, dict[Config, float]()
        for _ in range(1 + STEPS_BEYOND):
            fields = [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]
            candidates = [config.replace(**each) for each in fields]
            new = [candidate for candidate in dict.fromkeys(candidates) if candidate not in scores]
            outcomes = run([candidate.seeded(seed) for candidate in new for seed in SEEDS])
            for i, candidate in enumerate(new):
                scores[candidate] = _score(outcomes[i * len(SEEDS) : (i + 1) * len(SEEDS)], metric)
            highest = max(sign * score for score in scores.values())
            top = [candidate for candidate in candidates if sign * scores[candidate] == highest]
            rates = sorted(values.get("lr", ()))
            ends = [end for end in (0, -1) if len(rates) > 1 and rates[end] in {candidate.lr for candidate in top}]
            if not ends:
                break
            lower = [rates[0] ** 2 / rates[1]] if 0 in ends else []
            higher = [rates[-1] ** 2 / rates[-2]] if -1 in ends else []
            values["lr"] = [*lower, *rates, *higher]
        at_edge += [f"{name}: lr={rates[end]:g}" for end in ends if rates[end] == top[0].lr]
        table += [
            {
                "system": name,
                **{field: getattr(candidate, field) for field in values},
                "metric": metric,
                "mean": score,
                "seeds": " ".join(map(str, SEEDS)),
                "chosen": candidate == top[0],
            }
            for candidate, score in sorted(scores.items(), key=lambda each: each[0].lr)
        ]
        save_table(pd.concat([others, pd.DataFrame(table)]).set_index("system"), f"{study}_tuning")
        print(f"{name}: {', '.join(f'{field}={getattr(top[0], field)}' for field in values)}", flush=True)
        chosen = {each: in_chain(other, config, top[0]) for each, other in chosen.items()}
    if at_edge:
        raise Error(f"the best value is still at the edge of its grid, which is to be extended: {'; '.join(at_edge)}")
    return chosen


def _tuned_before(study: str, names: Sequence[str]) -> pd.DataFrame:
    """Return what the table of a study says of these systems, if there is one."""
    if not names or not places(f"{study}_tuning"):
        return pd.DataFrame()
    table = load_table(f"{study}_tuning")
    return table[table.system.isin(names)]


def _score(outcomes: Sequence[Outcome], metric: str) -> float:
    """Return the mean over seeds; the worst score where a run diverges."""
    kind = METRICS[metric.split("/")[1]]
    if any(isinstance(each, Failed) and " became " in each.message for each in outcomes):
        return -math.inf * kind.sign
    results = results_of(outcomes)
    return round(sum(result[metric] for result in results) / len(results), 2 if kind.unit == "%" else 6)


def in_chain(config: Config, old: Config, new: Config) -> Config:
    """Return the config, with `new` wherever it or a run below it is `old`."""
    if config == old:
        return new
    stages = {role: in_chain(stage, old, new) for role, stage in config.nested.items()}
    return config.replace(**stages) if stages else config
