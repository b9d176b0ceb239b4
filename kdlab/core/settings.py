"""Settings: words of a command line, fields in a file, parameters of a notebook.

papermill only warns of a misspelt parameter and then runs the default, so `parameters` checks them. A notebook has one
namespace: later cells set variables beside the parameters, and any cell may be run again. What is a parameter is
therefore read from the cells that set parameters, where the kernel keeps the cells that it has run (`In`).
"""

import ast
import json
import numbers
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path, PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from .errors import NO_NUMBERS, Error, known
from .hyper import is_array, plain

DEEPEST = 20  # levels of nesting: a pipeline of so many stages is a mistake
LONGEST = 1 << 20  # bytes of a file of fields
STDIN = Path("-")
MANY = (list, tuple, range, set, frozenset)
DATA = (numbers.Number, str, dict, type(None), PurePath, BaseModel, *MANY)  # and arrays
CODE = (ModuleType, FunctionType, BuiltinFunctionType, type)
CHECKED = "_kdlab_parameters"  # in the namespace: which one it is, no copy, and parameters that a call has checked
INJECTED = "# Parameters"  # the first line of the cell that papermill writes below the parameters cell


def parse(settings: list[str], several: bool = False) -> dict[str, Any]:
    """Return `["lr=0.1", "teacher.method=kd"]` as nested dicts.

    Values that are JSON are read as such, others are text. With `several` commas outside brackets and quotes separate
    values: "lr=0.1,0.2" is a list.
    """
    fields: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise Error(f"{setting!r}: settings are written field=value, such as method=kd or teacher.width=0.5")
        values = [_value(name, each) for each in (_apart(text) if several else [text])]
        _put(fields, name, values if len(values) > 1 else values[0], setting)
    return fields


def _once(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a dict of pairs; a `ValueError` where a name stands there twice."""
    fields: dict[Any, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"{name} is given twice, give it once")
        fields[name] = value
    return fields


def _apart(text: str) -> list[str]:
    """Split at commas that stand in no brackets and no quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in "[{") - (letter in "]}")
        if letter == "," and not quoted and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _put(fields: dict[str, Any], name: str, value: Any, setting: str) -> None:
    """Put a value into nested dicts under a name with dots."""
    *path, last = name.split(".")
    if len(path) > DEEPEST:
        raise Error(f"{setting[:40]!r}...: fields are nested at most {DEEPEST} deep, not {len(path)}")
    for part in path:
        fields = fields.setdefault(part, {})
        if not isinstance(fields, dict):
            raise Error(f"{setting!r}: {part} was given a value before, it cannot hold {last} as well")
    if last not in fields:
        fields[last] = value
    elif isinstance(fields[last], dict) and isinstance(value, dict):
        for each in value:
            _put(fields[last], each, value[each], setting)
    else:
        raise Error(f"{setting!r}: {name} is given twice, give it once")


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as nested dicts, where names may have dots: {"hp.T": 2}."""
    result: dict[str, Any] = {}
    for name, value in fields.items():
        _put(result, name, nested(value) if isinstance(value, Mapping) else value, name)
    return result


def flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested fields as one dict, with names that have dots."""
    values: dict[str, Any] = {}
    for name, value in fields.items():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return values


def read(file: Path) -> dict[str, Any]:
    """Read the fields in a JSON or YAML file, or of the run whose config.json it is.

    `-` is the standard input.
    """
    text = _text(file)
    as_yaml = file.suffix.lower() in (".yaml", ".yml") or (file == STDIN and not text.lstrip().startswith("{"))
    try:
        fields = _yaml(text) if as_yaml else json.loads(text, object_pairs_hook=_once)
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
    """Return `others` laid over `fields`, nested ones field by field.

    `teacher.lr=0.1` leaves the teacher's other fields.
    """
    result = dict(fields)
    for name, value in others.items():
        below = result.get(name)
        nested = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[name] = laid_over(below, value) if nested else value
    return result


