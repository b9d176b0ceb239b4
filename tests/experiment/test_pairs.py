"""Presets against a table of published hyper-parameters: every method, every published pair, every stage and field."""

import csv
import json
from pathlib import Path

import pytest
from papers import EVERY, paper

from kdlab import METHODS, Config
from kdlab.experiment.recipes import PAIRS, RECIPES

with (Path(__file__).parents[1] / "published.csv").open() as table:
    FACTS = list(csv.DictReader(table))
# RepDistiller: MobileNetV2, ShuffleNetV1, ShuffleNetV2
LIGHT = {
    "mobilenet_v2_half",
    "mobilenet_v2_half_highres",
    "mobilenet_v2_cifar",
    "shufflenet_v1",
    "shufflenet_v2",
}


def stages(config, path=""):
    yield path, config
    for role in ("teacher", "init"):
        if stage := getattr(config, role):
            yield from stages(stage, f"{path}.{role}".lstrip("."))


def fact(method, path, student, teacher):
    """The row of a stage: the first whose models are empty, or name the student or the pair."""
    for row in FACTS:
        models = row["models"].split()
        if (
            method in row["methods"].split()
            and row["stage"] == path
            and (not models or student in models or f"{student}/{teacher}" in models)
        ):
            return row
    raise AssertionError(f"no fact about {path or 'the run'} of {method}")


def expected(row, model):
    """All fields of the Config of a stage; what the row does not say is at its default."""
    fields = {name: field.default for name, field in Config.model_fields.items()}
    epochs = int(row["epochs"])
    for name in ("epochs", "batch", "size", "labels"):
        fields[name] = int(row[name]) if row[name] else None
    for name in ("weight_decay", "validation"):
        fields[name] = float(row[name])
    for name in ("nesterov", "decay_all"):
        fields[name] = row[name] == "True"
    fields |= {
        "method": row["by"] or None,
        "model": model,
        "width": 1.0,
        "dataset": row["dataset"],
        "optimizer": row["optimizer"],
        "schedule": row["schedule"],
        "augment": row["augment"] or None,
        "lr": float(row["light_lr"] if row["light_lr"] and model in LIGHT else row["lr"]),
        "warmup": float(row["warmup"]) / epochs,
        "hp": json.loads(row["hp"]),
        "weights": json.loads(row["weights"]),
        **json.loads(row["other"]),
    }
    if row["momentum"]:
        fields["momentum"] = float(row["momentum"])
    if row["schedule"] == "step":
        fields["milestones"] = tuple(int(m) / epochs for m in row["milestones"].split())
        fields["decay"] = float(row["decay"])
    return {name: value for name, value in fields.items() if name not in ("teacher", "init")}


@pytest.mark.parametrize("method, student, teacher", EVERY)
def test_every_field_is_the_published_one(method, student, teacher):
    paths = []
    for path, stage in stages(paper(method, student, teacher)):
        row = fact(method, path, student, teacher)
        model = (teacher or student) if "teacher" in path else student
        fields = expected(row, model) | ({} if row["by"] else {"method": method})
        if stage.schedule != "step":
            fields |= {"milestones": stage.milestones, "decay": stage.decay}  # which are not read
        values = {name: getattr(stage, name) for name in fields}
        assert {n: v for n, v in values.items() if v != fields[n]} == {}, f"{path or 'run'}: {row['source']}"
        paths.append(path)
    assert set(paths) == {row["stage"] for row in FACTS if method in row["methods"].split()}, "all stages, no other"


def test_every_published_method_has_a_recipe_and_every_fact_is_read():
    assert set(PAIRS) == set(RECIPES) <= set(METHODS)
    for row in FACTS:
        assert set(row["methods"].split()) <= set(METHODS) and row["source"], row
