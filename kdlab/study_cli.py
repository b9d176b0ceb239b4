"""The `kdlab study` commands."""

import inspect
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import Error, known, lookup
from .settings import parse

if TYPE_CHECKING:  # studies load late
    from .studies import Study

app = typer.Typer(no_args_is_help=True, help="Questions with systems, seeds and answers.")
Name = Annotated[str, typer.Argument(help="a study, of kdlab study list")]
Parameters = Annotated[list[str] | None, typer.Option("-p", help="parameter of the study, name=value; may be repeated")]
Budget = Annotated[str, typer.Option(help="smoke, lab or paper")]


def make(name: str, budget: str = "lab", parameters: list[str] | None = None) -> "Study":
    """The study of that name."""
    from .studies import STUDIES

    function, given = lookup("study", name, STUDIES), parse(parameters or [])
    own = [parameter for parameter in inspect.signature(function).parameters if parameter != "budget"]  # has an option
    for parameter in given:
        known(f"parameter of study {name}", parameter, own)
    return function(budget=budget, **given)


def numbers(text: str) -> list[int]:
    """Seeds as they are typed: "0-19", "3", "0,2,5"."""
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    except ValueError:
        raise Error(f"seeds {text!r}: write 0-19, or 0,2,5") from None
    if falling := [each for each in ends if each[0] > each[-1]]:
        raise Error(f"seeds {falling[0][0]}-{falling[0][-1]}: write the smaller one first")
    return [seed for each in ends for seed in range(each[0], each[-1] + 1)]


@app.command(name="list")
def list_() -> None:
    """All studies, and the question of each."""
    from .studies import STUDIES

    for name, function in STUDIES.items():
        print(f"{name:24} {function().question}")


@app.command()
def show(name: Name, budget: Budget = "lab", parameter: Parameters = None) -> None:
    """The systems of a study, its questions, and how many seeds each system was measured with."""
    study = make(name, budget, parameter)
    counts = study.rows().system.value_counts()
    print(f"{study.question}\n")
    for system, config in study.systems.items():
        print(f"{system} (n = {counts.get(system, 0)})\n    {config}")
    for asked in study.questions:
        print(f"\n{asked.text}\n    {asked.system}, minus {asked.baseline}, in {asked.metric}", end="")
    print()


@app.command()
def run(
    name: Name, seeds: Annotated[str, typer.Option(help="0-19, or 0,2,5; default: the study's")] = "",
    budget: Budget = "lab",
    only: Annotated[list[str] | None, typer.Option(help="a system; may be repeated")] = None,
    parameter: Parameters = None,
) -> None:  # fmt: skip
    """Run a study and add to its evidence; what is stored comes back at once."""
    study = make(name, budget, parameter)
    for seed in numbers(seeds) if seeds else study.seeds:
        study.run([seed], only or ())
        print(f"{name}: seed {seed} done", flush=True)


@app.command()
def table(
    name: Name, metric: str | None = None, baseline: str | None = None, budget: Budget = "lab",
    parameter: Parameters = None,
) -> None:  # fmt: skip
    """Mean, 95 % interval and n of every system."""
    from . import report

    print(report.tidy(make(name, budget, parameter).table(metric, baseline)).to_string())


@app.command()
def answers(
    name: Annotated[str | None, typer.Argument()] = None,
    everything: Annotated[bool, typer.Option("--all", help="of every study")] = False,
    budget: Budget = "lab", parameter: Parameters = None,
) -> None:  # fmt: skip
    """Difference, interval, n and verdict of every question."""
    import pandas as pd

    from . import report
    from .studies import STUDIES

    names = list(STUDIES) if everything else [name] if name else []
    if not names:
        raise Error(f"give a study, or --all: {', '.join(STUDIES)}")
    frames = {each: make(each, budget, parameter).answers() for each in names}
    shown = pd.concat(frames, names=["study"]).reset_index(level=1, drop=True)
    print(report.tidy(shown.drop(columns=["system", "minus"])).to_string())


@app.command()
def verify(name: Name, budget: Budget = "lab", parameter: Parameters = None) -> None:
    """Repeat a seed of each system whose code has changed; where no digit moved, its evidence counts again."""
    told = make(name, budget, parameter).verify()
    print(told.to_string(index=False) if len(told) else "no row is of today's settings and another code")


@app.command()
def tune(name: Name, budget: Budget = "lab", parameter: Parameters = None) -> None:
    """Choose the settings of a study's grid on validation images of other seeds, and write every score."""
    make(name, budget, parameter).tune()
