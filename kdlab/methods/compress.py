"""CompRess: the student finds anchor images as alike as the teacher does."""

from typing import Literal

import torch
from torch import Tensor, nn

from .. import losses
from ..core.arithmetic import product
from ..core.errors import Error
from ..core.hyper import Count, Positive, Share
from ..data import Batch
from ..models import Features
from .common.features import EpochMean, FeatureDistill, Queue
from .common.selfsupervised import follow, momentum_copy


class CompRess(FeatureDistill):
    """Images that are near each other for the teacher should be so for the student.

    Each network is compared with its own features of the same earlier images, the anchors. No label is used.

        compress = mean over images of KL(softmax(t A_t' / T) || softmax(s A_s' / T)),    summed over the n anchors

    s and t are pooled features of one weakly augmented view, at unit length; A_t (`queue`, D_t) and A_s (`queue`, D_s)
    hold those of earlier batches, and start from noise, so that the first `queue` / B steps teach little. `form` says
    what A_s is:

        "2q"              rows of a slow copy of the student (`momentum`), which runs in train mode: the authors' script
        "2q_no_momentum"  the student's own rows, as they were then
        "1q"              A_t itself: a linear layer, for training only, brings the student's features to D_t

    Teacher and student may differ in width, and nothing else stands between the features and the loss. With a large T
    the loss is small for any student: `train/teacher_entropy` near the log of `queue` says so. T = 0.04 is the
    authors'; momentum 0.99 and 1,024 anchors are a *reconstruction* for small images and short training (theirs: 0.999
    and 128,000, preset "paper").
    """

    paper = "Koohpayegani et al., NeurIPS 2020"
    weights = {"compress": 1.0}
    new: tuple[Tensor, Tensor, Tensor]  # what `terms` leaves for `after_step`: rows of both networks, the entropy

    def build(
        self,
        *,
        T: Positive = 0.04,
        queue: Count = 1024,
        form: Literal["2q", "2q_no_momentum", "1q"] = "2q",
        momentum: Share = 0.99,
    ) -> None:
        if queue < self.batch:
            raise Error(f"queue={queue} has no room for batch={self.batch}: give at least as many anchors")
        self.T, self.form, self.momentum = T, form, momentum
        width, dim = self.model.feature_width, self.teacher.feature_width
        self.anchors = Queue(noise(queue, dim))
        self.adapter = nn.Linear(width, dim) if form == "1q" else nn.Identity()
        self.student_anchors = None if form == "1q" else Queue(noise(queue, width))
        self.key_model = momentum_copy(self.model) if form == "2q" else None
        self.entropy = EpochMean()

    def embed(self, x: Tensor) -> Tensor:
        return self.adapter(self.model.features(x).pooled)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        rows, anchors = self.adapter(student.pooled), self.anchors.rows
        with torch.no_grad():
            keys = rows if self.key_model is None else self.key_model.features(batch.x[0]).pooled
            t = losses.unit(teacher.pooled)
            self.new = t, losses.unit(keys), losses.entropy(product(t, anchors.T), self.T)
        student_anchors = None if self.student_anchors is None else self.student_anchors.rows
        return {"compress": losses.compress(rows, teacher.pooled, anchors, student_anchors, self.T)}

    def after_step(self, progress: float) -> None:
        rows, keys, entropy = self.new
        self.anchors.put(rows)
        if self.student_anchors is not None:
            self.student_anchors.put(keys)
        if self.key_model is not None:
            follow(self.key_model, self.model, self.momentum)
        self.entropy.add(entropy)

    def after_epoch(self, progress: float) -> None:
        self.entropy.close()

    def epoch_means(self) -> dict[str, Tensor]:
        return {"teacher_entropy": self.entropy.mean}


def noise(count: int, dim: int) -> Tensor:
    """Draw rows (count, dim), uniform with a length of about 1."""
    edge = (3 / dim) ** 0.5
    return torch.empty(count, dim).uniform_(-edge, edge)
