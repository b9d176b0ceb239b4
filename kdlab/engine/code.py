"""Syntax trees of loaded functions, as text in which comments, docstrings, annotations and layout leave no trace."""

import ast
import dis
import itertools
import linecache
import types
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ..core.places import edited

NOTES = ("annotation", "returns", "type_comment", "type_params", "kind", "ctx")  # parts of a tree that compute nothing


def digest(text: str) -> str:
    """12 hexadecimal digits of a text."""
    return blake2b(text.encode(), digest_size=6).hexdigest()


def code_text(function: types.FunctionType) -> str:
    """What a function computes: its syntax tree, or its bytecode where no source fits it.

    The source must be the one that was loaded: a file that was edited since then says nothing about this process.
    """
    file, own = function.__code__.co_filename, function.__code__
    for node, code in definitions("".join(linecache.getlines(file)), file):
        if code.co_firstlineno == own.co_firstlineno and code.co_name == own.co_name and same(code, own):
            return _whole(node)
    return bytecode(own)


@lru_cache(maxsize=4096)
def _whole(node: ast.AST) -> str:
    """`canonical` of a definition; a node is its own key, and nothing changes it."""
    return canonical(node)


@lru_cache(maxsize=512)
def file_digest(path: Path) -> str:
    """`digest` of the syntax tree of a whole file of the package, as this process has loaded it.

    Of a file that was edited before it was asked for, nobody knows what was loaded: its digest is that of no file.
    """
    return digest("edited" if edited(path) else canonical(ast.parse(path.read_text(encoding="utf-8"))))


@lru_cache(maxsize=512)
def definitions(text: str, file: str) -> list[tuple[ast.AST, types.CodeType]]:
    """Every function of a source text, inner ones included: its tree and the code that it compiles to."""
    try:
        tree, module = ast.parse(text), compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):  # a cell with magics, say
        return []
    nodes = {
        (node.name, min([node.lineno, *(d.lineno for d in node.decorator_list)])): node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found = ((nodes.get((code.co_name, code.co_firstlineno)), code) for code in inner(module))
    return [(node, code) for node, code in found if node is not None]


def canonical(node: Any) -> str:
    """A tree as text: kinds of nodes and their fields, without what computes nothing and without empty fields."""
    if isinstance(node, list):
        return "[" + " ".join(map(canonical, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    body = fields.get("body")
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        fields["body"] = body[1:]  # a docstring
    told = [f"{n}={canonical(v)}" for n, v in fields.items() if n not in NOTES and v is not None and v != []]
    return f"{type(node).__name__}({' '.join(told)})"


def inner(code: types.CodeType) -> Iterator[types.CodeType]:
    """All code objects inside one, itself included."""
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from inner(const)


def same(a: types.CodeType, b: types.CodeType) -> bool:
    """Whether two code objects compute the same; where they stand in a file does not count."""
    return bytecode(a) == bytecode(b)


def bytecode(code: types.CodeType) -> str:
    """A code object as text, docstrings of inner functions included."""
    consts = (bytecode(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)
    return f"{code.co_code.hex()} {' '.join(consts)} {code.co_names} {code.co_varnames} {code.co_freevars}"


@lru_cache(maxsize=4096)
def global_names(code: types.CodeType) -> frozenset[str]:
    """Global names that a function reads, inner functions and comprehensions included."""
    steps = (step for each in inner(code) for step in dis.get_instructions(each))
    return frozenset(step.argval for step in steps if step.opname == "LOAD_GLOBAL")


@lru_cache(maxsize=4096)
def attribute_chains(code: types.CodeType, name: str) -> frozenset[tuple[str, ...]]:
    """What a function reads behind a global name: {("losses", "kd")} for `kdlab.losses.kd`."""
    found: set[tuple[str, ...]] = set()
    for each in inner(code):
        steps = list(dis.get_instructions(each))
        for i, step in enumerate(steps):
            if step.opname == "LOAD_GLOBAL" and step.argval == name:
                behind = itertools.takewhile(lambda s: s.opname in ("LOAD_ATTR", "LOAD_METHOD"), steps[i + 1 :])
                found.add(tuple(s.argval for s in behind))
    return frozenset(found)
