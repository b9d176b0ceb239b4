"""The generated parts of README.md and docs/, from the package's own tables.

A page holds its prose itself; what stands between `<!-- kdlab docs: NAME -->` and `<!-- end -->` is the part NAME.
"""

import inspect
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ..core.errors import Error, lookup
from ..core.formats import markdown
from ..core.hyper import hyper_parameters
from ..core.places import PACKAGE, VARIABLES, checkout, shipped_only
from ..core.schedules import SCHEDULES
from ..data import DATASETS, NOISES, SAMPLINGS
from ..data.augment import AUGMENTATIONS
from ..data.csv_file import FILES, LABELS, SPLITS
from ..experiment import catalogue
from ..experiment.config import Config
from ..experiment.optimizers import OPTIMIZERS
from ..experiment.presets import presets_of
from ..methods import METHODS
from ..metrics import DIAGNOSTICS, METRICS, cost
from ..models import MODELS, build
from ..studies import STUDIES
from ..studies.verdicts import MEANT

ROOT = PACKAGE.parent
MARK = re.compile(r"(<!-- kdlab docs: (\w+) -->)(\n?).*?(<!-- end -->)", re.DOTALL)


def first_sentence(thing: Any) -> str:
    """Return the first sentence of a docstring, for a table."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s(?=[A-Z`])", text)[0].rstrip(".").replace("|", "\\|")


def named(table: Mapping[str, Any]) -> list[list[str]]:
    """Return the name of each function and the first sentence of its docstring."""
    return [[f"`{key}`", first_sentence(entry)] for key, entry in table.items()]


def keys(table: Iterable[str]) -> str:
    """Return names as one line."""
    return ", ".join(f"`{key}`" for key in table)


def networks() -> str:
    """Return all networks with what they cost, for 100 classes and 3 x 32 x 32 pixels."""
    lines = []
    with torch.device("meta"):
        for key in MODELS:
            net = build(key, 100)
            numbers = cost.report(net, (3, 32, 32))
            widths = " ".join(map(str, net.widths))
            lines.append([f"`{key}`", f"{numbers['parameters']:,}", f"{numbers['macs']:,}", widths])
    return markdown("network | parameters: | multiply-accumulates: | channels of the stages", lines)


def optimisers() -> str:
    """Return all optimisers with their options."""
    lines = []
    for key, make in OPTIMIZERS.items():
        options = ", ".join(f"{name}={option.default}" for name, option in hyper_parameters(make).items())
        lines.append([f"`{key}`", first_sentence(make), options])
    return markdown("optimiser | what it is | options and their defaults", lines)


def metrics() -> str:
    """Return all metrics: what each is, and when it is computed."""
    lines = [
        [
            f"`{key}`",
            m.unit or "-",
            m.better,
            "no" if m.due == "request" else f"{m.due}, where no classifier is trained" if m.features_only else m.due,
            m.about.rstrip(".") or first_sentence(m.measure),
            m.for_,
        ]
        for key, m in METRICS.items()
    ]
    return markdown("metric | unit | better | computed without being asked | what it is | can be measured on", lines)


def studies() -> dict[str, str]:
    """Return what the committed evidence answers, and how many questions it settles."""
    with shipped_only():
        made = {name: make() for name, make in STUDIES.items()}
        answers = {name: study.answers() for name, study in made.items()}
    measured = [name for name, frame in answers.items() if frame.n.any()]
    sections = []
    for name in measured:
        lines = [
            [
                row["question"],
                f"{row['system']}, minus {row['minus']}",
                f"`{row['metric']}`",
                *("" if math.isnan(row[key]) else f"{row[key]:.1f}" for key in ("difference", "± 95 %")),
                str(row["n"]),
                row["length"],
                row["verdict"],
            ]
            for row in answers[name].to_dict("records")
        ]
        table = markdown("question | difference | metric | mean: | ± 95 %: | n: | length | answer", lines)
        sections.append(f"## {name}\n\n{made[name].question}\n\n{table}")
    verdicts = [verdict for frame in answers.values() for verdict in frame.verdict]
    count = sum(not verdict.startswith("open") for verdict in verdicts)
    missing = [name for name in made if name not in measured]
    settled = f"{count} of {len(verdicts)}" + (f" (not measured yet: {keys(missing)})" if missing else "")
    return {"studies": "\n\n".join(sections), "settled": settled}


@cache
def parts() -> dict[str, str]:
    """Return every generated part by its name."""
    fields = [
        [f"`{name}`", f"`{field.default!r}`", field.description or ""] for name, field in Config.model_fields.items()
    ]
    columns = [[f"`{name}`", ", ".join(others)] for name, *others in (FILES, LABELS, SPLITS)]
    there_are = [
        ["data", keys(DATASETS), "[configuration](docs/configuration.md)"],
        ["methods", keys(METHODS), "[methods](docs/methods.md)"],
        ["networks", keys(MODELS), "[networks](docs/networks.md)"],
        ["metrics", keys(METRICS), "[metrics](docs/metrics.md)"],
    ]
    return {
        "tables": markdown("there are | by these names | more", there_are),
        "methods": catalogue.markdown(catalogue.catalogue()),
        "networks": networks(),
        "fields": markdown("field | default | meaning", fields),
        "presets": keys(sorted({name for method in METHODS for name in presets_of(method)})),
        "datasets": markdown("key | what it is", named(DATASETS)),
        "noises": keys(NOISES),
        "augmentations": keys(AUGMENTATIONS),
        "columns": markdown("column | or called", columns),
        "optimisers": optimisers(),
        "schedules": markdown("schedule | learning rate over the peak", named(SCHEDULES)),
        "samplings": markdown("sampling | a batch", named(SAMPLINGS)),
        "variables": markdown("variable | what it says | default", VARIABLES),
        "metrics": metrics(),
        "diagnostics": markdown("diagnostic | what it is", named(DIAGNOSTICS)),
        "verdicts": "\n".join(f"- *{word}*: {what}" for word, what in MEANT.items()),
        **studies(),
    }


def pages() -> dict[Path, str]:
    """Return README.md and the pages of docs/ with the generated parts filled in."""

    def filled(mark: re.Match[str]) -> str:
        opening, name, line_break, closing = mark.groups()
        return opening + line_break + lookup("generated part", name, parts()) + line_break + closing

    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {file: MARK.sub(filled, file.read_text(encoding="utf-8")) for file in files}


def write() -> list[Path]:
    """Write the pages that differ and return them.

    Raise an `Error` where the package is no part of a checkout.
    """
    if checkout() is None:
        raise Error(f"the pages are those of a checkout of the repository, and {PACKAGE} is not in one")
    changed = {path: text for path, text in pages().items() if path.read_text(encoding="utf-8") != text}
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(changed)