def _text(file: Path) -> str:
    """Read a file of fields, in UTF-8."""
    try:
        with nullcontext(sys.stdin.buffer) if file == STDIN else file.open("rb") as opened:
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
    """Read YAML by the rules of version 1.2; refuse aliases, tags and repeated names.

    1e-3 is a number; on, off and dates are text, and so is what has the tag !!str.
    """
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            _once((str(name.value), None) for name, _ in node.value)
            return super().construct_mapping(node, deep)

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
            if isinstance(token, yaml.TagToken) and token.value != ("!!", "str"):
                raise ValueError(f"the tag {''.join(filter(None, token.value))} is not read: write the plain value")
            depth += ("Start" in (kind := type(token).__name__)) - ("End" in kind)
            if depth > 2 * DEEPEST:  # as early as that: a deep one takes its reader hours
                raise RecursionError
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML file: {' '.join(str(error).split())}") from None


def _brief(error: ValueError) -> str:
    """Return what is wrong with a value, without Python's advice on digits."""
    text = str(error)
    return "a number has more than 4,300 digits" if "integer string conversion" in text else text


def _check(where: str, value: Any, depth: int = 0) -> None:
    """Raise an `Error` where values are nested too deeply, or text cannot be written.

    Nothing can write a lone surrogate, half a character.
    """
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


