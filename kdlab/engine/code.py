"""Syntax trees of loaded functions as text.

Comments, docstrings, annotations and layout leave no trace in it, nor do the names of local variables: they are
numbered in the order in which they first appear.
"""

import ast
import dis
import itertools
import linecache
import types
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from ..core.places import edited

NOTES = ("annotation", "returns", "type_comment", "type_params", "kind", "ctx")  # parts of a tree that compute nothing
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Fields of a function, a class or a comprehension that belong to its own scope; the others belong to the scope around
INSIDE: dict[type[ast.AST], tuple[str, ...]] = {
    **dict.fromkeys((*DEFINITIONS, ast.Lambda), ("body",)),
    **dict.fromkeys(COMPREHENSIONS, ("elt", "key", "value", "generators")),
}
# Fields that hold the name of a variable as a text, or several of them
NAMING: dict[type[ast.AST], str] = {
    ast.Name: "id",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
    ast.Nonlocal: "names",
}
Variable = tuple[ast.AST | None, str]  # a local one: its scope (None: one around the text) and its name
# Builtins, attributes, and functions called with a text (of pandas and numexpr, too) that read local variables by name
READS_ALL = {"locals", "vars", "dir", "eval", "exec"}
FRAMES = {"f_locals", "locals", "currentframe", "_getframe"}
READS_TEXTS = {"eval", "exec", "query", "evaluate"}


def digest(text: str) -> str:
    """Return 12 hexadecimal digits of a text."""
    return blake2b(text.encode(), digest_size=6).hexdigest()


def code_text(function: types.FunctionType) -> tuple[str, dict[str, str]]:
    """Return the syntax tree of a function, or its bytecode where no source fits it.

    The source must be the one that was loaded: a file that was edited since then says nothing about this process. Also
    return the names that the text has for variables of outer functions, by name, in the order of the text.
    """
    loaded, text, numbers = function.__code__, "", dict[str, str]()
    for node, code in definitions("".join(linecache.getlines(loaded.co_filename)), loaded.co_filename):
        if (
            code.co_firstlineno == loaded.co_firstlineno
            and code.co_name == loaded.co_name
            and bytecode(code) == bytecode(loaded)
        ):
            text, numbers = _numbered(node, loaded.co_freevars)
            break
    names = {**numbers, **{name: name for name in loaded.co_freevars if name not in numbers}}
    return text or bytecode(loaded), names


