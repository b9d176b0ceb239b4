"""Label noise: which labels are wrong and what they are, decided by a seed and by the place of each image."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..core.errors import Error, known
from ..core.seeds import generator


def symmetric(y: Tensor, classes: Sequence[str], similar: Mapping[str, str], draw: torch.Generator) -> Tensor:
    """Any other class, each as likely as the others."""
    return (y + torch.randint(1, len(classes), y.shape, generator=draw)) % len(classes)


def asymmetric(y: Tensor, classes: Sequence[str], similar: Mapping[str, str], draw: torch.Generator) -> Tensor:
    """Always the same similar class: that of `similar` (Patrini et al. 2017), without it the next (Han et al. 2018)."""
    pairs = similar or dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    index = {name: i for i, name in enumerate(classes)}
    if odd := [name for pair in pairs.items() for name in pair if name not in index]:
        raise Error(f"the similar classes name {odd[0]!r}: the classes are {', '.join(classes)}")
    return torch.tensor([index[pairs[name]] if name in pairs else -1 for name in classes])[y]


# Kind -> (true labels, class names, similar classes, generator) -> what each label would be if it were wrong; -1: never
NOISES: dict[str, Callable[[Tensor, Sequence[str], Mapping[str, str], torch.Generator], Tensor]] = {
    "symmetric": symmetric,
    "asymmetric": asymmetric,
}


class Noise:
    """Makes the share `noise` of labels wrong; `y` (n,) are the true labels of a training set, -1 = has none.

    The order in which labels become wrong, and what they become, are functions of (seed, place of the image among the
    labelled ones): a label that is wrong at one share is wrong in the same way at every larger share.
    """

    def __init__(
        self,
        y: Tensor,
        classes: Sequence[str],
        noise: float,
        kind: str,
        seed: int,
        similar: Mapping[str, str] | None = None,
    ) -> None:
        known("label noise", kind, NOISES)
        if not 0 <= noise <= 1:
            raise Error(f"noise={noise}: the share of wrong labels is between 0 and 1")
        if noise and len(classes) < 2:
            raise Error(f"noise={noise}: a label of the only class, {classes[0]}, cannot be wrong")
        self.noise, self.rank, self.wrong = noise, torch.full_like(y, -1), torch.full_like(y, -1)
        if noise:
            rows = (y >= 0).nonzero()[:, 0]
            self.rank[rows] = torch.randperm(len(rows), generator=generator(seed, "noise", "order"))
            self.wrong[rows] = NOISES[kind](y[rows], classes, similar or {}, generator(seed, "noise", kind))

    def __call__(self, y: Tensor, rows: Tensor) -> Tensor:
        """The labels `y` (m,) of the images at `rows`, round(noise * number of labels that can be wrong) of them wrong.

        -1 stays: a label that is hidden is neither right nor wrong.
        """
        able = ((y >= 0) & (self.wrong[rows] >= 0)).nonzero()[:, 0]
        chosen = able[self.rank[rows[able]].argsort()[: round(self.noise * len(able))]]
        return y.index_copy(0, chosen, self.wrong[rows[chosen]])
