"""Look inside a run while it trains: the same training again, with an eye on the method after every epoch."""

from collections.abc import Callable
from typing import Any

from .config import Config
from .data import Normalise, Split
from .experiment import Stage, _assemble, _fabric, _own_generators, _stages, run
from .methods import Method
from .models import evaluating
from .train import fit


class _Nowhere:
    """Checkpoints that keep nothing."""

    def load(self) -> None: ...
    def save(self, state: dict) -> None: ...
    def log(self, line: dict) -> None: ...

    def due(self) -> bool:
        return False


def watch(config: Config, look: Callable[[Method, Split, Normalise], Any]) -> list[Any]:
    """Train `config` once more and return what `look(method, data, normalise)` gave before training and after every epoch.

    What it stands on comes from `run`. The weights after the last epoch are those of `run(config)`, bit by bit, early
    stopping aside, which is switched off here. `look` sees the method in eval mode, without gradients, with the true
    labels in `data.truth`; nothing is written.
    """
    stages = {role: run(stage) for role, stage in _stages(config).items()}
    finished = {role: Stage(result.network(), result.parts()) for role, result in stages.items()}
    config = config.replace(evaluate_every=1, patience=None, select="validation")
    fabric, seen = _fabric(config), []
    with _own_generators():
        data, method, batches = _assemble(config, finished, fabric.device)

        def note() -> dict:
            with evaluating(method):
                seen.append(look(method, data, batches.normalise))
            return {}

        note()
        fit(method, batches, config, fabric, _Nowhere(), note)
    return seen
