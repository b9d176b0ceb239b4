"""The `kdlab study` commands."""

import inspect
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import Error, known
from ..core.output import say
from ..core.settings import parse
from .workers import Scheduler, Track, Workers, resumable

if TYPE_CHECKING:  # studies and tables load late
    import pandas as pd

    from ..studies import Study

app = typer.Typer(
    no_args_is_help=True, help="Run studies, and print what they measured: questions, systems, seeds and answers."
)
Name = Annotated[str, typer.Argument(help="a study, see kdlab study list")]
Parameters = Annotated[
    list[str] | None, typer.Option("-p", help="a parameter of the study, name=value; may be repeated")
]
Only = Annotated[list[str] | None, typer.Option(help="a system, or words in its name; may be repeated")]
MOST_SEEDS, LARGEST_SEED = 100_000, 1 << 62
Budget = Annotated[str, typer.Option(help="how much is trained: smoke, lab or paper")]


def make(name: str, budget: str = "lab", parameters: list[str] | None = None) -> "Study":
    """Return the study of that name."""
    from ..studies import PUBLISHED, STUDIES
    from ..studies.papers import PRINTED

    studies, values = {**STUDIES, **PUBLISHED}, parse(parameters or [])
    if known("study", name, {**studies, **PRINTED}) in PRINTED:
        raise Error(f"no study repeats {name}: kdlab study show {name} prints its numbers")
    function = studies[name]
    allowed = [parameter for parameter in inspect.signature(function).parameters if parameter != "budget"]
    for parameter in values:
        known(f"parameter of study {name}", parameter, allowed)
    return function(budget=budget, **values)


def numbers(text: str) -> list[int]:
    """Return seeds as they are typed: "0-19", "3", "0,2,5"."""
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    except ValueError:
        ends = []
    if not ends or any(len(each) > 2 or max(each) >= LARGEST_SEED for each in ends):
        raise Error(f"seeds {text[:40]!r}: write 0-19, or 0,2,5")
    if falling := [each for each in ends if each[0] > each[-1]]:
        raise Error(f"seeds {falling[0][0]}-{falling[0][-1]}: write the smaller one first")
    if (count := sum(each[-1] - each[0] + 1 for each in ends)) > MOST_SEEDS:
        raise Error(f"seeds {text[:40]}: these are {count:,.0f}, at most {MOST_SEEDS:,} can be run at a time")
    return [seed for each in ends for seed in range(each[0], each[-1] + 1)]


@app.command(name="list")
def list_() -> None:
    """List all studies with their questions, then the published tables."""
    from ..studies import PUBLISHED, STUDIES
    from ..studies.papers import PRINTED
    from ..studies.papers.published import ABSENT, TABLES

    for name, function in STUDIES.items():
        print(f"{name:24} {function().question}")
    print("\npublished experiments, cell by cell (kdlab study show NAME --budget paper):")
    about = {**TABLES, **ABSENT}
    for name in PUBLISHED:
        print(f"{name:24} {about[name].title} ({about[name].paper})")
    print("\npublished numbers alone, which no study repeats (kdlab study show NAME):")
    for name, table in PRINTED.items():
        print(f"{name:24} {table.title} ({table.paper})")


@app.command()
def show(name: Name, budget: Budget = "lab", parameter: Parameters = None) -> None:
    """Show the systems of a study, its questions, and the seeds measured so far.

    Of a published experiment, show its cells: what was printed, what was measured here, and what would be run. Of
    published numbers that no study repeats, show the numbers.
    """
    from ..studies.papers import PRINTED
    from ..studies.papers.page import reference

    say(reference(name) if name in PRINTED else make(name, budget, parameter).text())


