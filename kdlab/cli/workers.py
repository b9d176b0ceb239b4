"""What the commands that make many runs share: their options, and how they stop."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ..core.errors import Error

Workers = Annotated[
    int | None,
    typer.Option(min=1, help="processes that train; 1: this one alone; default: one a processor or GPU"),
]
Scheduler = Annotated[
    str,
    typer.Option("--scheduler", "--scheduler-file", help="address or file of a dask scheduler whose workers train"),
]
Track = Annotated[str | None, typer.Option(help="mirror the log, an epoch a line, to wandb, trackio or tensorboard")]


@contextmanager
def resumable(how: str = "the same command goes on from there") -> Iterator[None]:
    """End the command after an interrupt, with a line that says how to go on.

    And after failures of some runs with a line for each, and the command that repeats it.
    """
    try:
        yield
    except KeyboardInterrupt:
        print(f"kdlab: interrupted; {how}", file=sys.stderr)
        raise typer.Exit(130) from None
    except Error as error:
        from ..engine.sweep import RunsError  # here: an interrupt while it loads has its line too

        if not isinstance(error, RunsError):
            raise
        for failed in error.failed:
            print(f"kdlab: {failed}", file=sys.stderr)
        raise typer.Exit(1) from None
