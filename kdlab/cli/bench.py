"""The command `kdlab bench`."""

from typing import Annotated

import typer

from ..core.errors import Error, known
from ..core.output import say
from ..core.settings import laid_over, parse, typed

METHODS = ("supervised", "kd", "simclr", "lsskd")
FIXED = {"steps": 20, "validation": 0.0}  # unless settings say otherwise; without images no validation is waited for


def bench(
    words: Annotated[
        list[str] | None, typer.Argument(help="methods, and fields of their Configs: kd crd model=resnet20 batch=128")
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="of which medians are printed")] = 5,
) -> None:
    """Time input, step, epoch and probe of methods, beside the machine's own speed.

    A teacher is as its student but for teacher.FIELD=VALUE.
    """
    import pandas as pd
    import torch

    from .. import methods
    from ..engine.bench import bench as measure
    from ..experiment.catalogue import pipeline

    fields = laid_over(FIXED, parse([word for word in words or () if "=" in word]))
    teacher = fields.pop("teacher", {})
    if "method" in fields or not isinstance(teacher, dict):
        raise Error("bench takes methods by name and a teacher by its fields: kdlab bench kd teacher.model=resnet20")
    names = [known("method", word, methods.METHODS) for word in words or () if "=" not in word] or METHODS
    configs = {name: pipeline(name, fields, laid_over(fields, teacher), epochs=1) for name in names}
    costs = measure(configs, repetitions)
    first = next(iter(configs.values()))
    common = {name: getattr(first, name) for name in ("dataset", "size", "model", "width", "batch", "precision")}
    say(f"{' '.join(typed({**common, 'teacher': teacher}))}, torch {torch.__version__}\n")
    rows = {
        name: {
            "input ms": 1e3 * cost.input,
            "step ms": 1e3 * cost.step,
            "epoch ms": 1e3 * cost.epoch,
            "probe ms": 1e3 * cost.probe,
            "copy/input": cost.bytes / cost.copy / cost.input,
            "product/step": cost.flops / cost.product / cost.step,
            "step/epoch": cost.step / cost.epoch,
            "device": cost.device,
            "threads": cost.threads,
            "GFLOP/s": cost.product / 1e9,
            "GB/s": cost.copy / 1e9,
        }
        for name, cost in costs.items()
    }
    say(pd.DataFrame.from_dict(rows, orient="index").to_string(float_format=lambda value: f"{value:,.3f}"))
    say(f"""
input: a batch of views; step: without its input; epoch: one of its steps, with its input; probe: a linear probe.
Medians of {repetitions}, in turns. Fractions, of what is possible: the time that a copy of the views takes, over input;
that a matrix product of as many operations takes, over step; and step over epoch.
GFLOP/s: of the product; GB/s: of the copy.""")
