"""Look inside a run while it trains: the same training again, with an eye on the method after every epoch."""

from collections.abc import Callable
from typing import Any, TypeVar

from ..config import Config
from ..models import evaluating
from ..setup import Setup
from .assemble import assemble, chain_images, own_generators
from .experiment import on_trained_stages
from .recent import Recent, recent
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
    """Train `config` once more and return what `look(setup)` gave before training and after every epoch.

    What it stands on comes from `run`. The weights after the last epoch are those of `run(config)`, bit by bit, early
    stopping aside, which is switched off here. `look` sees the method in eval mode, without gradients, with the true
    labels in `setup.data.truth`; nothing is written. A run that this process has trained or watched not long ago is
    looked at as it was then, and not trained again.
    """
    seen: list[Seen] = []

    def note(epoch: int, setup: Setup) -> dict[str, float]:
        seen.append(look(setup))
        return {}

    whole = config.replace(evaluate_every=config.epochs, patience=None, select="validation", monitor=None)
    with own_generators():
        images = chain_images(config)
        folder = RunFolder(config, images).path
        setup = on_trained_stages(assemble(whole, images), images)
        before = recent(folder)
        if before is not None:
            for epoch, state in enumerate(before):
                setup.method.load_state_dict(state)
                with evaluating(setup.method):
                    note(epoch, setup)
            return seen
        keep = Recent(folder)
        keep(0, setup)
        with evaluating(setup.method):
            note(0, setup)
        fit(setup, _Nowhere(), [note, keep])
    return seen
