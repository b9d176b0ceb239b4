"""The kdlab command."""

import inspect
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from . import data_cli, study_cli
from .errors import Error
from .machine import in_words
from .settings import parse
from .starting import leave

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="kdlab: a study laboratory for training small image classifiers from few labels.",
    pretty_exceptions_enable=False,
)
of_notebooks = typer.Typer(no_args_is_help=True, help="Execute, check and run the notebooks.")
app.add_typer(of_notebooks, name="notebooks")
app.add_typer(study_cli.app, name="study")
app.add_typer(data_cli.app, name="data")

Settings = Annotated[
    list[str] | None, typer.Argument(help="field=value, such as method=kd labels=20 teacher.method=supervised hp.T=2")
]
Parameters = Annotated[list[str] | None, typer.Option("-p", help="notebook parameter, name=value; may be repeated")]


def _fields(file: Path) -> dict[str, Any]:
    """The fields in a JSON file."""
    if not file.is_file():
        raise Error(f"there is no file {file}")
    try:
        fields = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise Error(f"{file} is no JSON file: {error}") from None
    if not isinstance(fields, dict):
        raise Error(f'{file} must hold fields by name, such as {{"method": "kd", "labels": 100}}')
    return fields


@app.command()
def tour(parameter: Parameters = None) -> None:
    """The whole path on real digits: teacher, student, tables and pictures, in a minute."""
    from .notebooks import tour

    tour(parse(parameter or []))


@app.command(name="run")
def run_(
    settings: Settings = None,
    file: Annotated[Path | None, typer.Option(help="a JSON file of fields")] = None,
    fresh: Annotated[
        bool, typer.Option(help="remove what is stored of this run and of its stages, train anew")
    ] = False,
) -> None:
    """Run one experiment (and what it stands on), or return its stored result."""
    from .config import Config
    from .engine.experiment import run

    config = Config(**{**(_fields(file) if file else {}), **parse(settings or [])})
    try:
        result = run(config, fresh=fresh)
    except KeyboardInterrupt:
        print("kdlab: interrupted; the same command, without --fresh, goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    for name, value in result.metrics.items():
        if not isinstance(value, dict):
            print(f"{name:18} {value:,}" if isinstance(value, int) else f"{name:18} {value}")
    print(f"{'folder':18} {result.folder}")


@app.command()
def table(
    columns: Annotated[list[str] | None, typer.Argument(help="columns beside what says which run it is")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every column")] = False,
) -> None:
    """All finished runs: by default their scores, or COLUMNS such as test/ece val/nll seconds."""
    from . import report

    frame = report.table()
    if not len(frame):
        print("no finished runs yet: kdlab run, or kdlab tour")
    else:
        print((frame if everything else report.brief(frame, columns)).to_string(index=False, na_rep=""))


@app.command()
def methods(
    key: Annotated[str | None, typer.Argument(help="a method: its text, hyper-parameters, published recipe")] = None,
    preset: Annotated[str, typer.Option(help="which of its recipes")] = "paper",
    student: str = "wrn_16_2", teacher: str = "wrn_40_2", classes: int = 100, samples: int = 50_000,
) -> None:  # fmt: skip
    """The training methods: paper, what they learn from, loss, and what they cost for a pair of networks."""
    from . import catalogue, presets
    from .errors import lookup
    from .methods import METHODS

    if key is not None:
        method = lookup("method", key, METHODS)
        print(f"{key} ({method.paper})\n\n{inspect.getdoc(method)}\n")
        print(f"loss             {catalogue.loss_text(method)}")
        for name, parameter in method.hyper().items():
            default = parameter.default
            print(f"hp.{name:13} {default:.4g}" if isinstance(default, float) else f"hp.{name:13} {default}")
        print(f"presets          {', '.join(sorted({*presets.PRESETS, *method.presets}))}")
        print(f"\npreset={preset}\n{presets.describe(key, preset)}")
        return
    frame = catalogue.catalogue(student, teacher, classes, samples)
    shown = frame.drop(columns="refused", errors="ignore").rename(columns={"memory": "memory, MB"})
    thousands: dict[str | int, Callable[..., str]] = {"extra parameters": lambda count: f"{count:,}"}
    print(shown.to_string(na_rep="-", formatters=thousands, float_format=lambda value: f"{value:,.1f}"))
    print(f"\nextra parameters and memory: {student} taught by {teacher}, {classes} classes, {samples:,} images")
    if "refused" in frame:
        for name, reason in frame.refused.dropna().items():
            print(f"{name} cannot be used for this pair: {reason}")


@app.command()
def docs() -> None:
    """Write the generated pages, and the generated parts of the README, anew."""
    from . import docs

    for path in docs.write():
        print(path)


@app.command()
def lab() -> None:
    """Open JupyterLab in the notebooks folder."""
    from .notebooks import lab

    raise typer.Exit(lab())


@app.command()
def gallery(port: int = 8866, browser: bool = True) -> None:
    """Show all explorers in the browser, as a page without code."""
    from .notebooks import gallery

    raise typer.Exit(gallery(port, browser))


@of_notebooks.command(name="execute")
def execute(names: Annotated[list[Path] | None, typer.Argument(help="notebooks; default: all")] = None) -> None:
    """Execute notebooks from clean kernels and write them back, outputs included, in one canonical form."""
    from . import notebooks

    for path in notebooks.find(names):
        print(path.name, flush=True)
        notebooks.execute(path)


@of_notebooks.command()
def clean(names: Annotated[list[Path] | None, typer.Argument(help="notebooks; default: all")] = None) -> None:
    """Write notebooks in their canonical form, outputs as they are, without running them."""
    from . import notebooks

    for path in notebooks.find(names):
        if notebooks.clean(path):
            print(path)


@of_notebooks.command()
def check(
    names: Annotated[list[Path] | None, typer.Argument()] = None, strict: bool = False,
    own: Annotated[bool, typer.Option("--own", help="compare without nbval")] = False,
) -> None:  # fmt: skip
    """Run notebooks under nbval: the check cells, or with --strict every output, must be as committed."""
    from . import notebooks

    if not own:
        raise typer.Exit(notebooks.check(notebooks.find(names), strict))
    from .checking import compare

    told = [line for path in notebooks.find(names) for line in compare(path, strict)]
    print("\n".join(told) or "as committed")
    raise typer.Exit(bool(told))


@of_notebooks.command(name="run")
def run_notebook(notebook: Path, output: Path, parameter: Parameters = None) -> None:
    """Run a notebook through papermill with other parameters; a misspelt one is refused."""
    from . import notebooks

    print(notebooks.run_notebook(notebooks.find([notebook])[0], output, parse(parameter or [])))


def call() -> None:
    """Do what was typed: a user's mistake, or what the machine refuses, is one line on stderr and exit code 2."""
    warnings.showwarning = lambda message, *_, **__: print(f"kdlab: {message}", file=sys.stderr)
    try:
        app(prog_name="kdlab")
    except Exception as error:
        text = str(error) if isinstance(error, Error) else in_words(error)
        if text is None:
            raise
        print(f"kdlab: {text}", file=sys.stderr)
        sys.exit(2)


def main() -> None:
    """Entry point: `call`, and the end without delay."""
    try:
        call()
    except SystemExit as done:
        if not isinstance(done.code, int | None) or (done.code or 0) not in range(256):
            raise  # a sentence, or what only the interpreter knows how to tell
        leave(done.code or 0)


if __name__ == "__main__":
    main()