@lru_cache(maxsize=4096)
def _numbered(node: ast.AST, free: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Return the text of a definition, and the names of its `free` variables in it.

    Cached by node, which nothing changes.
    """
    writer = _Writer(node)
    variables: dict[str, Variable] = {} if writer.keeps_names else {name: (None, name) for name in free}
    text = writer.text(node, Scope(variables, variables))
    return text, {name: f"#{n}" for (scope, name), n in writer.numbers.items() if scope is None}


@lru_cache(maxsize=512)
def file_digest(path: Path) -> str:
    """Digest the syntax tree of a file of the package, as this process has loaded it.

    What was loaded of a file that was edited since is not known: its digest is that of no file.
    """
    return digest("edited" if edited(path) else canonical(ast.parse(path.read_text(encoding="utf-8"))))


@lru_cache(maxsize=512)
def definitions(text: str, file: str) -> list[tuple[ast.AST, types.CodeType]]:
    """Return each function of a source text, inner ones too: its tree and its code."""
    try:
        tree, module = ast.parse(text), compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):  # a cell with magics, say
        return []
    nodes = {
        (node.name, min([node.lineno, *(d.lineno for d in node.decorator_list)])): node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    pairs = ((nodes.get((code.co_name, code.co_firstlineno)), code) for code in inner(module))
    return [(node, code) for node, code in pairs if node is not None]


def canonical(node: ast.AST) -> str:
    """Return a tree as text: kinds of nodes, and the fields that compute something.

    Local variables of functions, lambdas and comprehensions have numbers in the place of names. Parameters keep their
    names, by which they are called, and so do functions, classes and imports.
    """
    return _Writer(node).text(node, Scope({}, {}))


class Scope(NamedTuple):
    """The local variables that names mean `here`, and in functions defined here.

    The two differ in the body of a class, whose names its methods do not see.
    """

    here: dict[str, Variable]
    inherited: dict[str, Variable]

    def without(self, names: set[str]) -> "Scope":
        """Return the scope in which some names have another meaning."""
        return Scope(*({name: v for name, v in part.items() if name not in names} for part in self))


class _Writer:
    """Writes a tree as text, and numbers its local variables as they appear."""

    def __init__(self, tree: ast.AST) -> None:
        self.numbers: dict[Variable, int] = {}
        self.outside: dict[ast.AST, Scope] = {}  # first iterables of comprehensions: read in the scope around
        self.keeps_names = _reads_names(tree)

    def text(self, node: Any, scope: Scope) -> str:
        if isinstance(node, list):
            return "[" + " ".join(self.text(each, scope) for each in node) + "]"
        if not isinstance(node, ast.AST):
            return repr(node)
        scope = self.outside.pop(node, scope)
        inside = self.scope_of(node, scope)
        inner_fields, naming = INSIDE.get(type(node), ()), NAMING.get(type(node))
        fields = {name: value for name, value in ast.iter_fields(node) if name not in NOTES}
        body = fields.get("body")
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            fields["body"] = body[1:]  # a docstring
        parts = []
        for name, value in fields.items():
            if value is not None and value != []:
                where = inside if name in inner_fields else scope
                parts.append(f"{name}={self.names(value, where) if name == naming else self.text(value, where)}")
        return f"{type(node).__name__}({' '.join(parts)})"

    def names(self, value: str | list[str], scope: Scope) -> str:
        """Write names of variables: local ones as numbers."""
        if isinstance(value, list):
            return "[" + " ".join(self.names(each, scope) for each in value) + "]"
        variable = scope.here.get(value)
        return repr(value) if variable is None else f"#{self.numbers.setdefault(variable, len(self.numbers))}"

    def scope_of(self, node: ast.AST, scope: Scope) -> Scope:
        """Return the scope in a node: a new one for functions, classes, comprehensions."""
        if type(node) not in INSIDE or self.keeps_names:
            return scope
        scope = scope.without({each.name for each in getattr(node, "type_params", ())})
        if isinstance(node, COMPREHENSIONS):
            self.outside[node.generators[0].iter] = scope
        local, named = _bound(node)
        if isinstance(node, ast.ClassDef):  # its names are attributes
            return Scope(scope.without(local | named).here, scope.inherited)
        variables = {name: (node, name) for name in local - named}
        names = {**scope.without(local | named).inherited, **variables}
        return Scope(names, names)


def _reads_names(tree: ast.AST) -> bool:
    """Return whether anything in a tree may read local variables by their names."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in READS_ALL:
                return True
            case ast.Name(id=name) if name.startswith("__") and not name.endswith("__"):
                return True  # a class may write it as _Class__name
            case ast.Attribute(attr=name) if name in FRAMES:
                return True
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in READS_TEXTS and (
                node.args or node.keywords
            ):
                return True
    return False


def _bound(scope: ast.AST) -> tuple[set[str], set[str]]:
    """Return the names that a scope binds by assignments or loops, and others.

    The others are parameters, definitions, imports and globals. A nonlocal name is neither.
    """
    local, named, elsewhere = set[str](), set[str](), set[str]()
    if isinstance(scope, (*DEFINITIONS[:2], ast.Lambda)):
        parameters = scope.args
        listed = [
            *parameters.posonlyargs,
            *parameters.args,
            *parameters.kwonlyargs,
            parameters.vararg,
            parameters.kwarg,
        ]
        named |= {each.arg for each in listed if each is not None}
    for node in _within(scope):
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del()):
                local.add(node.id)
            case ast.NamedExpr(target=ast.Name(id=name)) if not isinstance(scope, COMPREHENSIONS):
                local.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                local.add(name)
            case ast.MatchMapping(rest=str(name)):
                local.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                named.add(node.name)
            case ast.Import() | ast.ImportFrom():
                named |= {(each.asname or each.name).partition(".")[0] for each in node.names}
            case ast.Global():
                named |= set(node.names)
            case ast.Nonlocal():
                elsewhere |= set(node.names)
    return local - elsewhere, named


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are computed in a scope, and `:=` of comprehensions in it."""
    waiting = _children(scope, inside=True)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.NamedExpr):
            waiting.append(node.value)  # its target is another scope's where it stands in a comprehension
        elif type(node) in INSIDE:
            waiting += _children(node, inside=False)
            if isinstance(node, COMPREHENSIONS):
                yield from (each for each in _within(node) if isinstance(each, ast.NamedExpr))
        else:
            waiting += ast.iter_child_nodes(node)


def _children(scope: ast.AST, inside: bool) -> list[ast.AST]:
    """Return the children of a scope that are computed inside it, or outside."""
    first = scope.generators[0] if isinstance(scope, COMPREHENSIONS) else None
    children = []
    for name, value in ast.iter_fields(scope):
        nodes = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST)]
        if (name in INSIDE[type(scope)]) == inside:
            children += [part for node in nodes for part in ([node.target, *node.ifs] if node is first else [node])]
    return children if inside or first is None else [*children, first.iter]


def inner(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield all code objects inside one, itself included."""
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from inner(const)


def bytecode(code: types.CodeType) -> str:
    """Return a code object as text, docstrings of inner functions included."""
    consts = (bytecode(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)
    return f"{code.co_code.hex()} {' '.join(consts)} {code.co_names} {code.co_varnames} {code.co_freevars}"


@lru_cache(maxsize=4096)
def global_reads(code: types.CodeType) -> dict[str, set[tuple[str, ...]]]:
    """Return the global names that a function reads, with the attributes behind them.

    {"kdlab": {("losses", "kd")}} for `kdlab.losses.kd`; inner functions and comprehensions are included.
    """
    reads: dict[str, set[tuple[str, ...]]] = {}
    for each in inner(code):
        steps = list(dis.get_instructions(each))
        for i, step in enumerate(steps):
            if step.opname == "LOAD_GLOBAL":
                behind = itertools.takewhile(lambda s: s.opname in ("LOAD_ATTR", "LOAD_METHOD"), steps[i + 1 :])
                reads.setdefault(step.argval, set()).add(tuple(s.argval for s in behind))
    return reads
