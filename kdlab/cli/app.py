"""The kdlab command."""

import inspect
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..core.console import say, shown, write_anything
from ..core.errors import Error
from ..core.machine import in_words
from ..core.settings import described, laid_over, parse, read
from ..core.starting import leave
from ..core.version import __version__
from . import data as data_cli
from . import study as study_cli

HABITS = {"context_settings": {"help_option_names": ["-h", "--help"]}, "no_args_is_help": True}
app = typer.Typer(
    **HABITS,
    help="kdlab: a study laboratory for training small image classifiers from few labels.",
    epilog="\n\n".join(["Environment variables:", *described()]),
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


def _version(asked: bool) -> None:
    if asked:
        print(f"kdlab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What holds for the command as a whole."""


@app.command()
def tour(parameter: Parameters = None) -> None:
    """The whole path on real digits: teacher, student, tables and pictures, in a minute."""
    from .notebooks import tour

    tour(parse(parameter or []))


@app.command(name="run")
def run_(
    settings: Settings = None,
    file: Annotated[Path | None, typer.Option(help="a JSON or YAML file of fields, or a run's config.json")] = None,
    fresh: Annotated[
        bool, typer.Option(help="remove what is stored of this run and of its stages, train anew")
    ] = False,
) -> None:
    """Run one experiment (and what it stands on), or return its stored result."""
    from ..engine.run import run
    from ..experiment.config import Config

    config = Config(**laid_over(read(file) if file else {}, parse(settings or [])))
    try:
        result = run(config, fresh=fresh)
    except KeyboardInterrupt:
        print("kdlab: interrupted; the same command, without --fresh, goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None
    for name, value in result.metrics.items():
        if not isinstance(value, dict):
            say(f"{name:18} {value:,}" if isinstance(value, int) else f"{name:18} {value}")
    say(f"{'folder':18} {result.folder}")


@app.command()
def table(
    columns: Annotated[list[str] | None, typer.Argument(help="columns beside what says which run it is")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every column")] = False,
) -> None:
    """All finished runs: by default their scores, or COLUMNS such as test/ece val/nll seconds."""
    from ..engine import report

    frame = report.table()
    if not len(frame):
        print("no finished runs yet: kdlab run, or kdlab tour")
    else:
        say((frame if everything else report.brief(frame, columns)).to_string(index=False, na_rep=""))


@app.command()
def methods(
    key: Annotated[str | None, typer.Argument(help="a method: its text, hyper-parameters, published recipe")] = None,
    preset: Annotated[str, typer.Option(help="which of its recipes")] = "paper",
    student: str = "wrn_16_2",
    teacher: str = "wrn_40_2",
    classes: int = 100,
    samples: int = 50_000,
) -> None:
    """The training methods: paper, what they learn from, loss, and what they cost for a pair of networks."""
    from ..core.errors import lookup
    from ..experiment import catalogue, presets
    from ..methods import METHODS

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
    for option, number, most in (("--classes", classes, 1_000_000), ("--samples", samples, 1_000_000_000)):
        if not 1 <= number <= most:
            raise Error(f"{option} {number}: give a number from 1 to {most:,}")
    frame = catalogue.catalogue(student, teacher, classes, samples)
    costs = frame.drop(columns="refused", errors="ignore").rename(columns={"memory": "memory, MB"})
    thousands: dict[str | int, Callable[..., str]] = {"extra parameters": lambda count: f"{count:,}"}
    print(costs.to_string(na_rep="-", formatters=thousands, float_format=lambda value: f"{value:,.1f}"))
    print(f"\nextra parameters and memory: {student} taught by {teacher}, {classes} classes, {samples:,} images")
    if "refused" in frame:
        for name, reason in frame.refused.dropna().items():
            print(f"{name} cannot be used for this pair: {reason}")


@app.command()
def docs() -> None:
    """Write the generated pages, and the generated parts of the README, anew."""
    from . import pages as docs

    for path in docs.write():
        print(path)


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]})
def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="passed on to JupyterLab, such as --no-browser --port=8890")
    ] = None,
) -> None:
    """Open JupyterLab in the notebooks folder; of an installed package in the current folder."""
    from .notebooks import lab

    raise typer.Exit(lab(arguments or []))


@app.command()
def gallery(port: int = 8866, browser: bool = True) -> None:
    """Show all explorers in the browser, as a page without code."""
    from .notebooks import gallery

    if not 1 <= port < 1 << 16:
        raise Error(f"--port {port}: give a number from 1 to 65,535")
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
    names: Annotated[list[Path] | None, typer.Argument()] = None,
    strict: bool = False,
    own: Annotated[bool, typer.Option("--own", help="compare without nbval")] = False,
) -> None:
    """Run notebooks under nbval: the check cells, or with --strict every output, must be as committed."""
    from . import notebooks

    if not own:
        raise typer.Exit(notebooks.check(notebooks.find(names), strict))
    from .checking import compare

    told = [line for path in notebooks.find(names) for line in compare(path, strict)]
    say("\n".join(told) or "as committed")
    raise typer.Exit(bool(told))


@of_notebooks.command()
def copy(
    folder: Path, names: Annotated[list[Path] | None, typer.Argument(help="notebooks; default: all")] = None
) -> None:
    """Copy notebooks into a folder, to work with; what lies there is not replaced."""
    from . import notebooks

    for path in notebooks.copy(folder, names):
        print(path)


@of_notebooks.command(name="run")
def run_notebook(notebook: Path, output: Path, parameter: Parameters = None) -> None:
    """Run a notebook through papermill with other parameters; a misspelt one is refused."""
    from . import notebooks

    print(notebooks.run_notebook(notebooks.find([notebook])[0], output, parse(parameter or [])))


def call() -> None:
    """Do what was typed: a user's mistake, or what the machine refuses, is one line on stderr and exit code 2."""
    warnings.showwarning = lambda message, *_, **__: print(f"kdlab: {shown(message)}", file=sys.stderr)
    write_anything()
    try:
        app(prog_name="kdlab")
    except Exception as error:
        text = str(error) if isinstance(error, Error) else in_words(error)
        if text is None:
            raise
        print(f"kdlab: {shown(text)}", file=sys.stderr)
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
