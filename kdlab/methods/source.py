"""Show the package's real source in a notebook, so that what is read is what runs."""

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

from ..core.errors import lookup
from . import METHODS

if TYPE_CHECKING:
    from IPython.display import Markdown


def show(*things: Any) -> "Markdown":
    """Show the source of functions, classes or modules: `show(kdlab.losses.kd)`.

    A method key shows its class, and its docstring folded away below.
    """
    from IPython.display import Markdown

    return Markdown("\n\n".join(_of_method(t) if isinstance(t, str) else _block(t, _source(t)) for t in things))


def _source(thing: Any) -> str:
    return textwrap.dedent(inspect.getsource(thing)).strip()


def _block(thing: Any, source: str) -> str:
    name = thing.__name__ if inspect.ismodule(thing) else f"{thing.__module__}.{thing.__qualname__}"
    return f"`{name}`\n```python\n{source}\n```"


def _of_method(key: str) -> str:
    cls = lookup("method", key, METHODS)
    source = _source(cls)
    lines = source.splitlines()
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    if ast.get_docstring(node) is not None:
        del lines[node.body[0].lineno - 1 : node.body[0].end_lineno]
    code = "\n".join(lines).replace(":\n\n", ":\n", 1)
    text = f"<details><summary>what it computes</summary>\n\n{inspect.getdoc(cls)}\n\n</details>"
    return f"{_block(cls, code)}\n\n{text}"
