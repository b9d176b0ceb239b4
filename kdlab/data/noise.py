"""Label noise: which labels are wrong and what they are, decided by a seed and by the place of each image."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import Error, known
from ..seeds import generator

# Classes that resemble each other, true -> given: Patrini et al. 2017, for CIFAR-10 and for handwritten digits
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIMILAR: dict[frozenset[str], dict[str, str]] = {
    frozenset(CIFAR10): {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"},
    frozenset("0123456789"): {"2": "7", "3": "8", "5": "6", "6": "5", "7": "1"},
}


def _symmetric(y: Tensor, classes: Sequence[str], draw: torch.Generator) -> Tensor:
    return (y + torch.randint(1, len(classes), y.shape, generator=draw)) % len(classes)


def _asymmetric(y: Tensor, classes: Sequence[str], draw: torch.Generator) -> Tensor:
    pairs = SIMILAR.get(frozenset(classes)) or dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    index = {name: i for i, name in enumerate(classes)}
    return torch.tensor([index[pairs[name]] if name in pairs else -1 for name in classes])[y]


# Kind -> (true labels, class names, generator) -> what each label would be if it were wrong; -1 = it never is
NOISES: dict[str, Callable[[Tensor, Sequence[str], torch.Generator], Tensor]] = {
    "symmetric": _symmetric,  # any other class, uniformly
    "asymmetric": _asymmetric,  # one similar class: SIMILAR, for other data sets the next class (Han et al. 2018)
}


class Noise:
    """Makes the share `noise` of labels wrong; `y` (n,) are the true labels of a training set, -1 = has none.

    The order in which labels become wrong, and what they become, are functions of (seed, place of the image among the
    labelled ones): a label that is wrong at one share is wrong in the same way at every larger share.
    """

    def __init__(self, y: Tensor, classes: Sequence[str], noise: float, kind: str, seed: int):
        known("label noise", kind, NOISES)
        if not 0 <= noise <= 1:
            raise Error(f"noise={noise}: the share of wrong labels is between 0 and 1")
        if noise and len(classes) < 2:
            raise Error(f"noise={noise}: a label of the only class, {classes[0]}, cannot be wrong")
        self.noise, self.rank, self.wrong = noise, torch.full_like(y, -1), torch.full_like(y, -1)
        if noise:
            rows = (y >= 0).nonzero()[:, 0]
            self.rank[rows] = torch.randperm(len(rows), generator=generator(seed, "noise", "order"))
            self.wrong[rows] = NOISES[kind](y[rows], classes, generator(seed, "noise", kind))

    def __call__(self, y: Tensor, rows: Tensor) -> Tensor:
        """The labels `y` (m,) of the images at `rows`, round(noise * number of labels that can be wrong) of them wrong.

        -1 stays: a label that is hidden is neither right nor wrong.
        """
        able = ((y >= 0) & (self.wrong[rows] >= 0)).nonzero()[:, 0]
        chosen = able[self.rank[rows[able]].argsort()[: round(self.noise * len(able))]]
        return y.index_copy(0, chosen, self.wrong[rows[chosen]])
