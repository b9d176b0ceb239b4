"""kdlab: a study laboratory for training small image classifiers from few labels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .core import __version__, places  # `places` notes what the package's files are like before any other is read

# Public name -> the module that has it; imported at first use, so that `import kdlab` costs next to nothing
_HOME = {
    "Config": "experiment.config",
    "Setup": "experiment.setup",
    "Result": "engine.result",
    "Error": "core.errors",
    "run": "engine.run",
    "run_seeds": "engine.run",
    "assemble": "experiment.setup",
    "watch": "engine.watch",
    "evaluate": "metrics",
    "table": "engine.report",
    "compare": "engine.report",
    "show": "methods.source",
    "transfer": "engine.transfer",
    "parameters": "core.settings",
    "Method": "methods",
    "Distill": "methods",
    "Metric": "metrics",
    "DATASETS": "data",
    "MODELS": "models",
    "METHODS": "methods",
    "AUGMENTATIONS": "data.augment",
    "OPTIMIZERS": "experiment.optimizers",
    "SCHEDULES": "core.schedules",
    "METRICS": "metrics",
    "DIAGNOSTICS": "metrics",
    "STUDIES": "studies",
    "PUBLISHED": "studies",
    "Study": "studies",
    "Question": "studies",
}
# Modules that are reached as `from kdlab import schedules`, wherever they stand
_MODULES = {
    "augment": "data.augment",
    "cost": "metrics.cost",
    "notebooks": "cli.notebooks",
    "report": "engine.report",
    "schedules": "core.schedules",
    "tables": "engine.tables",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    try:
        return import_module(f".{_MODULES.get(name, name)}", __name__)  # kdlab.losses after a plain `import kdlab`
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from .core.errors import Error
    from .core.schedules import SCHEDULES
    from .core.settings import parameters
    from .data import DATASETS
    from .data.augment import AUGMENTATIONS
    from .engine.report import compare, table
    from .engine.result import Result
    from .engine.run import run, run_seeds
    from .engine.transfer import transfer
    from .engine.watch import watch
    from .experiment.config import Config
    from .experiment.optimizers import OPTIMIZERS
    from .experiment.setup import Setup, assemble
    from .methods import METHODS, Distill, Method
    from .methods.source import show
    from .metrics import DIAGNOSTICS, METRICS, Metric, evaluate
    from .models import MODELS
    from .studies import PUBLISHED, STUDIES, Question, Study
