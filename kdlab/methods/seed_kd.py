"""SEED: an image is like a queue of teacher embeddings as the teacher says."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .. import losses
from ..core.arithmetic import full
from ..core.errors import Error
from ..core.hyper import Count, Positive
from ..data import Batch
from ..models import Features
from .common.adapters import mlp
from .common.features import EpochMean, FeatureDistill, Queue


class SEED(FeatureDistill):
    """The student should find an image as like other images as the teacher does.

    No label is used.

        seed_kd = mean over images of the cross-entropy of softmax(s [t, Q] / T) with softmax(t [t, Q] / T_teacher)

    s and t (B, dim) are embeddings of one strongly augmented view, at unit length, Q (dim, `queue`) the teacher's of
    earlier batches, which the oldest leave after each step. The student's come from a head like MoCo v2's, one hidden
    layer and no batch norm. The teacher's come from its own head, where its method kept one (`projector` of simclr,
    moco, byol), else they are its pooled features; `teacher_head=False` takes these in any case.

    T = 0.2 is the authors'. Their T_teacher, 1e-4, makes the image itself the target, so that SEED is MoCo with the
    teacher's embedding as key; at 0.01 and above other images count. `train/teacher_entropy` says how much, and is the
    smallest value that the loss can have. Queue and T_teacher are a *reconstruction* for small images (the authors':
    65,536 and 1e-4, preset "paper").
    """

    paper = "Fang et al., ICLR 2021"
    views = ("strong",)
    weights = {"seed_kd": 1.0}
    keeps = ("projector",)
    new: tuple[Tensor, Tensor]  # what `terms` leaves for `after_step`: the teacher's rows, their entropy

    def build(
        self,
        *,
        T: Positive = 0.2,
        T_teacher: Positive = 0.01,
        queue: Count = 1024,
        hidden: Count | None = None,
        teacher_head: bool = True,
    ) -> None:
        if self.batch and queue % self.batch:
            raise Error(f"queue={queue} is no multiple of batch={self.batch}: the queue moves on by whole batches")
        self.T, self.T_teacher, self.teacher_head = T, T_teacher, teacher_head
        width, dim = self.model.feature_width, self.teacher_rows(torch.zeros(1, self.teacher.feature_width)).shape[1]
        self.projector = mlp(width, hidden or width, dim, norm="none")
        self.queue = Queue(normalize(torch.randn(queue, dim), dim=1))
        self.entropy = EpochMean()

    @torch.no_grad()
    def teacher_rows(self, pooled: Tensor) -> Tensor:
        """Return the teacher's embeddings (B, dim) of its pooled features."""
        head = self.teacher_parts.get("projector") if self.teacher_head else None
        return pooled if head is None else head(pooled)

    def embed(self, x: Tensor) -> Tensor:
        return self.projector(self.model.features(x).pooled)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        rows, queue = self.teacher_rows(teacher.pooled), self.queue.rows.T
        self.new = normalize(full(rows), dim=1), losses.entropy(losses.candidates(rows, rows, queue), self.T_teacher)
        return {"seed_kd": losses.seed_kd(self.projector(student.pooled), rows, queue, self.T, self.T_teacher)}

    def after_step(self, progress: float) -> None:
        rows, entropy = self.new
        self.queue.put(rows)
        self.entropy.add(entropy)

    def after_epoch(self, progress: float) -> None:
        self.entropy.close()

    def epoch_means(self) -> dict[str, Tensor]:
        return {"teacher_entropy": self.entropy.mean}
