"""A run put together: data, method and batches, before, while and after it trains; it knows no run folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from ..core.errors import known
from ..data import Batches, ImageSet, Normalise, Pixels, Split, pick
from ..methods import Method
from ..models import Features, Network, evaluating
from .config import Config

T = TypeVar("T")
PARTS = ("train", "val", "test")  # the labelled training images, the validation images, the test images


class Stage(NamedTuple):
    """What a run takes from one that it stands on."""

    network: Network
    parts: dict[str, nn.Module]  # heads and branches that the stage's method kept


@dataclass
class Setup:
    """Everything that training and evaluation of a run need. `kdlab.assemble(config)` makes it.

    `stages` are the runs that this one stands on, by role ("teacher", "init"), put together like it.
    """

    config: Config
    data: Split
    method: Method
    batches: Batches
    stages: "dict[str, Setup]" = field(default_factory=dict)
    _kept: dict[Any, Any] | None = field(default=None, repr=False)

    @property
    def images(self) -> ImageSet:
        """The data set, at the size of the run."""
        return self.data.images

    @property
    def normalise(self) -> Normalise:
        """What brings uint8 images (n, C, H, W) to what the network sees."""
        return self.batches.normalise

    @property
    def device(self) -> torch.device:
        """Where the run trains."""
        return self.batches.device

    def part(self, name: str) -> tuple[Pixels, Tensor]:
        """uint8 images (n, C, H, W) and labels (n,) of one of PARTS; "train" has the images whose label is visible."""
        match known("part", name, PARTS):
            case "train":
                rows = self.data.labelled
                return pick(self.data.x, rows), self.data.y[rows]
            case "val":
                return self.data.val_x, self.data.val_y
        return self.images.test_x, self.images.test_y

    def features(self, part: str) -> Features:
        """Pooled features (n, D) and logits (n, classes) of a part's images, in their order; `maps` is empty."""
        return self.once(("features", part), lambda: extract(self.method.model, self.part(part)[0], self.normalise))

    def teacher_features(self, part: str) -> Features:
        """The same of the teacher."""
        if self.method.teacher is None:
            raise ValueError(f"method {self.config.method!r} has no teacher")
        net = self.method.teacher
        return self.once(("teacher", part), lambda: extract(net, self.part(part)[0], self.normalise))

    @contextmanager
    def still(self) -> "Iterator[Setup]":
        """Inside, the weights stand still: what `once` is asked for is computed once and kept until the end."""
        outer, self._kept = self._kept, {} if self._kept is None else self._kept
        try:
            yield self
        finally:
            self._kept = outer

    def once(self, key: Any, compute: Callable[[], T]) -> T:
        """`compute()`, or what it gave for the same key inside the same `still`."""
        if self._kept is None:
            return compute()
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]


def extract(net: Network, images: Pixels, normalise: Normalise, batch: int = 512) -> Features:
    """Pooled features and logits of uint8 images (n, C, H, W), on the CPU, in eval mode; `maps` is empty."""
    with evaluating(net) as device:
        seen = [net.features(normalise(chunk.to(device)))[1:] for chunk in images.split(batch)]
    pooled, logits = (torch.cat(part).float().cpu() for part in zip(*seen, strict=True))
    return Features((), pooled, logits)
