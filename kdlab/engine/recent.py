"""What the runs that this process trained last were like after every epoch, so that a look at them trains nothing."""

from typing import Any

from torch import Tensor

from ..experiment.setup import Setup
from .store import RunFolder

LIMIT = 256 * 2**20  # bytes of all that is kept; the oldest run goes first
State = dict[str, Tensor]  # parameters and buffers of a method, on the CPU

_kept: dict[tuple, tuple[list[State], int]] = {}  # by run: states, bytes; the newest is the last


class Recent:
    """A hook of `fit` that keeps the states of the method; call it before training too, with epoch 0.

    They count once the last epoch is there: a run is not kept that went on from a later epoch's checkpoint, stopped
    early, or is larger than the limit. A tensor that an epoch did not change is held once.
    """

    def __init__(self, folder: RunFolder, setup: Setup) -> None:
        self.key, self.states, self.bytes, self.over = _key(folder, setup), list[State](), 0, False
        _kept.pop(self.key, None)  # trained anew

    def __call__(self, epoch: int, setup: Setup) -> dict[str, Any]:
        state = setup.method.state_dict()
        tensors = all(isinstance(value, Tensor) for value in state.values())  # a module may add what it likes
        if self.over or epoch != len(self.states) or not tensors or self.bytes + _size(state) > LIMIT:
            self.over, self.bytes = True, 0
            self.states.clear()
            return {}
        while _kept and sum(size for _, size in _kept.values()) + self.bytes + _size(state) > LIMIT:
            del _kept[next(iter(_kept))]
        before, now = self.states[-1] if self.states else {}, dict[str, Tensor]()
        for name, value in state.items():
            tensor = value.detach().cpu()
            same = name in before and before[name].equal(tensor)
            now[name] = before[name] if same else tensor.clone()
            self.bytes += 0 if same else tensor.nbytes
        self.states.append(now)
        if epoch == setup.config.epochs:
            _kept[self.key] = self.states, self.bytes
        return {}


def recent(folder: RunFolder, setup: Setup) -> list[State] | None:
    """The states before training and after every epoch, if this process ran it not long ago, by the same code."""
    return _kept.get(_key(folder, setup), (None, 0))[0]


def _key(folder: RunFolder, setup: Setup) -> tuple:
    return folder.path.resolve(), setup.device.type, *sorted(folder.far.items())


def _size(state: State) -> int:
    return sum(tensor.nbytes for tensor in state.values())
