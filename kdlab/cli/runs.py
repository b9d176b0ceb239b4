"""The commands about runs: `kdlab run`, `table` and `methods`."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import Error, lookup
from ..core.loading import without_collection
from ..core.output import say
from ..core.settings import laid_over, parse, read
from .workers import Track, resumable

app = typer.Typer()
Settings = Annotated[
    list[str] | None, typer.Argument(help="field=value, such as method=kd labels=20 teacher.method=simclr hp.T=2")
]


@app.command(name="run")
@resumable("the same command, without --fresh, goes on from there")
def run_(
    settings: Settings = None,
    file: Annotated[Path | None, typer.Option(help="a JSON or YAML file of fields, a run's config.json, or -")] = None,
    fresh: Annotated[
        bool, typer.Option(help="remove the stored run, its teacher and initial runs, and train anew")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object: metrics, config, folder")] = False,
    devices: Annotated[
        int | None, typer.Option(help="devices that share each batch of the run, its teacher and initial runs")
    ] = None,
    track: Track = None,
) -> None:
    """Train one experiment, its teacher first, or print its stored result."""
    with without_collection():
        from ..engine.process import end_with_parent
        from ..engine.run import run
        from ..experiment.config import Config

    end_with_parent()
    config = Config(**laid_over(read(file) if file else {}, parse(settings or [])))
    if devices is not None:
        config = config.throughout(devices=devices)
    result = run(config, fresh=fresh, track=track)
    if as_json:
        from ..core.formats import jsonable

        metrics = {name: jsonable(value) for name, value in result.metrics.items() if not isinstance(value, dict)}
        config = result.config.model_dump(mode="json")
        print(json.dumps({"metrics": metrics, "config": config, "folder": str(result.folder)}, indent=1))
        return
    print_metrics(result.metrics)
    if result.config.internet:
        say(f"{'note':18} {result.config.internet}")
    say(f"{'folder':18} {result.folder}")


def print_metrics(metrics: Mapping[str, Any]) -> None:
    """Print the numbers of a run, a line each."""
    for name, value in metrics.items():
        if not isinstance(value, dict):
            say(f"{name:18} {value:,}" if isinstance(value, int) else f"{name:18} {value}")


@app.command()
def table(
    columns: Annotated[
        list[str] | None, typer.Argument(help="such as test/ece hp.T seconds, instead of accuracies")
    ] = None,
    mean: Annotated[bool, typer.Option("--mean", help="means over seeds, with 95 % intervals")] = False,
    everything: Annotated[bool, typer.Option("--all", help="show every column")] = False,
    to: Annotated[str, typer.Option(help="text, csv, json, markdown or latex")] = "text",
) -> None:
    """List all finished runs: what differs among them, and their scores, or COLUMNS."""
    from ..core.formats import render
    from ..engine import report

    frame = report.table()
    if not len(frame) and to == "text":
        print("no finished runs yet: kdlab run, or kdlab tour")
        return
    if mean:
        frame = report.means(frame, columns or (() if everything else report.scores(frame)))
    say(render(frame if everything else report.brief(frame, columns or ()), to))


@app.command()
def methods(
    key: Annotated[str | None, typer.Argument(help="describe this method: loss, hyper-parameters, recipes")] = None,
    preset: Annotated[str, typer.Option(help="the recipe to print")] = "paper",
    student: Annotated[str, typer.Option(help="the network that learns, for the costs")] = "wrn_16_2",
    teacher: Annotated[str, typer.Option(help="the network that teaches it")] = "wrn_40_2",
    classes: Annotated[int, typer.Option(help="number of classes")] = 100,
    samples: Annotated[int, typer.Option(help="number of training images")] = 50_000,
) -> None:
    """List the training methods: paper, loss, and cost for a pair of networks."""
    from ..experiment import catalogue

    if key is not None:
        _describe(key, preset)
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


def _describe(key: str, preset: str) -> None:
    """Print a method's text, loss, hyper-parameters and one of its recipes."""
    from ..experiment import catalogue, presets
    from ..methods import METHODS

    method = lookup("method", key, METHODS)
    print(f"{key} ({method.paper})\n\n{inspect.getdoc(method)}\n")
    print(f"loss             {catalogue.loss_text(method)}")
    for name, parameter in method.hyper().items():
        default = parameter.default
        print(f"hp.{name:13} {default:.4g}" if isinstance(default, float) else f"hp.{name:13} {default}")
    print(f"presets          {', '.join(presets.presets_of(key))}")
    print(f"\npreset={preset}\n{presets.describe(key, preset)}")
