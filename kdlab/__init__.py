"""kdlab: a study laboratory for training small image classifiers from few labels."""

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core import __version__, loading, places  # `places` notes how the package's files are before any other is read

# The public names. Type checkers and editors follow these imports; at run time `__getattr__` makes each at its first
# use, so that `import kdlab` costs next to nothing
if TYPE_CHECKING:
    from .core.errors import Error
    from .core.schedules import SCHEDULES
    from .core.settings import parameters
    from .data import DATASETS
    from .data.augment import AUGMENTATIONS
    from .engine.report import compare, table
    from .engine.result import Result
    from .engine.run import run, run_seeds, watch
    from .engine.transfer import transfer
    from .experiment.config import Config
    from .experiment.grid import grid
    from .experiment.optimizers import OPTIMIZERS
    from .experiment.setup import Setup, assemble
    from .methods import METHODS, Distill, Method
    from .methods.source import show
    from .metrics import DIAGNOSTICS, METRICS, Metric, evaluate
    from .models import MODELS
    from .studies import PUBLISHED, STUDIES, Question, Study

# Modules that are reached as `from kdlab import schedules`, wherever they stand
_MODULES = {
    "augment": "data.augment",
    "cost": "metrics.cost",
    "notebooks": "cli.notebooks",
    "report": "engine.report",
    "schedules": "core.schedules",
    "tables": "engine.tables",
}


def _homes() -> dict[str, str]:
    """Return public name -> module, as the imports above say it."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    homes = {}
    for statement in block.body:
        if isinstance(statement, ast.ImportFrom):
            homes |= {alias.name: f".{statement.module}" for alias in statement.names}
    return homes


_HOMES = _homes()
__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        with loading.without_collection():
            value = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
        return value
    try:
        with loading.without_collection():
            return import_module(f".{_MODULES.get(name, name)}", __name__)  # kdlab.losses after a plain `import kdlab`
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return __all__
