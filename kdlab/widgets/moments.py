"""A run looked at from inside at a few moments of its training."""

import copy
from functools import lru_cache
from itertools import count
from pathlib import Path

import torch

from ..engine.result import Result
from ..engine.watch import watch
from ..experiment.config import Config
from ..experiment.setup import Setup
from ..methods import Method

MOMENTS = 7


def methods_at(result: Result) -> dict[int, Method]:
    """The method, on the CPU, at up to seven moments, evenly from before training to its end: {epochs done: method}.

    It is watched for that, once for all explorers that look at it one after the other.
    """
    return _methods_at(result.config, result.folder)


@lru_cache(maxsize=1)
def _methods_at(config: Config, _: Path) -> dict[int, Method]:  # the folder tells apart what other code has trained
    moments, epochs = {round(e) for e in torch.linspace(0, config.epochs, MOMENTS).tolist()}, count()

    def look(setup: Setup) -> tuple[int, Method] | None:
        return (epoch, copy.deepcopy(setup.method).cpu()) if (epoch := next(epochs)) in moments else None

    return dict(filter(None, watch(config, look)))
