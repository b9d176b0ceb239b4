"""Look inside a run: at the method before training and after every epoch."""

from collections.abc import Callable
from typing import Any, TypeVar

from ..core.errors import machine_errors
from ..experiment.assemble import assemble, chain_images, own_generators
from ..experiment.config import Config
from ..experiment.setup import Setup
from ..models import evaluating
from .recent import recent
from .run import on_trained_stages
from .store import RunFolder
from .train import fit

Seen = TypeVar("Seen")


class _Nowhere:
    """Checkpoints that keep nothing."""

    def load(self) -> None: ...
    def save(self, state: dict[str, Any]) -> None: ...
    def log(self, line: dict[str, Any]) -> None: ...

    def due(self, within: bool = False) -> bool:
        return False


def watch(config: Config, look: Callable[[Setup], Seen]) -> list[Seen]:
    """What `look(setup)` gives before the training of `config` and after every epoch.

    A run that this process has trained not long ago is looked at as it was then; any other is trained once more, and
    nothing is written. What it stands on comes from `run`. The weights after the last epoch are those of `run(config)`,
    bit by bit, early stopping aside, which is switched off here. `look` sees the method in eval mode, without
    gradients, with the true labels in `setup.data.truth`; of what a method keeps between two steps it may count on
    parameters and buffers.
    """
    seen: list[Seen] = []

    def note(epoch: int, setup: Setup) -> dict[str, float]:
        setup.method.zero_grad()
        seen.append(look(setup))
        return {}

    whole = config.replace(evaluate_every=max(1, config.epochs), patience=None, select="validation", monitor=None)
    with machine_errors(), own_generators():
        images = chain_images(config)
        setup = on_trained_stages(assemble(whole, images), images)
        before = recent(RunFolder(config, images), setup)
        with evaluating(setup.method):
            for epoch, state in enumerate(before or [setup.method.state_dict()]):
                setup.method.load_state_dict(state)
                note(epoch, setup)
        if before is None:
            fit(setup, _Nowhere(), [note])
    return seen