@app.command()
@resumable()
def run(
    name: Name,
    seeds: Annotated[str, typer.Option(help="0-19, or 0,2,5; default: those of the study")] = "",
    budget: Budget = "lab",
    only: Only = None,
    parameter: Parameters = None,
    workers: Workers = None,
    scheduler: Scheduler = "",
    track: Track = None,
) -> None:
    """Run a study and add rows to its evidence; stored runs come back at once.

    Several processes train at a time. A run that fails stops no other one. In a tracker the study is a group.
    """
    study = make(name, budget, parameter)
    chosen = study.chosen(only or ())
    if study.scale:
        print(textwrap.fill(study.scale, 120))
        print(f"{name}: {len(chosen)} of {len(study.systems)} systems", flush=True)
    wanted = numbers(seeds) if seeds else list(study.seeds)
    study.run(wanted, chosen, workers, scheduler, track=track)
    print(f"{name}: {len(chosen) * len(wanted)} runs done", flush=True)


@app.command()
def table(
    name: Name,
    metric: Annotated[str | None, typer.Option(help="such as test/ece; default: that of the study")] = None,
    baseline: Annotated[str | None, typer.Option(help="a system, to print differences from it")] = None,
    budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:
    """Print mean, 95 % interval and n of every system.

    Of a published experiment, print its table, as published and as measured here.
    """
    say(make(name, budget, parameter).tabulated(metric, baseline))


@app.command()
def answers(
    name: Annotated[str | None, typer.Argument(help="a study, see kdlab study list")] = None,
    everything: Annotated[bool, typer.Option("--all", help="answer all studies but the published tables")] = False,
    budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:
    """Print difference, interval, n, length and verdict of every question.

    The length is how long the two systems trained that it was read at.
    """
    import pandas as pd

    from ..engine import report
    from ..studies import STUDIES
    from ..studies.verdicts import MEANT

    names = list(STUDIES) if everything else [name] if name else []
    if not names:
        raise Error(f"give a study, or --all: {', '.join(STUDIES)}")
    studies = {each: make(each, budget, parameter) for each in names}
    frames = {each: study.answers() for each, study in studies.items()}
    meant = "; ".join(f"{word}: {what}" for word, what in MEANT.items())
    meant = textwrap.fill(f"{meant}. A metric of which less is better counts with the sign turned.", 120)
    if len(names) == 1 and (scale := studies[names[0]].scale):  # a published table asks much of which little was run
        frame = frames[names[0]]
        print(textwrap.fill(scale, 120))
        if idle := (frame.n == 0).sum():
            print(f"no seed was run for {idle} of {len(frame)} questions")
        table = frame[frame.n > 0].set_index("question").drop(columns=["system", "minus", "metric"])
        if not len(table):
            return
    else:
        table = pd.concat(frames, names=["study"]).reset_index(level=1, drop=True).drop(columns=["system", "minus"])
    say(f"{report.tidy(table).to_string()}\n\n{meant}")


@app.command()
def lengths(
    name: Name,
    metric: Annotated[str | None, typer.Option(help="of the curves; default: those that questions ask for")] = None,
    budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:
    """Print a study's curves, and how differences move as training goes on.

    A curve has a row for each number of steps that was measured. Below, for each question whose two systems are on
    curves: the difference at each length, its change since the row before, and the length from which on training twice
    as long moves it by less than a point.
    """
    import pandas as pd

    from ..engine import report

    study = make(name, budget, parameter)
    questions = [each for each in study.questions_by_length() if metric in (None, each.metric)]
    moves = [(each, study.by_length(each.system, each.baseline, each.metric)) for each in questions]
    metrics = [metric] if metric else [study.metric, *(each.metric for each, table in moves if table.n.any())]
    curves = pd.concat(study.curve(each) for each in dict.fromkeys(metrics))
    say(report.tidy(curves).to_string(index=False))
    for each, table in moves:
        unit = str(table.columns[0])
        first = table[table.settled][unit]
        settled = f"settled at {first.iloc[0]:,} {unit}" if len(first) else "not settled at a length that was measured"
        say(f"\n{each.text}\n{each.system}, minus {each.baseline}, in {each.metric}: {settled}")
        say(report.tidy(table.drop(columns="settled")).to_string(index=False))


@app.command()
@resumable()
def verify(
    name: Annotated[str | None, typer.Argument(help="a study, see kdlab study list")] = None,
    everything: Annotated[bool, typer.Option("--all", help="verify all studies, and the published tables")] = False,
    repeat: Annotated[int, typer.Option(min=0, help="train this many rows of every system again, changed or not")] = 0,
    old: Annotated[
        Path | None, typer.Option(help="a checkout of older code, which trains the same here (git worktree add)")
    ] = None,
    budget: Budget = "lab",
    parameter: Parameters = None,
    workers: Workers = None,
    scheduler: Scheduler = "",
) -> None:
    """Train rows of evidence again, and compare every digit.

    Of each system whose code has changed a seed is trained; where no digit moved, its evidence counts again. With
    --repeat 2 two seeds of every system are, whatever has changed. A processor of another kind than the one that
    trained a row rounds otherwise, which training amplifies: --old CHECKOUT compares today's code with older code on
    this machine instead, and leaves all rows as they are.
    """
    from shutil import rmtree

    from ..experiment.device import processor
    from ..studies import PUBLISHED, STUDIES
    from ..studies.verifying import UNREPEATED, kept_folder

    names = [*STUDIES, *PUBLISHED] if everything else [name] if name else []
    if not names:
        raise Error("give a study, or --all; kdlab study list prints their names")
    folder, moved = kept_folder(), 0
    for each in names:
        study = make(each, budget, parameter)
        count, stale = len(study.rows()), len(study.stale())
        if everything and not count + stale:
            continue
        frame = study.verify(workers, scheduler, repeat, old.resolve() if old else None, folder)
        say(f"{each}: {count} rows count, {stale} are stale; {_verified(frame, old is not None)}")
        sys.stdout.flush()
        moved += int((~frame.holds.astype(bool) & ~frame.moved.str.startswith(UNREPEATED)).sum())
    rmtree(folder, ignore_errors=True)
    if moved and old is None:
        say(
            f"This processor is {processor()}. On another one, or with another version of torch, digits move though no "
            "code has changed: --old CHECKOUT tells them apart."
        )
    if moved:
        raise typer.Exit(1)


def _verified(frame: "pd.DataFrame", by_code: bool) -> str:
    """Return what a check has found: a sentence, and a line for each row that moved."""
    if not len(frame):
        return "none is of today's settings and another code"
    from ..studies.verifying import UNREPEATED

    absent = int(frame.moved.str.startswith(UNREPEATED).sum())
    agreed, lines = int(frame.holds.sum()), [""]
    for row in frame[~frame.holds.astype(bool)].to_dict("records"):
        changes = row["moved"].split(", ")
        more = f" and {len(changes) - 2} more" if len(changes) > 2 and "->" in changes[0] else ""
        made = f" (trained on {row['processor'] or 'a processor that it does not name'})"
        made = "" if by_code or row["moved"].startswith(UNREPEATED) else made
        text = ", ".join(changes[:2]) if more else row["moved"]
        lines.append(f"  {row['system']}, seed {row['seed']}{made}: {text}{more}")
    text = f"{agreed} of {len(frame) - absent} trained again agree in every digit"
    return text + (f", {absent} could not be trained" if absent else "") + "\n".join(lines)


@app.command()
def restamp(
    name: Name,
    old: Annotated[Path, typer.Option(help="a checkout of the commit whose rows are to count (git worktree add)")],
    share: Annotated[float, typer.Option(help="share of the epochs to train, with shorter schedules")] = 1.0,
    budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:
    """Keep evidence after a change of code that moves no number.

    Its rows get new identities, without training all of them anew. Where only identities are made in another way they
    are calculated. Where code changed, two seeds of each system are trained with both codes, and rows are kept where
    metrics and weights agree in every digit.
    """
    frame = make(name, budget, parameter).restamp(old.resolve(), share)
    print(frame.to_string(index=False) if len(frame) else "all rows that counted for the older code count today")


@app.command()
@resumable()
def tune(
    name: Name,
    budget: Budget = "lab",
    parameter: Parameters = None,
    only: Only = None,
    workers: Workers = None,
    scheduler: Scheduler = "",
) -> None:
    """Choose settings from a study's grid, by validation images of other seeds.

    Every score goes into data/NAME_tuning.csv in the figures folder.
    """
    make(name, budget, parameter).tune(workers, scheduler, only or [])
