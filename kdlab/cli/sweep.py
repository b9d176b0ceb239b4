"""The command `kdlab sweep`: every combination of values, one table, one picture."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import Error, known
from ..core.output import duration, replacing, say
from ..core.places import processors
from ..core.settings import laid_over, nested, parse, read
from .metric import USUAL, check_metric, numbers_of, usual_metric
from .workers import Scheduler, Track, Workers, resumable

if TYPE_CHECKING:  # it takes half a second to load
    import pandas as pd

    from .warm import Notebooks

app = typer.Typer()
LONGEST = 100  # name of a group; W&B takes 128
Rows = list[dict[str, Any]]


@app.command()
@resumable()
def sweep(
    words: Annotated[
        list[str], typer.Argument(help="a YAML or JSON file, and fields: method=kd,crd labels=20,100 seed=0-19 hp.T=4")
    ],
    workers: Workers = None,
    scheduler: Scheduler = "",
    track: Track = None,
    notebook: Annotated[str, typer.Option(help="a notebook, by name or path; the fields are its parameters")] = "",
    folder: Annotated[Path | None, typer.Option(help="of its outputs; default: sweeps/NAME in the runs folder")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the runs, and how long they take")] = False,
    metric: Annotated[str, typer.Option(help=f"to compare, such as test/ece; default: {USUAL[0]}")] = "",
    csv: Annotated[Path | None, typer.Option(help="write a row for each run into this file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    figure: Annotated[Path | None, typer.Option(help="draw the metric into this PNG file")] = None,
    x: Annotated[str, typer.Option(help="the field on its axis; default: that with most numbers")] = "",
) -> None:
    """Run every combination of values, and compare means over seeds.

    Commas separate values, 0-19 are whole numbers; in a file a list holds them. A value that is itself a list stands in
    a list of lists: milestones=[[0.5,0.75],[0.9]]. Fields of the task (dataset, labels, seed ...) are those of the
    teacher and of the initial run too, where these have none of their own. A file may name `workers` and `notebook`;
    typed fields are laid over it. Stored runs come back; the same command goes on after a stop. In a tracker the sweep
    is a group, called as its file or its fields.
    """
    import pandas as pd

    from .warm import Notebooks

    fields = _fields(words)
    of_file = fields.pop("workers", None), fields.pop("notebook", "")
    workers, notebook = workers or of_file[0], notebook or of_file[1]
    for file, suffix in ((figure, ".png"), (csv, ".csv")):
        if file and (file.suffix != suffix or not os.access(file.parent, os.W_OK)):
            raise Error(f"{file}: give a name that ends in {suffix}, in a folder that can be written to")
    if notebook and scheduler:
        raise Error("--scheduler trains runs: a notebook runs here, in kernels of its own")
    if notebook and track:
        raise Error("--track mirrors runs: those of a notebook's cells are mirrored by run(config, track=...)")
    if folder and not notebook:
        raise Error("--folder is that of notebooks: runs lie in the runs folder, see --csv for a table of them")
    if notebook:
        plan = Notebooks(Path(notebook), fields, folder)
    else:
        plan = Runs(fields, metric, scheduler, track, _group(words))
    by = [name for name in plan.varied if name != "seed"]
    axis = _axis(plan.rows, by, x) if figure else ""
    if dry_run:
        _foresee(*plan.expected(workers or processors()), as_json)
        return
    rows, failed = plan.run(workers)
    frame = pd.DataFrame(rows)
    if csv:
        with replacing(csv) as temporary:
            frame.to_csv(temporary, index=False)
    compared = _compare(plan, frame, failed, metric, as_json)
    if figure and compared:
        _draw(frame, figure, axis, [name for name in by if name != axis], compared)
    elif figure and rows:
        raise Error("--figure draws one number, choose it by --metric")
    if failed:
        raise typer.Exit(1)


def _fields(words: Sequence[str]) -> dict[str, Any]:
    """Return the fields in a file, with those that are typed laid over them."""
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise Error(f"{files[0]} and {files[1]}: give one file; fields are written name=value")
    of_file = nested(read(Path(files[0]))) if files else {}
    typed = parse([word for word in words if "=" in word], several=True)
    for fields, where in ((of_file, f" in {files[0]}" if files else ""), (typed, "")):
        workers, notebook = fields.get("workers"), fields.get("notebook")
        if workers is not None and (type(workers) is not int or workers < 1):
            raise Error(f"workers={workers!r}{where}: write the number of processes, 1 or more, as in workers: 2")
        if not isinstance(notebook, str | None):
            raise Error(f"notebook={notebook!r}{where}: write its name or path, as in notebook: run_experiment")
    return laid_over(of_file, typed)


def _group(words: Sequence[str]) -> str:
    """Return what a sweep is called in a tracker: as its file, or else as typed."""
    files = [Path(word).stem for word in words if "=" not in word]
    return " ".join(files or words)[:LONGEST]


class Runs:
    """The runs of a grid: `rows` of values that vary, in these fields, `varied`."""

    table: Path | None = None  # no file has all of them

    def __init__(
        self, fields: Mapping[str, Any], metric: str, scheduler: str, track: str | None = None, group: str = ""
    ) -> None:
        from ..experiment.grid import grid

        self.track, self.group = track, group
        self.configs, self.metric, self.scheduler = grid(fields), metric, scheduler
        self.rows = list(self.configs.values())
        self.varied = list(self.rows[0])
        if metric:
            check_metric(metric, list(self.configs))

    def expected(self, workers: int) -> tuple[Rows, str]:
        """Return which runs are stored, and a sentence on the time of the others."""
        from ..engine.forecast import WORKER_SECONDS, forecast

        runs = forecast(list(self.configs))
        states = ["stored" if runs[config].stored else "to train" for config in self.configs]
        rows = [{**values, "state": state} for values, state in zip(self.rows, states, strict=True)]
        waiting = {config: run.seconds for config, run in runs.items() if not run.stored}
        unknown = sorted({f"{config.method} {config.model}" for config, each in waiting.items() if each is None})
        workers = min(workers, len(waiting) or 1)
        seconds = sum(each or 0 for each in waiting.values()) / workers + (WORKER_SECONDS if workers > 1 else 0)
        text = f"{len(rows)} runs, {states.count('stored')} stored"
        text += f"; {len(waiting)} train, their stages counted" if waiting else ""
        if any(waiting.values()):
            text += f": {'at least' if unknown else 'about'} {duration(seconds)} at {workers} at a time"
        return rows, text + (f"; no run like these is stored: {', '.join(unknown)}" if unknown else "")

    def run(self, workers: int | None) -> tuple[Rows, Rows]:
        """Return rows of the runs that are done, and of those that failed."""
        from ..engine.sweep import Failed, run_all

        rows, failed = Rows(), Rows()
        outcomes = run_all(
            list(self.configs), workers=workers, scheduler=self.scheduler, track=self.track, group=self.group
        )
        for values, outcome in zip(self.rows, outcomes, strict=True):
            if isinstance(outcome, Failed):
                failed.append({**values, "message": outcome.message, "command": outcome.command})
                continue
            measured: dict[str, Any] = {}
            with suppress(Error):  # a metric that other methods of the grid have
                measured = {self.metric: outcome[self.metric]} if self.metric else {}
            numbers = {name: each for name, each in outcome.metrics.items() if isinstance(each, int | float | str)}
            measured = {name: each for name, each in measured.items() if isinstance(each, int | float)}
            about = {"seed": outcome.config.seed, "folder": str(outcome.folder)}
            rows.append({**values, **about, **numbers, **measured, **values})  # `labels` as it was typed
        return rows, failed


def _axis(rows: Rows, by: Sequence[str], x: str) -> str:
    """Return the field on the axis of a figure: `x`, else that with most numbers."""
    if not by:
        raise Error("nothing can be drawn: give a field other than seed several values")
    if x:
        return known("field with several values", x, by)
    values = {name: {row[name] for row in rows} for name in by}
    return max(by, key=lambda name: (all(isinstance(each, int | float) for each in values[name]), len(values[name])))


def _compare(plan: "Runs | Notebooks", frame: "pd.DataFrame", failed: Rows, metric: str, as_json: bool) -> str:
    """Print what came of a sweep; return the metric that was compared, "" for none."""
    numbers = numbers_of(frame, [*plan.varied, "seed"])
    compared = metric if metric in numbers else "" if metric else usual_metric(frame, numbers)
    _report(frame, failed, [name for name in plan.varied if name != "seed"], compared, as_json)
    if len(frame) and plan.table and not as_json:
        say(f"all results: {plan.table}")
    if len(frame) and not compared:
        choices = ", ".join(numbers) or "(none)"
        if metric:
            raise Error(f"no run has {metric}: choose --metric from {choices}")
        if not as_json:
            say(f"--metric compares one of {choices}")
    return compared


def _report(frame: "pd.DataFrame", failed: Rows, by: Sequence[str], metric: str, as_json: bool) -> None:
    """Print the means of a metric over seeds with their intervals, and what failed."""
    import pandas as pd

    from ..core.formats import records
    from ..core.statistics import tidy
    from ..metrics import METRICS

    means = _means(frame, by, metric) if metric else pd.DataFrame()
    if as_json:
        tables = {"means": means, "runs": frame, "failed": pd.DataFrame(failed)}
        print(json.dumps({"metric": metric or None} | {name: records(each) for name, each in tables.items()}, indent=1))
        return
    if metric:
        known_as = METRICS.get(metric.partition("/")[2])
        say(f"{metric}\n{tidy(means, 1 if known_as and known_as.unit == '%' else 3).to_string(index=False)}")
        if lacking := frame[metric].isna().sum():
            say(f"{lacking} of {len(frame)} runs have no {metric}, see --metric")
    for each in failed:
        values = " ".join(f"{name}={value}" for name, value in each.items() if name not in ("message", "command"))
        say(f"failed: {values}: {each['message']}\n    {each['command']}")


def _means(frame: "pd.DataFrame", by: Sequence[str], metric: str) -> "pd.DataFrame":
    """Return a row of means for each combination `by`, blank without the metric."""
    import pandas as pd

    from ..core.statistics import by_group, summary

    scores = by_group(frame, by, metric)
    rows = frame[list(by)].itertuples(index=False, name=None) if by else [()]
    groups = list(dict.fromkeys(tuple("" if pd.isna(value) else value for value in row) for row in rows))
    means = summary({str(i): scores[group] for i, group in enumerate(groups) if group in scores})
    means = means.reindex([str(i) for i in range(len(groups))]).reset_index(drop=True)
    means["n"] = means.n.fillna(0).astype(int)
    return pd.DataFrame(groups, columns=list(by), dtype=object).join(means, how="right")


def _foresee(rows: Rows, text: str, as_json: bool) -> None:
    """Print the runs of a sweep, and what is to be expected of them."""
    import pandas as pd

    if as_json:
        print(json.dumps({"runs": rows, "expected": text}, indent=1))
    else:
        say(f"{pd.DataFrame(rows).to_string(index=False)}\n{text}")


def _draw(frame: "pd.DataFrame", file: Path, x: str, hue: Sequence[str], metric: str) -> None:
    """Write the picture of a sweep."""
    from ..plots import plot_sweep

    with replacing(file) as temporary:
        plot_sweep(frame, x, hue, metric).savefig(temporary, format="png")
