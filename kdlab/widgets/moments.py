"""A run looked at from inside at a few moments of its training."""

from collections.abc import Callable
from itertools import count
from typing import TypeVar

import torch

from ..config import Config
from ..engine.watch import watch
from ..setup import Setup

Seen = TypeVar("Seen")


def watch_at(config: Config, most: int, look: Callable[[Setup], Seen]) -> dict[int, Seen]:
    """What `look` gave at up to `most` moments, evenly from before training to its end: {epochs done: seen}."""
    moments = {round(e) for e in torch.linspace(0, config.epochs, most).tolist()}
    epochs = count()
    seen = watch(config, lambda setup: (epoch, look(setup)) if (epoch := next(epochs)) in moments else None)
    return dict(filter(None, seen))
