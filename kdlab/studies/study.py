"""A study: systems to compare, seeds, and questions about them."""

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from itertools import product
from pathlib import Path
from typing import Any, ParamSpec

import pandas as pd

from ..core.errors import Error, known
from ..core.places import processors
from ..engine.lock import EXPECTED
from ..engine.process import process_of
from ..engine.report import interval, summary, tidy
from ..engine.result import Result
from ..engine.sweep import Outcome, results_of, run_all
from ..experiment.config import Config
from ..experiment.device import one_thread
from ..experiment.setup import chain_images
from . import control, evidence, lengths, restamping, tuning, verdicts, verifying
from .curves import Curve, compared, points
from .verdicts import Question

SEEDS = range(20)
MANY = 30  # systems that nobody reads in one sentence
BUDGETS = ("smoke", "lab", "paper")


@dataclass(frozen=True)
class Study:
    """Named systems, each a Config, and questions about them.

    The control of the systems that are shown, `pixels` (see `control`), stands last in every table and figure.

    `grid`: what may be tuned, system -> Config field -> values; `tune` chooses on validation images of other seeds.
    `shown`: the systems of its table, all where it is empty. `published`: numbers of a paper by system, if it is one's.
    `budget` and `scale`: which it is and what it means, in a sentence, where that must be said; rows have the budget.
    `transfers`: other data sets, on which the frozen features of every system are judged; columns transfer/NAME (see
    `evidence.transferred`).
    `curves`: label -> systems that are one experiment at growing lengths, shortest first (see `curves`).
    """

    name: str
    question: str
    systems: Mapping[str, Config]
    questions: Sequence[Question] = ()
    seeds: Iterable[int] = SEEDS
    grid: tuning.Grid = field(default_factory=dict)
    shown: Sequence[str] = ()
    published: Mapping[str, float] = field(default_factory=dict)
    budget: str = ""
    scale: str = ""
    transfers: Sequence[str] = ()
    curves: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_seeds(self.seeds)
        compared = [name for each in self.questions for pair in each.pairs for name in pair]
        for name in (*compared, *self.grid, *self.shown, *self.published):
            self._known(name)
        for label in self.curves:
            self._curve(label)

    def _known(self, system: str) -> str:
        return known(f"system of study {self.name}", system, self.systems)

    def _check_seeds(self, seeds: Iterable[int]) -> None:
        if taken := sorted(set(seeds) & set(tuning.SEEDS)):
            raise Error(f"seed {taken[0]} is one of those that choose settings, {list(tuning.SEEDS)}: give others")

    def _shown(self, systems: Iterable[str]) -> list[str]:
        """Return the systems wanted, else those of its table; controls last."""
        wanted = [self._known(name) for name in systems] or list(self.shown or self.systems)
        controls = control.controls_of(self.systems, wanted)
        return [*(name for name in wanted if name not in controls), *controls]

    def matching(self, text: str) -> list[str]:
        """Return the system of that name, else all with every word of `text` in theirs.

        Upper and lower case are the same.

        Words are runs of letters, digits and any of _ . % = +, so that "kd" is no word of "lsskd".
        """
        if text in self.systems:
            return [text]
        wanted = _words(text)
        if matches := [name for name in self.systems if wanted and wanted <= _words(name)]:
            return matches
        try:
            return [self._known(text)]
        except Error as error:
            if len(self.systems) < MANY:
                raise
            message = str(error).partition("choose from")[0]
            raise Error(f"{message}kdlab study show {self.name} prints all {len(self.systems)}") from None

    def chosen(self, only: Collection[str] = ()) -> dict[str, Config]:
        """Return the systems that match a text of `only`; without one, all."""
        wanted = [name for text in only for name in self.matching(text)] or self.systems
        return {name: config for name, config in self.systems.items() if name in wanted}

    def run(
        self,
        seeds: Iterable[int] | None = None,
        only: Collection[str] = (),
        workers: int | None = 1,
        scheduler: str = "",
        hooks: Sequence[Callable[[Config, dict[str, Any]], object]] = (),
        track: str | None = None,
    ) -> dict[str, list[Result]]:
        """Run systems for each seed, and add rows to the evidence.

        Systems are those that match a text of `only`, else all.

        What is stored comes back. Rows are added seed by seed, so that what is there after a stop can be compared. If
        their controls have no row of a seed, these are run as well. One run after another trains in this process; with
        other `workers`, None being one a processor, or a `scheduler`, several train at a time (see `run_all`, of
        `hooks` and `track` as well: the group is the study). A failure stops no other run, and is raised at the end.
        """
        chosen = self.chosen(only)
        chosen_seeds = list(self.seeds if seeds is None else seeds)
        self._check_seeds(chosen_seeds)
        for name in self.transfers:  # a missing data set is refused before hours of training end at it
            chain_images(Config(dataset=name))
        beside = self._missing_controls(chosen, chosen_seeds)
        systems = {**chosen, **beside}
        names, configs = list(systems), [config.seeded(seed) for seed in chosen_seeds for config in systems.values()]

        def add(index: int, outcome: Outcome) -> None:
            if isinstance(outcome, Result):
                row = evidence.row(names[index % len(names)], outcome)
                more = evidence.transferred(self.name, row["identity"], outcome, self.transfers)
                evidence.add(self.name, row | more | ({"budget": self.budget} if self.budget else {}))

        outcomes = run_all(
            configs, workers=workers, scheduler=scheduler, each=add, hooks=hooks, track=track, group=self.name
        )
        results = results_of(outcomes)
        return {name: results[i :: len(names)] for i, name in enumerate(names) if name in chosen}

    def _missing_controls(self, chosen: Collection[str], seeds: Iterable[int]) -> dict[str, Config]:
        """Return controls of the chosen systems that lack rows of these seeds."""
        controls = [name for name in control.controls_of(self.systems, chosen) if name not in chosen]
        there = set(self.rows()[["system", "seed"]].itertuples(index=False, name=None)) if controls else set()
        return {name: self.systems[name] for name in controls if not {(name, seed) for seed in seeds} <= there}

    def run_missing(self, seeds: Iterable[int], only: Collection[str] = ()) -> dict[str, list[Result]]:
        """Run the systems that were not measured with all seeds of the study.

        Of committed evidence nothing is run again. On other data or at another budget nothing is committed, so that
        everything is run; controls, where nobody asks for them by name, beside their systems.
        """
        there = set(self.rows()[["system", "seed"]].itertuples(index=False, name=None))
        missing = [
            name
            for name, config in self.chosen(only).items()
            if not {(name, seed) for seed in self.seeds} <= there and (only or not control.is_control(config))
        ]
        return self.run(seeds, missing) if missing else {}

    def begin(self, system: str, seed: int) -> None:
        """Begin to train a system in a process of its own, unless it is stored.

        It takes a second processor; where there is none, nothing begins. `run` waits for what that process trains, and
        goes on itself from its checkpoint where it failed. It ends with this process.
        """
        process = process_of(self.systems[self._known(system)].seeded(seed))
        if processors() > 1 and process.folders[-1].result() is None:
            EXPECTED.add(process.name)
            with one_thread():  # as in `run`
                process.start()

    def tune(self, workers: int | None = 1, scheduler: str = "", only: Collection[str] = ()) -> dict[str, Config]:
        """Return the systems with the best values of the grid (see `tuning.tune`).

        Those that match a text of `only` are tuned, else all of the grid.
        """
        if not self.grid:
            raise Error(f"study {self.name} has no grid: its settings are those of the study that it stands on")
        tuned = [name for text in only for name in self.matching(text) if name in self.grid]
        if only and not tuned:
            raise Error(f"study {self.name} tunes no system that matches {', '.join(only)}: {', '.join(self.grid)}")
        run = partial(run_all, workers=workers, scheduler=scheduler)
        with one_thread():
            return tuning.tune(self.name, self.systems, self.grid, run, tuned)

    def verify(
        self,
        workers: int | None = 1,
        scheduler: str = "",
        repeat: int = 0,
        old: Path | None = None,
        folder: Path | None = None,
    ) -> pd.DataFrame:
        """Train rows again, and compare every digit (see `verifying.verify`)."""
        run = partial(run_all, workers=workers, scheduler=scheduler)
        with one_thread():
            return verifying.verify(self.name, self.systems, run, repeat, old, folder)

    def restamp(self, old: Path, share: float = 1.0) -> pd.DataFrame:
        """Keep rows that older code measured, where no number moved (see `restamping`)."""
        return restamping.restamp(self.name, self.systems, old, share)

    def rows(self) -> pd.DataFrame:
        """Return the evidence: a row a system and seed, with every metric."""
        return evidence.fresh_and_stale(self.name, self.systems)[0]

    def stale(self) -> pd.DataFrame:
        """Return rows of its table that are of other settings, or other code."""
        return evidence.fresh_and_stale(self.name, self.systems)[1]

    @property
    def metric(self) -> str:
        """The metric of most questions but those about pixels, of equals the first."""
        controls = {name for name, config in self.systems.items() if control.is_control(config)}
        metrics = [question.metric for question in self.questions if question.baseline not in controls]
        metrics = metrics or ["test/accuracy"]
        return max(dict.fromkeys(metrics), key=metrics.count)

    def scores(self, metric: str | None = None) -> pd.DataFrame:
        """Return the evidence in one metric: a row a seed, a column a system."""
        rows, metric = self.rows(), metric or self.metric
        wide = _wide(rows, metric)
        if not len(wide):
            measured = [str(c) for c in rows if str(c).startswith(("val/", "test/", "transfer/"))]
            how = f"choose from {', '.join(measured)}" if len(rows) else f"kdlab study run {self.name}"
            raise Error(f"study {self.name} has no evidence in {metric!r}: {how}")
        return wide.reindex(columns=[name for name in self.systems if name in wide])

    def groups(self, systems: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
        """Return the evidence for figures: {system: its rows, by seed}, controls last."""
        rows = self.rows()
        groups = {name: evidence.records(rows, name) for name in self._shown(systems)}
        return {name: of_system for name, of_system in groups.items() if of_system}

    def differences(self, system: str, baseline: str, metric: str | None = None) -> "pd.Series[float]":
        """Return system - baseline for every seed that was measured with both."""
        return _gained(self.rows(), self._known(system), self._known(baseline), metric or self.metric)

    def table(
        self,
        metric: str | None = None,
        baseline: str | None = None,
        systems: Iterable[str] = (),
        live: Mapping[str, Sequence[Result]] | None = None,
    ) -> pd.DataFrame:
        """Return mean, 95 % interval and n of each system that was measured.

        Systems are `systems`, else those that are shown, then their controls.

        With a `baseline` also of the difference to it, paired by seed. With `live`, what was trained just now, its mean
        comes first, in a column "here". A column "note" says whose network, or teacher, saw the internet, if any did.
        """
        if baseline is not None:
            self._known(baseline)
        wide = self.scores(metric)
        wanted = list(systems)
        shown = [name for name in self._shown(wanted) if name in wide]
        shown = shown if shown or wanted else list(wide.columns)  # of features, say, where classifiers are shown
        scores = {name: wide[name].dropna().tolist() for name in shown}
        pairs = [name for name in shown if name != baseline and baseline in wide]
        gained = {name: (wide[name] - wide[baseline]).dropna().tolist() for name in pairs}
        frame = summary(scores, gained, baseline)
        if any(notes := {name: self.systems[name].internet for name in shown}.values()):
            frame["note"] = list(notes)
        if live is not None:
            means = {n: interval([r[metric or self.metric] for r in live[n]])[0] for n in shown if n in live}
            frame.insert(0, "here", pd.Series(means))
        return frame.assign(published=pd.Series(self.published)) if self.published else frame

    def answers(self) -> pd.DataFrame:
        """Return a row for every question: difference, interval, n, length, verdict.

        `length` is that of the systems' own stages (`lengths.length_text`).
        """
        rows, answers = self.rows(), []
        for question in self.questions:
            pairs = [[self.systems[name] for name in pair] for pair in question.pairs]
            read_at = "; ".join(dict.fromkeys(lengths.length_text(*pair) for pair in pairs))
            answer = verdicts.answer(question, _differences(rows, question), read_at)
            if answer["verdict"] == "yes" and not self._is_above_pixels(question, rows):
                answer["verdict"] = verdicts.NOT_LEARNED
            answers.append(answer)
        return pd.DataFrame(answers)

    def _is_above_pixels(self, question: Question, rows: pd.DataFrame) -> bool:
        """Return whether what scores higher is better than its pixels.

        Where the metric is none that pixels have, nothing speaks against it.
        """
        names = [name for name, _ in question.pairs]
        first, *others = [(name, str(control.control_of(self.systems, self.systems[name]))) for name in names]
        differences = _differences(rows, replace(question, system=first[0], baseline=first[1], also=others))
        return not differences or verdicts.answer(question, differences, "")["verdict"] == "yes"

    def curve(self, metric: str | None = None, labels: Collection[str] = ()) -> pd.DataFrame:
        """Return a row for each measured length of its curves, then their controls.

        Columns are label, system, steps, mean, ± 95 %, n and metric; `plots.plot_curve` draws them. `labels` are those
        of `curves` that are wanted, all without any. Controls have no steps. Where an epoch is one pass over the
        images, lengths are in a column epochs.
        """
        wanted = {label: self._curve(label) for label in labels or self._labels()}
        scores, metric = self.scores(metric), metric or self.metric
        measured = [name for curve in wanted.values() for name in curve.systems.values() if name in scores]
        if not measured:
            raise Error(f"study {self.name} has no evidence of its curves in {metric!r}: kdlab study run {self.name}")
        return points(wanted, scores, control.controls_of(self.systems, measured), metric)

    def by_length(self, system: str, baseline: str, metric: str | None = None) -> pd.DataFrame:
        """Return the difference of two curves, a row for each length that both have.

        `system` and `baseline` are labels of `curves`. Beside a difference stands its change since the row before, both
        paired by seed, and whether it is settled there (see `curves.compared`).
        """
        one, other = self._curve(system), self._curve(baseline)
        if not (common := one.common(other)):
            raise Error(f"curves {system!r} and {baseline!r} of study {self.name} have no length in common")
        rows, metric = self.rows(), metric or self.metric
        return compared({n: _gained(rows, *pair, metric) for n, pair in common.items()}, one.unit, metric)

    def questions_by_length(self) -> list[Question]:
        """Return the questions that `by_length` can follow, their systems being labels.

        Both systems stand at one length of their curves, which have more lengths in common.
        """
        made, followed = {label: self._curve(label) for label in self.curves}, {}
        for question in self.questions:
            for (label, curve), (other_label, other) in product(made.items(), repeat=2):
                common = curve.common(other)
                if label != other_label and len(common) > 1 and question.pairs in [[pair] for pair in common.values()]:
                    labelled = replace(question, system=label, baseline=other_label)
                    followed.setdefault((label, other_label, question.metric), labelled)
        return list(followed.values())

    def _labels(self) -> list[str]:
        if not self.curves:
            raise Error(f"study {self.name} has no curves: none of its systems is run at several lengths")
        return list(self.curves)

    def _curve(self, label: str) -> Curve:
        names = self.curves[known(f"curve of study {self.name}", label, self._labels())]
        title = f"curve {label!r} of study {self.name}"
        return Curve.of(title, [(name, self.systems[self._known(name)]) for name in names])

    def text(self) -> str:
        """Return its systems, their numbers of seeds, and its questions, as lines."""
        counts = self.rows().system.value_counts()
        lines = [f"{self.question}\n"]
        for name, config in self.systems.items():
            note = f"; {config.internet}" if config.internet else ""
            lines.append(f"{name} (n = {counts.get(name, 0)}{note})\n    {config}")
        lines += ["", *(f"{q.text}\n    {q.system}, minus {q.baseline}, in {q.metric}" for q in self.questions)]
        return "\n".join(lines)

    def tabulated(self, metric: str | None = None, baseline: str | None = None) -> str:
        """Return its `table` as lines."""
        return tidy(self.table(metric, baseline)).to_string()


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w.%=+]+", text.casefold()))


