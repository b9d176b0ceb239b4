"""The `kdlab study` commands."""

import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import Error, known
from ..core.output import say
from ..core.settings import parse
from .workers import Scheduler, Workers, resumable

if TYPE_CHECKING:  # studies load late
    from ..studies import Study

app = typer.Typer(
    no_args_is_help=True, help="Run studies, and print what they measured: questions, systems, seeds and answers."
)
Name = Annotated[str, typer.Argument(help="a study, see kdlab study list")]
Parameters = Annotated[
    list[str] | None, typer.Option("-p", help="a parameter of the study, name=value; may be repeated")
]
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
def run(
    name: Name,
    seeds: Annotated[str, typer.Option(help="0-19, or 0,2,5; default: those of the study")] = "",
    budget: Budget = "lab",
    only: Annotated[list[str] | None, typer.Option(help="a system, or words in its name; may be repeated")] = None,
    parameter: Parameters = None,
    workers: Workers = None,
    scheduler: Scheduler = "",
) -> None:
    """Run a study and add rows to its evidence; stored runs come back at once.

    Several processes train at a time. A run that fails stops no other one.
    """
    study = make(name, budget, parameter)
    chosen = study.chosen(only or ())
    if study.scale:
        print(textwrap.fill(study.scale, 120))
        print(f"{name}: {len(chosen)} of {len(study.systems)} systems", flush=True)
    wanted = numbers(seeds) if seeds else list(study.seeds)
    with resumable():
        study.run(wanted, chosen, workers, scheduler)
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
    """Print difference, interval, n and verdict of every question."""
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
def verify(
    name: Name,
    budget: Budget = "lab",
    parameter: Parameters = None,
    workers: Workers = None,
    scheduler: Scheduler = "",
) -> None:
    """Repeat a seed of each system whose code has changed.

    Where no digit moved, its evidence counts again.
    """
    with resumable():
        frame = make(name, budget, parameter).verify(workers, scheduler)
    say(frame.to_string(index=False) if len(frame) else "no row is of today's settings and another code")


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
def tune(
    name: Name,
    budget: Budget = "lab",
    parameter: Parameters = None,
    workers: Workers = None,
    scheduler: Scheduler = "",
) -> None:
    """Choose settings from a study's grid, by validation images of other seeds.

    Every score goes into data/NAME_tuning.csv in the figures folder.
    """
    with resumable():
        make(name, budget, parameter).tune(workers, scheduler)
