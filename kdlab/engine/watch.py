"""Watch a run: look at its method before training and after every epoch."""

from collections.abc import Callable
from typing import TypeVar

from ..core.errors import machine_errors
from ..experiment.config import Config
from ..experiment.setup import Setup, assemble, chain_images, own_generators
from ..models import evaluating
from .run import with_trained_stages
from .store import RunFolder
from .train import fit

Seen = TypeVar("Seen")


def watch(config: Config, look: Callable[[Setup], Seen]) -> list[Seen]:
    """Train `config`; return `look(setup)` before training and after every epoch.

    A stored run is trained once more, and nothing is written; its teacher and initial run come from `run`. The weights
    after the last epoch are those of `run(config)`, bit by bit, early stopping aside, which is switched off here.
    `look` sees the method in eval mode, without gradients, with the true labels in `setup.data.truth`; of what a method
    keeps between two steps it may count on parameters and buffers.
    """
    views: list[Seen] = []

    def note(epoch: int, setup: Setup) -> dict[str, float]:
        setup.method.zero_grad()
        views.append(look(setup))
        return {}

    whole = config.replace(evaluate_every=max(1, config.epochs), patience=None, select="validation", monitor=None)
    with machine_errors(), own_generators():
        folder = RunFolder(config, chain_images(config))
        setup = with_trained_stages(assemble(whole, folder.images), folder)
        with evaluating(setup.method):
            note(0, setup)
        fit(setup, hooks=[note])
    return views
