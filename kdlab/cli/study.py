"""The `kdlab study` commands."""

import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import Error, known
from ..core.output import say
from ..core.settings import parse

if TYPE_CHECKING:  # studies load late
    from ..studies import Study

app = typer.Typer(no_args_is_help=True, help="Questions with systems, seeds and answers.")
Name = Annotated[str, typer.Argument(help="a study, of kdlab study list")]
Parameters = Annotated[list[str] | None, typer.Option("-p", help="parameter of the study, name=value; may be repeated")]
MOST_SEEDS, LARGEST_SEED = 100_000, 1 << 62
Budget = Annotated[str, typer.Option(help="smoke, lab or paper")]


def make(name: str, budget: str = "lab", parameters: list[str] | None = None) -> "Study":
    """The study of that name."""
    from ..studies import PUBLISHED, STUDIES
    from ..studies.papers import PRINTED

    studies, given = {**STUDIES, **PUBLISHED}, parse(parameters or [])
    if known("study", name, {**studies, **PRINTED}) in PRINTED:
        raise Error(f"no study repeats {name}: kdlab study show {name} prints its numbers")
    function = studies[name]
    own = [parameter for parameter in inspect.signature(function).parameters if parameter != "budget"]  # has an option
    for parameter in given:
        known(f"parameter of study {name}", parameter, own)
    return function(budget=budget, **given)


def numbers(text: str) -> list[int]:
    """Seeds as they are typed: "0-19", "3", "0,2,5"."""
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
    """All studies, and the question of each; then what papers published, table by table."""
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
    """The systems of a study, its questions, and how many seeds each system was measured with.

    Of a published experiment its cells: what was printed, what was measured here, and what would be run. Of published
    numbers that no study repeats, these.
    """
    from ..studies.papers import PRINTED
    from ..studies.papers.reference import reference

    say(reference(name) if name in PRINTED else make(name, budget, parameter).told())


@app.command()
def run(
    name: Name,
    seeds: Annotated[str, typer.Option(help="0-19, or 0,2,5; default: the study's")] = "",
    budget: Budget = "lab",
    only: Annotated[list[str] | None, typer.Option(help="a system, or words that names have; may be repeated")] = None,
    parameter: Parameters = None,
) -> None:
    """Run a study and add to its evidence; what is stored comes back at once."""
    study = make(name, budget, parameter)
    chosen = study.chosen(only or ())
    if study.scale:
        print(textwrap.fill(study.scale, 120))
        print(f"{name}: {len(chosen)} of {len(study.systems)} systems", flush=True)
    for seed in numbers(seeds) if seeds else study.seeds:
        study.run([seed], chosen)
        print(f"{name}: seed {seed} done", flush=True)


@app.command()
def table(
    name: Name,
    metric: str | None = None,
    baseline: str | None = None,
    budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:
    """Mean, 95 % interval and n of every system; of a published experiment its table, as printed and as measured."""
    say(make(name, budget, parameter).tabulated(metric, baseline))


@app.command()
def answers(
    name: Annotated[str | None, typer.Argument()] = None,
    everything: Annotated[bool, typer.Option("--all", help="of all studies but the published tables")] = False,
    budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:
    """Difference, interval, n and verdict of every question."""
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
        found = frames[names[0]]
        print(textwrap.fill(scale, 120))
        if idle := (found.n == 0).sum():
            print(f"no seed was run for {idle} of {len(found)} questions")
        told = found[found.n > 0].set_index("question").drop(columns=["system", "minus", "metric"])
        if len(told):
            say(f"{report.tidy(told).to_string()}\n\n{meant}")
        return
    shown = pd.concat(frames, names=["study"]).reset_index(level=1, drop=True)
    say(f"{report.tidy(shown.drop(columns=['system', 'minus'])).to_string()}\n\n{meant}")


@app.command()
def verify(name: Name, budget: Budget = "lab", parameter: Parameters = None) -> None:
    """Repeat a seed of each system whose code has changed; where no digit moved, its evidence counts again."""
    told = make(name, budget, parameter).verify()
    say(told.to_string(index=False) if len(told) else "no row is of today's settings and another code")


@app.command()
def restamp(
    name: Name,
    old: Annotated[Path, typer.Option(help="a checkout of the commit whose rows shall be kept (git worktree add)")],
    share: Annotated[float, typer.Option(help="of the epochs that are trained, with shorter schedules")] = 1.0,
    budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:
    """Keep rows after a change of code that moves no number: give them new identities, without training all anew.

    Where only identities are made in another way this is calculated. Where code changed, two seeds of each system are
    trained with both codes, and rows are kept where metrics and weights agree in every digit.
    """
    table = make(name, budget, parameter).restamp(old.resolve(), share)
    print(table.to_string(index=False) if len(table) else "all rows that counted for the older code count today")


@app.command()
def tune(name: Name, budget: Budget = "lab", parameter: Parameters = None) -> None:
    """Choose the settings of a study's grid on validation images of other seeds, and write every score."""
    make(name, budget, parameter).tune()
