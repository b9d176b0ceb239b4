"""The parameters of a notebook, checked, because papermill only warns of a misspelt one and then runs the default.

A notebook has one namespace: later cells set variables beside the parameters, and any cell may be run again. What is a
parameter is therefore read from the cells that set parameters, where the kernel keeps the cells that it has run (`In`).
"""

import ast
import numbers
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from .errors import NO_NUMBERS, Error, known
from .plain import is_array, plain

MANY = (list, tuple, range, set, frozenset)
DATA = (numbers.Number, str, dict, type(None), PurePath, BaseModel, *MANY)  # and arrays
CODE = (ModuleType, FunctionType, BuiltinFunctionType, type)
CHECKED = "_kdlab_parameters"  # in the namespace: which one it is, no copy, and parameters that a call has checked
INJECTED = "# Parameters"  # the first line of the cell that papermill writes below the parameters cell


def parameters(namespace: dict[str, Any], allowed: Iterable[str]) -> dict[str, Any]:
    """Return the parameters among a notebook's variables: call it with `globals()` right below the parameters cell.

    A variable of an allowed name is a parameter whatever its value. Of the other names those of numbers, text, paths,
    lists and their kin are refused by an `Error`, and so is a value of another kind than the parameters cell says
    (`seeds: list = [0]`); a number may be given for a number, a path for text, a range or an array for a list. The cell
    may be run again, after others too: variables of later cells are no parameters.
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
    given = {known("parameter", name, allowed): plain(value) for name, value in values.items() if name in chosen}
    given = {name: _of_kind(name, value, annotated.get(name, object)) for name, value in given.items()}
    namespace[CHECKED] = id(namespace), set(given)
    return given


def _of_kind(name: str, value: Any, kind: Any) -> Any:
    """A parameter's value as the kind that its cell says, or an `Error`."""
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
    """Names that cells have set: in cells of parameters, in cells like these beside them, and in all other cells."""

    parameters: set[str]
    beside: set[str]
    others: set[str]


class _Cell(NamedTuple):
    """What a cell that has been run sets."""

    text: str
    annotated: set[str]
    set: set[str]
    settings: bool  # it does nothing but set names to values that nothing has computed
    assigns: bool  # it does nothing but import and set names, computed ones too
    asks: bool  # it asks for the parameters, so that what it sets without an annotation may be of later


def _cell(text: str) -> _Cell:
    """What a cell sets; one that is no Python sets nothing."""
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
    """Sort the names that the cells of `history` have set; its last cell is the one that asks.

    A cell of parameters annotates an allowed name, or does nothing but set names, an allowed one among them, or was
    injected. An earlier one counts only for what later ones do not set: its misspelt names may have been corrected.
    """
    *before, here = (_cell(text) for text in history)
    parameters, beside, others, open_names = set(here.annotated), set[str](), set[str](), set(allowed)
    found = bool(here.annotated & open_names)
    for cell in reversed(before):
        sets_allowed = cell.annotated & open_names or (cell.settings and cell.set & open_names)
        injected = not found and cell.text.lstrip().startswith(INJECTED)
        if sets_allowed or injected:
            parameters |= cell.annotated if cell.asks else cell.set
            others |= cell.set
            open_names -= cell.set
            found = found or bool(sets_allowed and cell.annotated)
        elif cell.settings and not found:
            beside |= cell.set
        else:
            others |= cell.set
    nearest = before[-1] if before else here
    if not parameters & set(allowed) and nearest.assigns and nearest.set <= set(allowed):
        parameters |= nearest.set  # of values such as Path("images") alone
    return _Names(parameters, beside, others - parameters - beside)


def _misspelt(name: str, values: dict[str, Any], annotated: dict[str, Any], allowed: Collection[str]) -> bool:
    """Whether a name is nearly that of a parameter whose kind of value it has."""
    near = get_close_matches(name, allowed, n=1, cutoff=0.8)
    if not near:
        return False
    kind = annotated.get(near[0], type(plain(values.get(near[0]))))
    alike = {str: (str, PurePath), list: MANY, tuple: MANY}.get(kind, kind)
    return isinstance(plain(values[name]), alike) if isinstance(kind, type) else True
