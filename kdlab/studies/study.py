"""A study: a question with systems to compare, seeds, and what is asked of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ..config import Config
from ..engine.device import one_thread
from ..engine.experiment import run
from ..engine.result import Result
from ..errors import Error, known
from ..report import summary
from . import evidence, tuning, verdicts, verifying
from .verdicts import Question

SEEDS = range(20)


@dataclass(frozen=True)
class Study:
    """Named systems, each a Config, and the questions asked of them; all of it is data.

    `grid`: what may be tuned, system -> Config field -> values; `tune` chooses on validation images of other seeds.
    `shown`: the systems of its table, all where it is empty. `published`: numbers of a paper by system, if it is one's.
    """

    name: str
    question: str
    systems: Mapping[str, Config]
    questions: Sequence[Question] = ()
    seeds: Iterable[int] = SEEDS
    grid: tuning.Grid = field(default_factory=dict)
    shown: Sequence[str] = ()
    published: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for asked in self.questions:
            for name in (asked.system, asked.baseline):
                known(f"system of study {self.name}", name, self.systems)
        for name in (*self.grid, *self.shown, *self.published):
            known(f"system of study {self.name}", name, self.systems)

    def run(self, seeds: Iterable[int] | None = None, only: Collection[str] = ()) -> dict[str, list[Result]]:
        """Run systems (`only` these, else all) for each seed, and add them to the evidence; what is stored comes back.

        Seed by seed, so that what is there after a stop can be compared.
        """
        for name in only:
            known(f"system of study {self.name}", name, self.systems)
        chosen = {name: config for name, config in self.systems.items() if not only or name in only}
        results: dict[str, list[Result]] = {name: [] for name in chosen}
        with one_thread():
            for seed in self.seeds if seeds is None else seeds:
                for name, config in chosen.items():
                    results[name].append(run(config.seeded(seed)))
                    evidence.add(self.name, evidence.row(name, results[name][-1]))
        return results

    def tune(self) -> dict[str, Config]:
        """The systems with the best values of the study's grid (see `tuning.tune`)."""
        with one_thread():
            return tuning.tune(self.name, self.systems, self.grid)

    def verify(self) -> pd.DataFrame:
        """Which rows still hold after a change of code that should change no number (see `verifying.verify`)."""
        with one_thread():
            return verifying.verify(self.name, self.systems)

    def rows(self) -> pd.DataFrame:
        """The evidence: a row for every system and seed that was measured as the study now is, with every metric."""
        return evidence.split(self.name, self.systems)[0]

    def stale(self) -> pd.DataFrame:
        """Rows of its table that are not the evidence of the study as it now is: other settings, or other code."""
        return evidence.split(self.name, self.systems)[1]

    def scores(self, metric: str = "test/accuracy") -> pd.DataFrame:
        """The evidence in one metric: a row a seed, a column a system; NaN where it is missing."""
        rows = self.rows()
        if metric not in rows:
            raise Error(f"study {self.name} has no evidence in {metric!r}: kdlab study run {self.name}")
        wide = rows.set_index(["seed", "system"])[metric].unstack()  # noqa: PD010  # pairs are unique
        return wide.reindex(columns=[name for name in self.systems if name in wide])

    def table(self, metric: str = "test/accuracy", baseline: str | None = None) -> pd.DataFrame:
        """Mean, 95 % interval and n of each system, and of its difference to `baseline`, paired by seed."""
        if baseline is not None:
            known(f"system of study {self.name}", baseline, self.systems)
        wide = self.scores(metric)
        shown = [name for name in self.shown or self.systems if name in wide]
        scores = {name: wide[name].dropna().tolist() for name in shown}
        pairs = [name for name in shown if name != baseline and baseline in wide]
        gained = {name: (wide[name] - wide[baseline]).dropna().tolist() for name in pairs}
        frame = summary(scores, gained, baseline)
        return frame.assign(published=pd.Series(self.published)) if self.published else frame

    def answers(self) -> pd.DataFrame:
        """A row for every question: difference, 95 % interval, n, and the verdict."""
        scores = {metric: self.scores(metric) for metric in dict.fromkeys(asked.metric for asked in self.questions)}
        return pd.DataFrame([verdicts.answer(asked, scores[asked.metric]) for asked in self.questions])
