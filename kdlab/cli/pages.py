"""The generated pages: what the tables of the package hold, written from the tables themselves."""

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..core.errors import Error
from ..core.hyper import hyper_parameters
from ..core.places import PACKAGE, VARIABLES, checkout
from ..core.schedules import SCHEDULES
from ..data import DATASETS, NOISES, SAMPLINGS
from ..data.augment import AUGMENTATIONS
from ..data.csv_file import FILES, LABELS, SPLITS
from ..data.folder import SHARE
from ..engine.tables import shipped_only
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
MARK = re.compile(r"(<!-- kdlab docs: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
LAYOUTS = [
    ["`train/CLASS/` and `test/CLASS/` (or `val/CLASS/`; with both, `val/` is for validation)", "`train/`", "`test/`"],
    [
        "`CLASS/` alone",
        "the others",
        f"{SHARE:.0%} of each class, chosen by the content of the files: the same for all "
        "seeds, machines and names; equal files are on one side",
    ],
    ["`unlabelled/` beside these, or in `train/`", "its images too, without labels", ""],
    ["images and no class", "all of them, without labels: `simclr`, `moco`, `byol`, `mokd`", "nothing"],
]
NOTE = "*Written by `kdlab docs` from the package's own tables; a test compares.*"


def first_sentence(thing: Any) -> str:
    """The first sentence of a docstring, for a table."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s(?=[A-Z`])", text)[0].rstrip(".").replace("|", "\\|")


def rows(header: str, lines: list[list[str]]) -> str:
    """A table of a page; columns that the header marks with : at the end are numbers."""
    names = header.split(" | ")
    rule = "|".join("---:" if name.endswith(":") else "---" for name in names)
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(name.rstrip(":") for name in names) + " |", f"|{rule}|", *body])


def methods_page() -> str:
    """docs/methods.md."""
    return f"""# Methods

{NOTE}

What each learns from, its loss with the published weights, and what it needs in training beside the student: here for
WRN-16-2 taught by WRN-40-2 on CIFAR-100 (100 classes, 50,000 images, batch 64). Nothing of that is left afterwards.
`kdlab methods --student shufflenet_v1 --teacher resnet32x4` makes the table for another pair, `kdlab methods crd`
describes one method and its hyper-parameters, `Config(method="crd", preset="paper")` is a whole published experiment,
teacher included.

{catalogue.markdown(catalogue.catalogue())}

Methods of two phases (`ab`, `fsp`) go on from a run of their first (`init=Config(method="ab_init", ...)`); `sskd` and
`hsakd` need a teacher that another run has given a head or branches (`teacher=Config(method="sskd_head", init=...)`);
`sskd_pretext` takes task and transform from its teacher's head (`teacher.hp.task=jigsaw` of `sskd_pretext_head`).
Any method whose weights name `kd` takes the teacher's logits on top with `weights={{"kd": 0.9}}`.
"""


def networks_page() -> str:
    """docs/networks.md."""
    lines = []
    with torch.device("meta"):
        for key in MODELS:
            net = build(key, 100)
            numbers = cost.report(net, (3, 32, 32))
            lines.append(
                [f"`{key}`", f"{numbers['parameters']:,}", f"{numbers['macs']:,}", " ".join(map(str, net.widths))]
            )
    table = rows("network | parameters: | multiply-accumulates: | channels of the stages", lines)
    return f"""# Networks

{NOTE}

For 100 classes and 3 x 32 x 32 pixels. Every network takes images of any size from 8 x 8 up, with 1 or 3 channels, and
a `width` multiplier. `mobilenet_v2`, `efficientnet_b0`, `shufflenet_v2_x1_0` and the networks that end in `_imagenet`
are torchvision's, with its ImageNet weights by `pretrained=true`.

{table}
"""


def named(table: Mapping[str, Any]) -> list[list[str]]:
    """A line for each entry of a table of functions: its name and what it says of itself."""
    return [[f"`{key}`", first_sentence(entry)] for key, entry in table.items()]


def configuration_page() -> str:
    """docs/configuration.md."""
    fields = [
        [f"`{name}`", f"`{field.default!r}`", field.description or ""] for name, field in Config.model_fields.items()
    ]
    options = [
        [f"`{key}`", first_sentence(make), ", ".join(f"{n}={p.default}" for n, p in hyper_parameters(make).items())]
        for key, make in OPTIMIZERS.items()
    ]
    presets = sorted({name for method in METHODS for name in presets_of(method)})
    return f"""# Configuration

{NOTE}

An experiment is a `Config`; what is not given has the default below, which suits small digits on a laptop, or comes
from a `preset` ({", ".join(f"`{name}`" for name in presets)}, where the method has it; `kdlab methods KEY` prints what
it says, and why). On the command line, nested fields are written with dots: `kdlab run method=kd teacher.model=resnet18
hp.T=2`; beside a preset they are laid over the stage that it makes.

{rows("field | default | meaning", fields)}

## Data sets

{rows("key | what it is", named(DATASETS))}

Label noise (`noise`, `noise_kind`): {", ".join(f"`{kind}`" for kind in NOISES)}. Augmentation (`augment`):
{", ".join(f"`{name}`" for name in AUGMENTATIONS)}.

## Images of your own

{rows("in PATH | trained on | tested on", LAYOUTS)}

All that lies below these folders counts, at any depth, but for what systems leave there (`.ipynb_checkpoints`,
`@eaDir`, `._x.jpg`, ...). `folder:PATH` decodes images once and needs a `size` where they differ; `photographs:PATH`
crops them at random as it decodes them. `csv:FILE` reads a table with the columns {_columns(FILES)} and
{_columns(LABELS)}, and {_columns(SPLITS)} with train, test or val if you wish; commas, semicolons or tabs, in UTF-8;
paths start at the table; an empty label is an image without one; `photographs:FILE` reads it too. JPEG, PNG, WebP,
AVIF, TIFF, BMP, GIF and all else that Pillow reads are images, HEIC is not; a warning says how many files of which
ending are left out, and `kdlab data inspect` what is there, what comes twice and what is done with it.

## Optimisers and schedules

{rows("optimiser | what it is | options and their defaults", options)}

{rows("schedule | learning rate over the peak", named(SCHEDULES))}

## What a batch is made of

Each method's `sampling`:

{rows("sampling | a batch", named(SAMPLINGS))}

## Places and limits

None of these environment variables changes a number.

{rows("variable | what it says | default", VARIABLES)}
"""


def _columns(names: Sequence[str]) -> str:
    return f"`{names[0]}` ({', '.join(names[1:])})"


def metrics_page() -> str:
    """docs/metrics.md."""
    lines = [
        [
            f"`{key}`",
            m.unit or "-",
            m.better,
            "no" if m.due == "request" else f"{m.due}, of {first_sentence(m.due_for)}",
            first_sentence(m.measure),
            first_sentence(m.suits),
        ]
        for key, m in METRICS.items()
    ]
    return f"""# Metrics

{NOTE}

Columns are named `val/accuracy`, `test/ece`, ... A run computes some at every validation and others at the end;
`result["test/knn"]` computes from the stored weights what is not there. `train/accuracy` is that of the labelled
training images. Early stopping (`patience`) watches the metric that `monitor` names.

`result["test/per_class"]` is a number a class, by name; rows of evidence leave it out. `result.confusion("test")` is
the table behind it, images by true and by predicted class, for `plots.plot_confusion` and `plots.plot_per_class`.
`kdlab.transfer(result, "stl10", shots=5)` tells what the frozen features are worth on another data set.

{rows("metric | unit | better | computed without being asked | what it is | can be measured on", lines)}

Looked at after every epoch, as `train/...` in the log and, after the last epoch, in the result:

{rows("diagnostic | what it is", named(DIAGNOSTICS))}
"""


def studies_page() -> str:
    """docs/studies.md."""
    with shipped_only():
        made = {name: make() for name, make in STUDIES.items()}
        answers = {name: study.answers() for name, study in made.items()}
    parts, run = [], [name for name, found in answers.items() if found.n.any()]
    for name in run:
        lines = [
            [
                row["question"],
                f"{row['system']}, minus {row['minus']}",
                f"`{row['metric']}`",
                *("" if math.isnan(row[key]) else f"{row[key]:.1f}" for key in ("difference", "± 95 %")),
                str(row["n"]),
                row["verdict"],
            ]
            for row in answers[name].to_dict("records")
        ]
        table = rows("question | difference | metric | mean: | ± 95 %: | n: | answer", lines)
        parts.append(f"\n## {name}\n\n{made[name].question}\n\n{table}\n")
    verdicts = [verdict for found in answers.values() for verdict in found.verdict]
    settled = sum(not verdict.startswith("open") for verdict in verdicts)
    without = ", ".join(f"`{name}`" for name in made if name not in run)
    meant = "\n".join(f"- *{word}*: {what}" for word, what in MEANT.items())
    missing = f"\n\nWithout evidence so far: {without}." if without else ""
    return f"""# Studies

{NOTE}

The questions that the notebooks ask, and what the committed evidence (`figures/data/`) answers: {settled} of
{len(verdicts)} are settled.

{meant}

A metric of which less is better counts with the sign turned. An interval is about seeds, on one fixed test set; and of
twenty questions where there is no effect, one is answered yes or no by chance: many are asked here.
`kdlab study show NAME` prints the systems of a study; `run`, `table`, `answers`, `tune` and `verify` do what they
say.{missing}
{"".join(parts)}"""


def readme_tables() -> str:
    """What there is, for the README."""
    keys: Callable[[Mapping[str, Any]], str] = lambda table: ", ".join(f"`{key}`" for key in table)
    lines = [
        ["data", keys(DATASETS), "[configuration](docs/configuration.md)"],
        ["methods", keys(METHODS), "[methods](docs/methods.md)"],
        ["networks", keys(MODELS), "[networks](docs/networks.md)"],
        ["metrics", keys(METRICS), "[metrics](docs/metrics.md)"],
    ]
    return rows("there are | by these names | more", lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/methods.md": methods_page,
    "docs/networks.md": networks_page,
    "docs/configuration.md": configuration_page,
    "docs/metrics.md": metrics_page,
    "docs/studies.md": studies_page,
}
PARTS: dict[str, Callable[[], str]] = {"tables": readme_tables}  # of the README, between marks


def pages() -> dict[Path, str]:
    """Every generated page, and the README with its generated parts, as they should be."""
    made = {ROOT / name: page() for name, page in PAGES.items()}
    readme = ROOT / "README.md"
    parts = {name: part() for name, part in PARTS.items()}
    made[readme] = MARK.sub(lambda found: found[1] + parts[found[2]] + found[3], readme.read_text(encoding="utf-8"))
    return made


def write() -> list[Path]:
    """Write what differs; returns those files. An `Error` where the package is no part of a checkout."""
    if checkout() is None:
        raise Error(f"the pages are those of a checkout of the repository, and {PACKAGE} is not in one")
    changed = {
        path: text for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in changed.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(changed)
