"""kdlab: a study laboratory for training small image classifiers from few labels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import loaded
from .starting import collect_late
from .version import __version__

collect_late()

# Public name -> the module that has it; imported at first use, so that `import kdlab` costs next to nothing
_HOME = {
    "Config": "config",
    "Setup": "setup",
    "Result": "engine.result",
    "Error": "errors",
    "run": "engine.experiment",
    "run_seeds": "engine.experiment",
    "assemble": "engine.assemble",
    "watch": "engine.watch",
    "evaluate": "metrics",
    "table": "report",
    "compare": "report",
    "show": "source",
    "transfer": "transferring",
    "parameters": "namespace",
    "Method": "methods",
    "Distill": "methods",
    "Metric": "metrics",
    "DATASETS": "data",
    "MODELS": "models",
    "METHODS": "methods",
    "AUGMENTATIONS": "augment",
    "OPTIMIZERS": "optimizers",
    "SCHEDULES": "schedules",
    "METRICS": "metrics",
    "DIAGNOSTICS": "metrics",
    "STUDIES": "studies",
    "PUBLISHED": "studies",
    "Study": "studies",
    "Question": "studies",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
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
    from .config import Config
    from .data import DATASETS
    from .engine.assemble import assemble
    from .engine.experiment import run, run_seeds
    from .engine.result import Result
    from .engine.watch import watch
    from .errors import Error
    from .methods import METHODS, Distill, Method
    from .metrics import DIAGNOSTICS, METRICS, Metric, evaluate
    from .models import MODELS
    from .namespace import parameters
    from .optimizers import OPTIMIZERS
    from .report import compare, table
    from .schedules import SCHEDULES
    from .setup import Setup
    from .source import show
    from .studies import PUBLISHED, STUDIES, Question, Study
    from .transferring import transfer
