"""Show the package's real source in a notebook, so that what is read is what runs."""

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .errors import lookup
from .methods import METHODS

if TYPE_CHECKING:
    from IPython.display import Markdown


def show(thing: Any) -> "Markdown":
    """The source of a function, class or module, highlighted: `show(kdlab.losses.kd)`. A method key shows its file."""
    from IPython.display import Markdown

    if isinstance(thing, str):
        thing = inspect.getmodule(lookup("method", thing, METHODS))
    name = thing.__name__ if isinstance(thing, ModuleType) else f"{thing.__module__}.{thing.__qualname__}"
    return Markdown(f"`{name}`\n```python\n{inspect.getsource(thing).strip()}\n```")