def typed(fields: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return nested fields as `parse` reads them: ["method=kd", "teacher.lr=0.1"]."""
    words = []
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            words += typed(value, f"{prefix}{name}.")
        else:
            plain_text = isinstance(value, str) and _is_text(value)
            text = value if plain_text else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
            words.append(f"{prefix}{name}={text}")
    return words


def _is_text(value: str) -> bool:
    """Return whether a text is read as itself where it is typed: "kd" is, "1" is not."""
    try:
        return _value("", value) is value
    except Error:
        return False


def _value(name: str, text: str) -> Any:
    """Return a value as typed: none, true, false, JSON, else the text."""
    special = {"none": None, "true": True, "false": False}
    if text.lower() in special:
        return special[text.lower()]
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        raise Error(f"{name}={text[:20]}...: values are nested at most {DEEPEST} deep") from None
    except ValueError as error:
        raise Error(f"{name}={text[:20]}...: {_brief(error)}") from None
    _check(f"{name}={text[:40]}", value)
    return value


def parameters(namespace: dict[str, Any], allowed: Iterable[str]) -> dict[str, Any]:
    """Return the parameters among a notebook's variables.

    Call it with `globals()` right below the parameters cell. A variable of an allowed name is a parameter whatever its
    value. Of the other names those of numbers, text, paths, lists and their kin are refused by an `Error`, and so is a
    value of another kind than the parameters cell says (`seeds: list = [0]`); a number may be given for a number, a
    path for text, a range or an array for a list. The cell may be run again, after others too: variables of later cells
    are no parameters.
    """
    allowed = list(allowed)
    values = {
        name: value
        for name, value in namespace.items()
        if (name in allowed or isinstance(value, DATA) or is_array(value))
        and not name.startswith("_")
        and name not in ("In", "Out")
    }
    annotated = namespace.get("__annotations__", {})
    history = namespace.get("In") or ()
    names = _names(history, allowed) if any(history) else None
    if "__builtins__" in namespace:  # a notebook, where `from kdlab.data import split` sets no parameter
        stated = {*annotated, *(names.parameters if names else ())}
        values = {name: value for name, value in values.items() if name in stated or not isinstance(value, CODE)}
    whose, checked = namespace.get(CHECKED, (None, set()))
    if whose != id(namespace):  # nothing but parameters, and what cells that set no parameters have left
        others = names.others if names else set()
        chosen = {name for name in values if name not in others}
    else:
        chosen = set(names.parameters if names else annotated)
        unsure = names.beside if names else set(values)
        new = (unsure & set(values)) - chosen - checked - set(allowed)
        chosen |= {name for name in new if _misspelt(name, values, annotated, allowed)} | (checked & set(allowed))
    result = {known("parameter", name, allowed): plain(value) for name, value in values.items() if name in chosen}
    result = {name: of_kind(name, value, annotated.get(name, object)) for name, value in result.items()}
    namespace[CHECKED] = id(namespace), set(result)
    return result


def of_kind(name: str, value: Any, kind: Any) -> Any:
    """Return a parameter's value as the kind that its cell says, or raise an `Error`."""
    kinds = get_args(kind) or (kind,)
    if isinstance(value, bool) and {int, float} & {*kinds} and bool not in kinds:
        raise Error(f"parameter {name}={value!r}: {NO_NUMBERS}")
    if not isinstance(kind, type) or value is None or isinstance(value, kind):
        return value
    if kind in (int, float) and isinstance(value, numbers.Real):
        return value
    if kind is str and isinstance(value, PurePath):
        return str(value)
    if kind in (list, tuple) and isinstance(value, MANY):
        return kind(value)
    raise Error(f"parameter {name}={value!r}: give a {kind.__name__}, as the parameters cell says")


class _Names(NamedTuple):
    """Names that cells of parameters set, cells like these beside them, and others."""

    parameters: set[str]
    beside: set[str]
    others: set[str]


class _Cell(NamedTuple):
    """The names that a cell sets which has been run."""

    text: str
    annotated: set[str]
    set: set[str]
    settings: bool  # it does nothing but set names to values that nothing has computed
    assigns: bool  # it does nothing but import and set names, computed ones too
    asks: bool  # it asks for the parameters, so that what it sets without an annotation may be of later


def _cell(text: str) -> _Cell:
    """Return what a cell sets; one that is no Python sets nothing."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return _Cell(text, set(), set(), settings=False, assigns=False, asks=False)
    annotated = {s.target.id for s in tree.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)}
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    settings = bool(tree.body) and all(
        isinstance(statement, ast.Assign | ast.AnnAssign)
        and not any(isinstance(node, ast.Call | ast.Attribute) for node in ast.walk(statement))
        for statement in tree.body
    )
    assigns = all(isinstance(s, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom) for s in tree.body)
    calls = {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    return _Cell(text, annotated, stored, settings, assigns, asks=bool(calls & {"parameters", "from_params"}))


def _names(history: Sequence[str], allowed: Collection[str]) -> _Names:
    """Sort the names that the cells of `history` have set.

    Its last cell is the one that asks for parameters. A cell of parameters annotates an allowed name, or does nothing
    but set names, an allowed one among them, or was injected. An earlier one counts only for what later ones do not
    set: its misspelt names may have been corrected.
    """
    *before, here = (_cell(text) for text in history)
    parameters, beside, others, open_names = set(here.annotated), set[str](), set[str](), set(allowed)
    complete = bool(here.annotated & open_names)
    for cell in reversed(before):
        sets_allowed = cell.annotated & open_names or (cell.settings and cell.set & open_names)
        injected = not complete and cell.text.lstrip().startswith(INJECTED)
        if sets_allowed or injected:
            parameters |= cell.annotated if cell.asks else cell.set
            others |= cell.set
            open_names -= cell.set
            complete = complete or bool(sets_allowed and cell.annotated)
        elif cell.settings and not complete:
            beside |= cell.set
        else:
            others |= cell.set
    nearest = before[-1] if before else here
    if not parameters & set(allowed) and nearest.assigns and nearest.set <= set(allowed):
        parameters |= nearest.set  # of values such as Path("images") alone
    return _Names(parameters, beside, others - parameters - beside)


def _misspelt(name: str, values: dict[str, Any], annotated: dict[str, Any], allowed: Collection[str]) -> bool:
    """Return whether a name is nearly that of a parameter of the same kind."""
    near = get_close_matches(name, allowed, n=1, cutoff=0.8)
    if not near:
        return False
    kind = annotated.get(near[0], type(plain(values.get(near[0]))))
    alike = {str: (str, PurePath), list: MANY, tuple: MANY}.get(kind, kind)
    return isinstance(plain(values[name]), alike) if isinstance(kind, type) else True
