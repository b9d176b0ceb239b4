"""The kdlab command."""

import atexit
import os
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from ..core import __version__
from ..core.errors import Error, machine_sentence
from ..core.output import shown, write_anything
from ..core.places import described
from . import data, housekeeping, notebooks, runs, study, sweep
from .bench import bench

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    help="kdlab: a study laboratory for training small image classifiers from few labels.",
    epilog="\n\n".join(["Environment variables:", *described()]),
    pretty_exceptions_enable=False,
)
app.add_typer(notebooks.opening)
app.add_typer(runs.app)
app.add_typer(housekeeping.app, name="runs")
app.add_typer(sweep.app)
app.command()(bench)
app.add_typer(study.app, name="study")
app.add_typer(data.app, name="data")
app.add_typer(notebooks.app, name="notebooks")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"kdlab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the command as a whole."""


@app.command()
def docs() -> None:
    """Write the generated parts of README.md and docs/ anew."""
    from . import pages

    for path in pages.write():
        print(path)


def call() -> None:
    """Do what was typed.

    A user's mistake, or what the machine refuses, is one line on stderr and exit code 2.
    """
    warnings.showwarning = lambda message, *_, **__: print(f"kdlab: {shown(message)}", file=sys.stderr)
    write_anything()
    try:
        app(prog_name="kdlab")
    except Exception as error:
        text = str(error) if isinstance(error, Error) else machine_sentence(error)
        if text is None:
            raise
        print(f"kdlab: {shown(text)}", file=sys.stderr)
        sys.exit(2)


def main() -> None:
    """Entry point: `call`, then end the process without delay."""
    try:
        call()
    except SystemExit as end:
        if not isinstance(end.code, int | None) or (end.code or 0) not in range(256):
            raise  # a sentence, or a code that only the interpreter can turn into an exit status
        _leave(end.code or 0)


def _leave(code: int) -> NoReturn:
    """End this process: call what atexit has, flush the output, skip the rest.

    With torch loaded the interpreter would take itself apart for two seconds. The code is 120 where output cannot be
    written, as Python's is; a reader that has closed its pipe is no error.
    """
    atexit._run_exitfuncs()  # noqa: SLF001  # there is no public way
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream and not stream.closed:  # a process may have none
                stream.flush()
        except BrokenPipeError:
            pass
        except OSError as error:
            code = code or 120
            os.write(2, f"kdlab: {error}\n".encode())
    os._exit(code)
