"""The `kdlab runs` commands: which runs are stored, what they hold, what may go."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import Error
from ..core.output import say
from ..core.places import runs_root
from ..core.settings import typed
from .runs import print_metrics

if TYPE_CHECKING:  # tables load late
    from ..engine.housekeeping import Kept

app = typer.Typer(no_args_is_help=True, help="List, show and remove stored runs, and what is left of others.")
Run = Annotated[str, typer.Argument(help="the name of a folder, a part that only one has, or a path")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="remove without asking")]


@app.command(name="list")
def list_() -> None:
    """List all run folders: what differs among them, their state and size."""
    from ..core.formats import render
    from ..engine import report
    from ..engine.housekeeping import survey

    runs = list(survey(runs_root()))
    if not runs:
        print("no runs yet: kdlab run, or kdlab tour")
        return
    readable = {number: kept.run for number, kept in enumerate(runs) if kept.run}
    fields = report.configs(list(readable.values()))
    fields.index = list(readable)
    frame = fields[report.differing(fields)].reindex(range(len(runs)))
    frame["state"] = [_state(kept) for kept in runs]
    frame["MB"] = [round(kept.size / 1e6, 1) for kept in runs]
    frame["folder"] = [kept.folder.name for kept in runs]
    say(render(frame, "text"))


@app.command()
def show(run: Run) -> None:
    """Show a run: settings, what it stands on and what on it, metrics, last epoch."""
    from ..engine.housekeeping import dependants, find, survey
    from ..engine.reading import log_lines

    runs = list(survey(runs_root()))
    kept = find(run, runs, runs_root())
    by_key = {each.key: each for each in runs}
    say(f"{'folder':18} {kept.folder}")
    say(f"{'state':18} {_state(kept)}, {kept.size / 1e6:,.1f} MB")
    if kept.run:
        say(f"{'kdlab':18} {kept.run.version or 'unknown'}")
        say(f"{'command':18} {_command(kept.run.config)}")
    for role, key in kept.stands_on.items():
        say(f"{role:18} {f'{by_key[key].folder.name} ({_state(by_key[key])})' if key in by_key else 'not there'}")
    for other in dependants([kept], runs):
        say(f"{'stands on it':18} {other.folder.name} ({_state(other)})")
    if kept.run and kept.run.result:
        print()
        print_metrics(kept.run.result)
    if lines := log_lines(kept.folder):
        print("\nlast epoch:")
        print_metrics(lines[-1])


@app.command()
def rm(
    run: Annotated[list[str], typer.Argument(help="folders: their names, parts that only one has, or paths")],
    with_dependants: Annotated[bool, typer.Option(help="remove the runs that stand on them too")] = False,
    yes: Yes = False,
) -> None:
    """Remove runs, after a question; one that is trained now stays."""
    from ..engine.housekeeping import dependants, find, remove, survey

    runs = list(survey(runs_root()))
    chosen = list({kept.folder: kept for kept in (find(name, runs, runs_root()) for name in run)}.values())
    above = dependants(chosen, runs)
    if above and not with_dependants:
        names = ", ".join(kept.folder.name for kept in above[:3]) + (f" and {len(above) - 3} more" if above[3:] else "")
        stands = "stand" if above[1:] else "stands"
        raise Error(f"{names} {stands} on what would be removed: --with-dependants removes that too")
    for kept in (*above, *chosen):
        if kept.state == "training":
            raise Error(f"{kept.folder.name} is being trained by another process: end that first")
        say(f"{kept.folder.name}: {_state(kept)}, {kept.size / 1e6:,.1f} MB")
    if not yes:
        typer.confirm("remove them?" if above or chosen[1:] else "remove it?", abort=True)
    for kept in (*above, *chosen):
        remove(kept.folder)


@app.command()
def gc(yes: Yes = False) -> None:
    """Show what no Config of today needs, and why; with --yes remove it.

    Runs by other code or versions, damaged ones, what killed processes left. Whether images have changed is not looked
    at. Runs of a notebook's own methods, networks and data sets stay, and so do folders with other files than a run's.
    """
    from ..engine.housekeeping import bytes_of, free, garbage, strange, survey

    root = runs_root()
    sizes = list[int]()
    for path, why in garbage(survey(root), root):
        size = bytes_of(path)
        if files := strange(path):
            say(f"{path.relative_to(root)}: {why}, and stays: kdlab has not written {files[0].name} in it")
            continue
        if yes:
            try:
                free(path)
            except Error as error:  # somebody trains it since
                say(error)
                continue
        sizes.append(size)
        say(f"{path.relative_to(root)}: {why}, {size / 1e6:,.1f} MB")
    amount = f"{sum(sizes) / 1e6:,.1f} MB"
    if not sizes:
        print("nothing to remove")
    else:
        print(f"{amount} are free again" if yes else f"{amount} would be free: kdlab runs gc --yes removes these")


def _state(kept: "Kept") -> str:
    return f"{kept.state}, {kept.detail}" if kept.detail else kept.state


def _command(config: dict[str, Any]) -> str:
    """Return the command that runs a stored Config, or its fields where none does."""
    from ..engine.sweep import command
    from ..experiment.config import Config

    try:
        return command(Config(**config))
    except (ValueError, TypeError):
        return f"no Config of today: {' '.join(typed(config))}"
