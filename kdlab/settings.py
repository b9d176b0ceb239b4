"""Settings as they are typed on a command line: field=value."""

import json
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


def _value(text: str) -> Any:
    special = {"none": None, "true": True, "false": False}
    if text.lower() in special:
        return special[text.lower()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