def _wide(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return rows of evidence in one metric: a row a seed, a column a system."""
    if metric not in rows:
        return pd.DataFrame()
    wide = rows.set_index(["seed", "system"])[metric].unstack()  # noqa: PD010  # pairs are unique
    return wide.dropna(axis=1, how="all")


def _gained(rows: pd.DataFrame, system: str, baseline: str, metric: str) -> "pd.Series[float]":
    """Return what a system has more than a baseline, for every seed with both."""
    wide = _wide(rows, metric)
    return (wide[system] - wide[baseline]).dropna() if {system, baseline} <= set(wide) else pd.Series(dtype=float)


def _differences(rows: pd.DataFrame, question: Question) -> list[float]:
    """Return a question's differences, by seed; of several pairs their mean.

    A seed counts that was measured with all of them.
    """
    gained = [_gained(rows, *pair, question.metric) for pair in question.pairs]
    return (gained[0] if len(gained) == 1 else pd.concat(gained, axis=1).dropna().mean(axis=1)).tolist()


STUDIES: dict[str, Callable[..., Study]] = {}
P = ParamSpec("P")


def study(function: Callable[P, Study]) -> Callable[P, Study]:
    """Register a function of a notebook's parameters in STUDIES, under its name.

    Its `budget` is checked before it is called: one of "smoke", "lab" and "paper". A study without the control
    `pixels` is refused (see `control`).
    """
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Study:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        known("budget", bound.arguments["budget"], BUDGETS)
        made = function(*args, **kwargs)
        control.check_control(made.name, made.systems, made.questions)
        return made

    STUDIES[function.__name__] = checked
    return checked
