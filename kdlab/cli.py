"""The kdlab command."""

import inspect
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import Error

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__import__("kdlab").__doc__, pretty_exceptions_enable=False
)
notebooks = typer.Typer(no_args_is_help=True, help="Execute, check and run the notebooks.")
app.add_typer(notebooks, name="notebooks")

Settings = Annotated[
    list[str] | None, typer.Argument(help="field=value, such as method=kd labels=20 teacher.method=supervised hp.T=2")
]
Parameters = Annotated[list[str] | None, typer.Option("-p", help="notebook parameter, name=value; may be repeated")]


def parse(settings: list[str]) -> dict[str, Any]:
    """`["lr=0.1", "teacher.method=kd"]` as nested dicts; values are JSON where they are, else text."""
    fields: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise Error(f"{setting!r}: settings are written field=value, such as method=kd or teacher.width=0.5")
        *path, last = name.split(".")
        place = fields
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Error(f"{setting!r}: {part} was given a value before, it cannot hold {last} as well")
        place[last] = _value(text)
    return fields


def _value(text: str) -> Any:
    special = {"none": None, "true": True, "false": False}
    if text.lower() in special:
        return special[text.lower()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


@app.command()
def tour(parameter: Parameters = None) -> None:
    """The whole path on real digits: teacher, student, tables and pictures, in three minutes."""
    from . import runner

    runner.tour(parse(parameter or []))


@app.command(name="run")
def run_(
    settings: Settings = None, file: Annotated[Path | None, typer.Option(help="a JSON file of fields")] = None
) -> None:
    """Run one experiment (and what it stands on), or return its stored result."""
    from .config import Config
    from .experiment import run

    if file is not None and not file.is_file():
        raise Error(f"there is no file {file}")
    fields = json.loads(file.read_text()) if file else {}
    result = run(Config(**{**fields, **parse(settings or [])}))
    for name, value in result.metrics.items():
        if not isinstance(value, dict):
            print(f"{name:16} {value:,}" if isinstance(value, int) else f"{name:16} {value}")
    print(f"{'folder':16} {result.folder}")


@app.command()
def table() -> None:
    """All finished runs."""
    from . import report

    frame = report.table()
    print(frame.to_string(index=False) if len(frame) else "no finished runs yet: kdlab run, or kdlab tour")


@app.command()
def methods(
    key: Annotated[str | None, typer.Argument(help="a method: its text and hyper-parameters")] = None,
    student: str = "wrn_16_2", teacher: str = "wrn_40_2", classes: int = 100, samples: int = 50_000,
    markdown: Annotated[bool, typer.Option(help="as the README's table")] = False,
) -> None:  # fmt: skip
    """The training methods: paper, what they learn from, loss, and what they cost for a pair of networks."""
    from . import catalogue
    from .errors import lookup
    from .methods import METHODS

    if key is not None:
        method = lookup("method", key, METHODS)
        print(f"{key} ({method.paper})\n\n{inspect.getdoc(method)}\n")
        print("loss             " + " + ".join(f"{weight:g} {term}" for term, weight in method.weights.items()))
        for name, parameter in method.hyper().items():
            print(f"hp.{name:13} {parameter.default}")
        print(f"presets          smoke, lab, {', '.join(sorted({'paper', *method.presets}))}")
        return
    frame = catalogue.catalogue(student, teacher, classes, samples)
    if markdown:
        print(catalogue.markdown(frame))
        return
    shown = frame.drop(columns="refused", errors="ignore").rename(columns={"memory": "memory, MB"})
    thousands = {"extra parameters": lambda count: "-" if count != count else f"{count:,}"}
    print(shown.to_string(na_rep="-", formatters=thousands, float_format=lambda value: f"{value:,.1f}"))
    print(f"\nextra parameters and memory: {student} taught by {teacher}, {classes} classes, {samples:,} images")
    for name, reason in frame.get("refused", frame.year[:0]).dropna().items():
        print(f"{name} cannot be used for this pair: {reason}")


@app.command()
def lab() -> None:
    """Open JupyterLab in the notebooks folder."""
    from . import runner

    raise typer.Exit(runner.lab())


@notebooks.command(name="execute")
def execute(names: Annotated[list[Path] | None, typer.Argument(help="notebooks; default: all")] = None) -> None:
    """Execute notebooks from clean kernels and write them back, outputs included, in one canonical form."""
    from . import runner

    for path in runner.find(names):
        print(path.name, flush=True)
        runner.execute(path)


@notebooks.command()
def check(names: Annotated[list[Path] | None, typer.Argument()] = None, strict: bool = False) -> None:
    """Run notebooks under nbval: the check cells, or with --strict every output, must be as committed."""
    from . import runner

    raise typer.Exit(runner.check(runner.find(names), strict))


@notebooks.command(name="run")
def run_notebook(notebook: Path, output: Path, parameter: Parameters = None) -> None:
    """Run a notebook through papermill with other parameters; a misspelt one is refused."""
    from . import runner

    print(runner.run_notebook(runner.find([notebook])[0], output, parse(parameter or [])))


def main() -> None:
    """Entry point: a user's mistake is one line on stderr and exit code 2."""
    try:
        app(prog_name="kdlab")
    except Error as error:
        print(f"kdlab: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
