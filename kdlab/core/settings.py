"""Settings as they are typed on a command line, field=value, or written in a file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import Error

DEEPEST = 20  # levels of nesting: a pipeline of so many stages is a mistake
LONGEST = 1 << 20  # bytes of a file of fields


def parse(settings: list[str]) -> dict[str, Any]:
    """`["lr=0.1", "teacher.method=kd"]` as nested dicts; values are JSON where they are, else text."""
    fields: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise Error(f"{setting!r}: settings are written field=value, such as method=kd or teacher.width=0.5")
        *path, last = name.split(".")
        if len(path) > DEEPEST:
            raise Error(f"{setting[:40]!r}...: fields are nested at most {DEEPEST} deep, not {len(path)}")
        place = fields
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Error(f"{setting!r}: {part} was given a value before, it cannot hold {last} as well")
        place[last] = _value(name, text)
    return fields


def read(file: Path) -> dict[str, Any]:
    """The fields in a JSON or YAML file in UTF-8, or of the run whose config.json it is."""
    text = _text(file)
    try:
        fields = _yaml(text) if file.suffix.lower() in (".yaml", ".yml") else json.loads(text)
    except json.JSONDecodeError as error:
        raise Error(f"{file} is no JSON file: {error}") from None
    except RecursionError:
        raise Error(f"{file}: fields are nested at most {DEEPEST} deep") from None
    except ValueError as error:
        raise Error(f"{file}: {_brief(error)}") from None
    if not isinstance(fields, dict):
        raise Error(f'{file} must hold fields by name, such as {{"method": "kd", "labels": 100}}')
    if {"identity", "config"} <= fields.keys() and isinstance(fields["config"], dict):
        fields = fields["config"]  # config.json of a run folder
    _check(str(file), fields)
    return fields


def laid_over(fields: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """`others` laid over `fields`, nested ones field by field: `teacher.lr=0.1` leaves the teacher's other fields."""
    result = dict(fields)
    for name, value in others.items():
        below = result.get(name)
        nested = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[name] = laid_over(below, value) if nested else value
    return result


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(LONGEST + 1)
    except FileNotFoundError:
        raise Error(f"there is no file {file}") from None
    except (OSError, ValueError) as error:
        raise Error(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > LONGEST:
        raise Error(f"{file} holds more than {LONGEST:,} bytes: it is no file of fields")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Error(f"{file} is not in UTF-8: save it in that encoding") from None


def _yaml(text: str) -> Any:
    """YAML by the rules of version 1.2: 1e-3 is a number; on, off and dates are text. An alias is refused."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}

    for tag, pattern in {
        "null": r"~|null|Null|NULL|None|",
        "bool": r"true|True|TRUE|false|False|FALSE",
        "int": r"[-+]?(0|[1-9][0-9]*)",
        "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    }.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), None)
    try:
        depth = 0
        for token in yaml.scan(text, Loader):
            if isinstance(token, yaml.AliasToken):
                raise ValueError("aliases (*name) are not read: write out what they stand for")
            depth += ("Start" in (kind := type(token).__name__)) - ("End" in kind)
            if depth > 2 * DEEPEST:  # as early as that: a deep one takes its reader hours
                raise RecursionError
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML file: {' '.join(str(error).split())}") from None


def _brief(error: ValueError) -> str:
    """What is wrong with a value, without Python's advice on its limit of digits."""
    text = str(error)
    return "a number has more than 4,300 digits" if "integer string conversion" in text else text


def _check(where: str, value: Any, depth: int = 0) -> None:
    """An `Error` where values are nested too deeply, or text is none: a lone surrogate, which nothing can write."""
    if depth > DEEPEST:
        raise Error(f"{where}: fields are nested at most {DEEPEST} deep")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Error(f"{where}: {value!a} is no text, half a character is missing") from None
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str):
                raise Error(f"{where}: {name!r} is no name of a field")
            _check(where, name, depth)
            _check(where, each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(where, each, depth + 1)


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


def _value(name: str, text: str) -> Any:
    special = {"none": None, "true": True, "false": False}
    if text.lower() in special:
        return special[text.lower()]
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        raise Error(f"{name}={text[:20]}...: values are nested at most {DEEPEST} deep") from None
    except ValueError as error:
        raise Error(f"{name}={text[:20]}...: {_brief(error)}") from None
    _check(f"{name}={text[:40]}", value)
    return value


# Environment variables, what they say, and what holds without them
VARIABLES = [
    ["`KDLAB_RUNS`", "where run folders lie", "`runs/` in the checkout; without one in the current folder"],
    ["`KDLAB_DATA`", "where data sets lie", "`data/` in the checkout; without one in the user's cache folder"],
    ["`KDLAB_CACHE`", "where decoded images are kept", "`decoded/` in that"],
    ["`KDLAB_FIGURES`", "where figures and one's own evidence are written", "`figures/` in the runs folder"],
    ["`KDLAB_VENV`", "where `lab.py` makes its environment", "`.venv/` beside it"],
    [
        "`KDLAB_MEMORY`",
        "megabytes that decoded images of a folder, or of Tiny-ImageNet, may take; more streams",
        "a quarter of the memory",
    ],
    ["`KDLAB_MEGAPIXELS`", "millions of pixels that one image file may have", "179"],
    ["`KDLAB_WORKERS`", "threads that decode photographs; 0: none but the one that trains", "one a processor"],
    ["`KDLAB_PROGRESS`", "0: no progress bars; 1: bars, also in a file", "bars in notebooks and on a terminal"],
    ["`KDLAB_WIDGETS`", "0: pictures in place of explorers, as on paper", "explorers where there is a kernel"],
]


def described() -> list[str]:
    """The variables for the command's help, a phrase each."""
    return [f"{name.strip('`')}: {what} (default: {default})".replace("`", "") for name, what, default in VARIABLES]


def bars() -> bool | None:
    """What tqdm's `disable` is to be: None, off where it would write into a file, unless KDLAB_PROGRESS says it."""
    return {"0": True, "1": False}.get(os.environ.get("KDLAB_PROGRESS", ""))
