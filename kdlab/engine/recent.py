"""What the runs that this process trained last were like after every epoch, so that a look at them trains nothing."""

from pathlib import Path
from typing import Any

from torch import Tensor

from ..setup import Setup

LIMIT = 256 * 2**20  # bytes of all that is kept; the oldest run goes first
State = dict[str, Tensor]  # parameters and buffers of a method, on the CPU

_kept: dict[Path, tuple[list[State], int]] = {}  # folder of a run -> states, bytes; the newest is the last


class Recent:
    """A hook of `fit` that keeps the states of the method; call it before training too, with epoch 0.

    They count once the last epoch is there: what went on from a checkpoint, stopped early or is larger than the limit
    is not kept. A tensor that an epoch did not change is held once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.states, self.bytes = folder, list[State](), 0
        _kept.pop(folder, None)  # trained anew

    def __call__(self, epoch: int, setup: Setup) -> dict[str, Any]:
        if epoch != len(self.states) or self.bytes > LIMIT:
            self.states.clear()
            return {}
        before = self.states[-1] if self.states else {}
        state: State = {}
        for name, tensor in setup.method.state_dict().items():
            now = tensor.detach().cpu()
            if name in before and before[name].equal(now):
                state[name] = before[name]
            else:
                state[name] = now.clone()
                self.bytes += now.nbytes
        self.states.append(state)
        if epoch == setup.config.epochs:
            _kept[self.folder] = self.states, self.bytes
            while sum(size for _, size in _kept.values()) > LIMIT:
                del _kept[next(iter(_kept))]
        return {}


def recent(folder: Path) -> list[State] | None:
    """The states before training and after every epoch, if this process trained the run not long ago."""
    return _kept[folder][0] if folder in _kept else None
