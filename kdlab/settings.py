"""Settings as they are typed on a command line: field=value."""

import json
from collections.abc import Mapping
from typing import Any

from .errors import Error


def parse(settings: list[str]) -> dict[str, Any]:
    """`["lr=0.1", "teacher.method=kd"]` as nested dicts; values are JSON where they are, else text."""
    fields: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise Error(f"{setting!r}: settings are written field=value, such as method=kd or teacher.width=0.5")
        *path, last = name.split(".")
        place = fields
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Error(f"{setting!r}: {part} was given a value before, it cannot hold {last} as well")
        place[last] = _value(text)
    return fields


def typed(fields: Mapping[str, Any], prefix: str = "") -> str:
    """Nested fields as one would type them, what `parse` reads: "method=kd teacher.model=resnet56"."""
    words = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            words += [typed(value, f"{prefix}{name}.")] if value else []
        else:
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            words.append(f"{prefix}{name}={text}")
    return " ".join(words)


def _value(text: str) -> Any:
    special = {"none": None, "true": True, "false": False}
    if text.lower() in special:
        return special[text.lower()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


# Environment variables, what they say, and what holds without them
VARIABLES = [
    ["`KDLAB_RUNS`", "where run folders lie", "`runs/` beside the package"],
    ["`KDLAB_DATA`", "where data sets lie", "`data/` beside the package"],
    ["`KDLAB_CACHE`", "where decoded images are kept", "`decoded/` in that"],
    ["`KDLAB_FIGURES`", "where figures and one's own evidence are written", "`figures/` in the runs folder"],
    ["`KDLAB_VENV`", "where `lab.py` makes its environment", "`.venv/` beside it"],
    [
        "`KDLAB_MEMORY`",
        "megabytes that decoded images of a folder, or of Tiny-ImageNet, may take; more streams",
        "a quarter of the memory",
    ],
    ["`KDLAB_WORKERS`", "threads that decode photographs; 0: none but the one that trains", "one a processor"],
    ["`KDLAB_PROGRESS`", "0: no progress bars", "bars"],
    ["`KDLAB_WIDGETS`", "0: pictures in place of explorers, as on paper", "explorers where there is a kernel"],
]
