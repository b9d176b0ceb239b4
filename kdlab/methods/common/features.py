"""Distillation of features without labels: what SEED, CompRess and SimReg share."""

import torch
from torch import Tensor, nn

from ...data import Batch
from ..base import Distill


class FeatureDistill(Distill):
    """A student of a teacher's features, on every training image, labelled or not.

    The teacher may be of any method: its classifier is not asked, and may be untrained or know other classes. The
    student's stays untrained too, until a run with labels starts from this one (`init`).

    A subclass defines `compare`, and `embed` where its loss compares other than pooled features.
    """

    learns_from = "a teacher's features, without labels"
    sampling = "all"
    mixes = False
    trains_head = False
    from_features = True

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return self.compare(self.model.features(batch.x[0]), self.ask_teacher(batch.x[0]), batch)

    def embed(self, x: Tensor) -> Tensor:
        """Return what the loss compares of one view, here its pooled features (B, D)."""
        return self.model.features(x).pooled


class Queue(nn.Module):
    """Rows (n, D) of earlier batches, of which new ones replace the oldest."""

    rows: Tensor
    pointer: Tensor  # (), the oldest row, which is replaced next

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def put(self, new: Tensor) -> None:
        """Put rows (B, D), at most n, into the places from the pointer on, modulo n."""
        size = len(self.rows)
        places = (self.pointer + torch.arange(len(new), device=self.rows.device)) % size
        self.rows.index_copy_(0, places, new.to(self.rows.dtype))
        self.pointer.add_(len(new)).remainder_(size)


class EpochMean(nn.Module):
    """The mean of a tensor over the steps of an epoch, on the device."""

    mean: Tensor  # of the last epoch that ended, NaN before
    total: Tensor
    steps: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full(shape, float("nan")))
        self.register_buffer("total", torch.zeros(shape))
        self.register_buffer("steps", torch.zeros(()))

    @torch.no_grad()
    def add(self, value: Tensor) -> None:
        """Count the value of a step."""
        self.total.add_(value)
        self.steps.add_(1)

    @torch.no_grad()
    def close(self) -> None:
        """End the epoch."""
        self.mean.copy_(self.total / self.steps)
        self.total.zero_()
        self.steps.zero_()
