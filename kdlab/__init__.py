"""kdlab: a study laboratory for training small image classifiers from few labels."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Public name -> its room; imported at first use, so that `import kdlab` costs next to nothing
_ROOMS = {
    "Config": "config", "run": "experiment", "run_seeds": "experiment", "Result": "experiment",
    "DATASETS": "data", "MODELS": "models", "METHODS": "methods", "AUGMENTATIONS": "augment",
    "Method": "methods", "Distill": "methods", "Error": "errors",
    "table": "report", "compare": "report", "show": "source", "parameters": "config",
}  # fmt: skip

__all__ = sorted(_ROOMS)


def __getattr__(name: str):
    if name in _ROOMS:
        value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
        globals()[name] = value
        return value
    try:
        return import_module(f".{name}", __name__)  # kdlab.losses after a plain `import kdlab`
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from .augment import AUGMENTATIONS
    from .config import Config, parameters
    from .data import DATASETS
    from .errors import Error
    from .experiment import Result, run, run_seeds
    from .methods import METHODS, Distill, Method
    from .models import MODELS
    from .report import compare, table
    from .source import show
